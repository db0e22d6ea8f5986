"""The one way from bytes to a `Policy`, and from a policy to the plain meaning that the ledger keeps.

Whatever `load` accepts, `from_meaning(describe(policy))` gives back as it was. How bytes are read strictly is
`strict_yaml`; how values are checked one by one, `policy_reading`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from audit.canonical import encode
from governance import policy_authority, policy_controls
from governance.errors import PolicyContentError
from governance.patterns import Pattern, fold
from governance.policy import (
    COMMIT_PROBLEMS,
    OWNER,
    ApproverRow,
    CarryOver,
    FourEyes,
    Kind,
    Policy,
    Profile,
    Refs,
    Role,
    SignedCommits,
)
from governance.policy_reading import Reading
from governance.strict_yaml import Found, located, parse, shown_as_json

MAX_NAME = 40
_ROLE_NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")


def load(policy_bytes: bytes, roles_bytes: bytes, *, policy_name: str, roles_name: str) -> Policy:
    """The policy that two files mean together; the names are for messages only.

    Raises:
        PolicySyntaxError: a file is not in the part of YAML that is read; the first place.
        PolicyContentError: the files say what a policy must not say; `problems` holds every place.
    """
    return _policy(parse(policy_bytes, policy_name), parse(roles_bytes, roles_name))


def from_meaning(meaning: Mapping[str, object]) -> Policy:
    """The policy that `describe` described, after the same checks.

    Raises:
        PolicyContentError: the meaning was not written by `describe`, or no longer passes; it names keys, not lines.
    """
    whole = located(meaning)
    values = dict(whole.value) if isinstance(whole.value, dict) else {}
    roles = {"roles": values.pop("roles")} if "roles" in values else {}
    # What was adopted before sign-offs could carry over did not mean that they may. Of a section or number that it does
    # not have, the defaults hold, which are stricter than nothing; its digest is of what it said.
    found = _policy(replace(whole, value=values), replace(whole, value=roles), carry_over=CarryOver.NEVER)
    grows = {*policy_controls.SECTIONS, policy_authority.SECTION}
    said = {
        name: policy_controls.said(value, meaning[name]) if name in grows else value
        for name, value in describe(found).items()
        if name not in grows or name in meaning
    }
    return replace(found, digest=hashlib.sha256(encode(said)).hexdigest())


def describe(policy: Policy) -> dict[str, object]:
    """What a policy means, defaults included, as plain JSON: sets sorted, so that spelling and order leave no trace."""
    refs, eyes, signed = policy.refs, policy.four_eyes, policy.signed_commits
    return {
        "version": policy.version,
        "profile": policy.profile.value,
        "roles": {
            name: {"kind": role.kind.value, "description": role.description}
            for name, role in sorted(policy.roles.items())
        },
        "refs": {
            "target": refs.target,
            "protected": _texts(refs.protected),
            "topic": _texts(refs.topic),
            "tags": _texts(refs.tags),
            "max_refs": refs.max_refs,
        },
        "four_eyes": {
            "lines": eyes.lines,
            "files": eyes.files,
            "expires_hours": eyes.expires_hours,
            "humans_stand_in": eyes.humans_stand_in,
            "risk_paths": _texts(eyes.risk_paths),
            # Left out where nothing carries over, as in policies older than this key: their digest stands.
            **({} if eyes.carry_over is CarryOver.NEVER else {"carry_over": eyes.carry_over.value}),
        },
        "signed_commits": {
            "signature_future_seconds": signed.signature_future_seconds,
            "refuse_problems": sorted(signed.refuse_problems),
        },
        "approvers": [_described(row) for row in policy.approvers],
        **policy_controls.described(policy.controls),
        **({"authority": policy_authority.described(policy.authority)} if policy.authority else {}),
    }


def _described(row: ApproverRow) -> dict[str, object]:
    said: dict[str, object] = {
        "authors": sorted(row.authors),
        "first": sorted(row.first),
        "second": sorted(row.second),
    }
    # A list that may not be written empty is left out where it is.
    if row.fallback:
        said["fallback"] = sorted(row.fallback)
    if row.first_together:
        said["first_together"] = [sorted(group) for group in row.first_together]
    return said


def _texts(patterns: Iterable[Pattern]) -> list[str]:
    return [pattern.text for pattern in patterns]


def _policy(at: Found, roles_at: Found, *, carry_over: CarryOver = CarryOver.DISJOINT) -> Policy:
    reading = Reading()
    roles = _roles(reading, roles_at)
    optional = ("signed_commits", *policy_controls.SECTIONS, policy_authority.SECTION)
    fields = reading.fields(at, ("version", "profile", "refs", "four_eyes", "approvers"), optional)
    policy = Policy(
        version=reading.whole(fields.get("version"), 1),
        profile=reading.choice(fields.get("profile"), Profile, Profile.TEAM),
        roles=MappingProxyType(roles),
        approvers=_approvers(reading, fields.get("approvers"), roles),
        refs=_refs(reading, fields.get("refs")),
        four_eyes=_four_eyes(reading, fields.get("four_eyes"), carry_over),
        signed_commits=_signed_commits(reading, fields.get("signed_commits")),
        digest="",
        controls=policy_controls.read(reading, fields),
        authority=policy_authority.read(reading, fields.get(policy_authority.SECTION), roles),
    )
    reading.finish()
    return replace(policy, digest=hashlib.sha256(encode(describe(policy))).hexdigest())


def _roles(reading: Reading, at: Found) -> dict[str, Role]:
    table = reading.fields(at, ("roles",)).get("roles")
    if table is None:
        return {}
    if not isinstance(table.value, dict) or not table.value:
        reading.wrong(table, "a mapping of role names", "Write one role a line, with kind and description.")
        return {}
    roles: dict[str, Role] = {}
    looks: dict[str, str] = {}
    for name, found in table.value.items():
        if not _ROLE_NAME.fullmatch(name) or len(name) > MAX_NAME:
            reading.problem(
                found, f"expected a role name of a-z, 0-9 and single hyphens, got {shown_as_json(name)}", "Rename it."
            )
        other = looks.setdefault(_look(name), name)
        if other != name:
            reading.problem(found, f"expected names told apart at a glance, got {name} beside {other}", "Rename one.")
        fields = reading.fields(found, ("kind", "description"))
        kind = reading.choice(fields.get("kind"), Kind, Kind.AGENT)
        roles[name] = Role(name, kind, reading.text(fields.get("description")))
    if OWNER not in roles or roles[OWNER].kind is not Kind.HUMAN:
        mend = f"Add {OWNER} with kind: human; somebody must be left to ask."
        reading.problem(table, f"expected a human role {OWNER}, got none", mend)
    return roles


def _look(name: str) -> str:
    """What is left of a name at a glance; names with one look are confused (after Unicode TR39, for ASCII)."""
    plain = fold(name).translate(str.maketrans("01i", "oll", "-_ "))
    return plain.replace("rn", "m").replace("vv", "w")


def _approvers(reading: Reading, at: Found | None, roles: Mapping[str, Role]) -> tuple[ApproverRow, ...]:
    rows = []
    stands: dict[str, Found] = {}
    for found in reading.items(at, "approver rows"):
        row = _row(reading, found, roles)
        rows.append(row)
        for author in sorted(row.authors):
            earlier = stands.setdefault(author, found)
            if earlier is not found:
                where = f"on line {earlier.line}" if earlier.line else earlier.path
                reading.problem(found, f"expected {author} in one row, got a second; the first is {where}", "Keep one.")
    for name, role in roles.items():
        if at is not None and role.kind is not Kind.SERVICE and name not in stands:
            reading.problem(at, f"expected a row for {name}, got none", f"Add {name} to the authors of a row.")
    return tuple(sorted(rows, key=lambda row: sorted(row.authors)))


def _row(reading: Reading, at: Found, roles: Mapping[str, Role]) -> ApproverRow:
    fields = reading.fields(at, ("authors", "first", "second"), ("fallback", "first_together"))
    judges = frozenset(name for name, role in roles.items() if role.kind is not Kind.SERVICE)
    groups = reading.items(fields.get("first_together"), "lists of roles")
    row = ApproverRow(
        authors=reading.names(fields.get("authors"), "roles", roles),
        first=reading.names(fields.get("first"), "roles (services never judge)", judges),
        second=reading.names(fields.get("second"), "roles (services never judge)", judges),
        fallback=reading.names(fields.get("fallback"), "roles (services never judge)", judges),
        first_together=tuple(
            sorted((reading.names(group, "roles (services never judge)", judges) for group in groups), key=sorted)
        ),
    )
    _check_fillable(reading, at, row, roles)
    return row


def _check_fillable(reading: Reading, at: Found, row: ApproverRow, roles: Mapping[str, Role]) -> None:
    """Every author must find two approvers in a row, for nobody fills both places alone."""
    groups = row.first_together
    if len(groups) == 1 or len(frozenset().union(*groups)) < sum(map(len, groups)):
        mend = "Write two lists or more that share no role; one approver from each fills the place."
        reading.problem(at, "expected first_together to hold lists that share no role, got others", mend)
    if not row.first or not row.second:  # Told already.
        return
    for author in sorted(row.authors):
        left = row if roles[author].kind is Kind.HUMAN else row.without(author)
        either = left.first | left.second
        several = len(either) > 1 or any(roles[name].kind is Kind.HUMAN for name in either)
        if not (left.first and left.second and several):
            mend = f"Name a role beside {author} in each place, two roles in all."
            reading.problem(at, f"expected two approvers for {author}, got places that cannot both be filled", mend)


def _refs(reading: Reading, at: Found | None) -> Refs:
    if at is None:
        return Refs("", ())
    fields = reading.fields(at, ("target",), ("protected", "topic", "tags", "max_refs"))
    target = _target(reading, fields.get("target"))
    plain = Refs(target, (Pattern(target),) if target else ())
    refs = Refs(
        target=target,
        protected=reading.patterns(fields.get("protected")) or plain.protected,
        max_refs=reading.whole(fields.get("max_refs"), plain.max_refs),
        topic=reading.patterns(fields.get("topic")) or plain.topic,
        tags=reading.patterns(fields.get("tags")) or plain.tags,
    )
    if target and not any(pattern.matches(target) for pattern in refs.protected):
        mend = f"Add {target} to protected."
        reading.problem(fields["protected"], f"expected the target {target} among them, got others only", mend)
    if not all(pattern.text.startswith("refs/tags/") for pattern in refs.tags):
        reading.wrong(fields["tags"], "patterns below refs/tags/", "Tags live nowhere else.")
    return refs


def _target(reading: Reading, at: Found | None) -> str:
    """The full name of one branch, or nothing where there is a problem with it."""
    name = reading.text(at)
    if at is None or not name:
        return ""
    try:
        Pattern(name)
    except PolicyContentError as error:
        reading.problem(at, str(error), error.mend)
        return ""
    if not name.startswith("refs/heads/") or set(name) & set("*?"):
        reading.wrong(at, "the full name of one branch", "Write it as refs/heads/main.")
        return ""
    return name


def _four_eyes(reading: Reading, at: Found | None, carry_over: CarryOver) -> FourEyes:
    plain = FourEyes(risk_paths=())
    if at is None:
        return plain
    optional = ("lines", "files", "expires_hours", "humans_stand_in", "carry_over")
    fields = reading.fields(at, ("risk_paths",), optional)
    return FourEyes(
        lines=reading.whole(fields.get("lines"), plain.lines),
        files=reading.whole(fields.get("files"), plain.files),
        risk_paths=reading.patterns(fields.get("risk_paths"), paths=True),
        expires_hours=reading.whole(fields.get("expires_hours"), plain.expires_hours),
        humans_stand_in=reading.flag(fields.get("humans_stand_in"), default=plain.humans_stand_in),
        carry_over=reading.choice(fields.get("carry_over"), CarryOver, carry_over),
    )


def _signed_commits(reading: Reading, at: Found | None) -> SignedCommits:
    plain = SignedCommits()
    if at is None:
        return plain
    fields = reading.fields(at, (), ("signature_future_seconds", "refuse_problems"))
    return SignedCommits(
        signature_future_seconds=reading.whole(fields.get("signature_future_seconds"), plain.signature_future_seconds),
        refuse_problems=reading.names(fields.get("refuse_problems"), "problems of a commit", COMMIT_PROBLEMS)
        or plain.refuse_problems,
    )
