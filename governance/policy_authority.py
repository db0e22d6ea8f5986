"""Reads the authority table of a policy, row by row, and writes it out again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from governance.authority import AuthorityRow, known_to
from governance.policy_reading import Reading
from governance.strict_yaml import Found

SECTION = "authority"
_NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_LONGEST = 60


def read(reading: Reading, at: Found | None, roles: Iterable[str]) -> tuple[AuthorityRow, ...]:
    """Return the rows that this section says, by name; the shipped ones where there is no section."""
    known = tuple(roles)
    if at is None:
        return known_to(known)
    rows: dict[str, AuthorityRow] = {}
    for found in reading.items(at, "authority rows"):
        row = _row(reading, found, known)
        if row.name in rows:
            reading.problem(found, f"expected each row once, got {row.name} again", "Rename or remove one.")
        rows[row.name] = row
    return tuple(rows[name] for name in sorted(rows))


def described(rows: Iterable[AuthorityRow]) -> list[dict[str, object]]:
    """Return the rows as plain JSON: sets sorted, what is empty left out."""
    return [_described(row) for row in rows]


def _row(reading: Reading, at: Found, roles: tuple[str, ...]) -> AuthorityRow:
    optional = ("with", "cosign", "reaches", "forbid")
    fields = reading.fields(at, ("name", "action", "by"), optional)
    groups = reading.items(fields.get("with"), "lists of roles")
    row = AuthorityRow(
        name=_name(reading, fields, "name"),
        action=_name(reading, fields, "action"),
        by=reading.names(fields.get("by"), "roles", roles),
        with_=tuple(sorted((reading.names(group, "roles", roles) for group in groups), key=sorted)),
        cosign=reading.names(fields.get("cosign"), "roles", roles),
        reaches=reading.names(fields.get("reaches"), "roles", roles),
        forbid=reading.flag(fields.get("forbid"), default=False),
    )
    if row.forbid and row.places:
        reading.problem(at, "expected a row that forbids to say only who may not, got places too", "Remove them.")
    return row


def _name(reading: Reading, fields: Mapping[str, Found], key: str) -> str:
    """Return a name of a-z, 0-9 and single hyphens: no two of them look alike but for digits."""
    at = fields.get(key)
    text = reading.text(at)
    if at is not None and text and (not _NAME.fullmatch(text) or len(text) > _LONGEST):
        reading.wrong(at, f"{key} of a-z, 0-9 and single hyphens, at most {_LONGEST}", "Rename it.")
    return text


def _described(row: AuthorityRow) -> dict[str, object]:
    said: dict[str, object] = {"name": row.name, "action": row.action, "by": sorted(row.by)}
    if row.with_:
        said["with"] = [sorted(group) for group in row.with_]
    for key, roles in (("cosign", row.cosign), ("reaches", row.reaches)):
        if roles:
            said[key] = sorted(roles)
    return said | ({"forbid": True} if row.forbid else {})
