"""What a person is shown before they approve: the whole statement, and what it is about, a line for each.

Everything that somebody else wrote is on a line of its own, with what could hide or move text escaped: a title cannot
look like a line of ours. Of the statement itself nothing is cut off; it and what we add stand below headings.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from governance.errors import NotFoundError
from governance.explain import plain
from governance.people.statements import Statement
from governance.policy import Kind, Policy
from governance.review import changes
from governance.standing import Principal, Roster
from governance.state import decisions, overrides, stops
from governance.state.tx import Tx

VALUE_LIMIT = 2_000
"""Characters that are shown of what others wrote about it; of a longer text, its beginning, its length and that it goes
on. What the statement itself says is shown whole, or is too much for a prompt."""

PLAIN_NAME = re.compile(r"[A-Za-z0-9_./-]+")
"""Names of fields, refs and paths among them. Any other is shown in quotes."""

KNOWN = "what the ledger knows of it:"
SAID = "what the statement says, whole:"
"""Headings, which no field can have as its name. What people understand comes first; what binds it stands below."""

LIST_LIMIT = 40
SHOWN_LIMIT = 50_000
"""Bytes of one prompt as its entry spells them, which holds 65,535. Any one statement fits that is not made of what
must be escaped."""

_ACTS: Mapping[str, str] = {
    "sign_off": "sign off a change",
    "tertiary": "answer a third review",
    "thaw": "lift the freeze of a repository",
    "freeze.lift": "lift a freeze",
    "veto.lift": "lift a veto",
    "override.sign": "sign a break-glass override",
    "override.review": "review a landing by override",
    "principal.add": "enrol a principal",
    "principal.invite": "give a principal another enrolment secret",
    "principal.retire": "retire a principal",
    "repository.add": "govern a repository",
    "repository.adopt": "adopt a repository as it is found",
    "repository.mode": "set a repository's mode",
    "repository.remove": "stop governing a repository",
    "key.rotate": "replace a signing key",
    "limit.raise": "raise a rate limit",
    "gate.evidence": "give evidence for a gate",
    "gate.cosign": "co-sign that a gate is passed",
    "decision.sign": "answer a decision",
    "account.password": "set a password",
    "account.contact": "set where to be reached",
    "factor.enroll": "enrol another second factor",
    "factor.remove": "remove a second factor",
    "factor.reset": "reset another person's second factors",
}


def text(tx: Tx, policy: Policy, roster: Roster, who: Principal, statements: list[Statement]) -> str:
    """Return all that is shown of these statements, numbered; its digest is what the approver types back."""
    head = [f"asked by: {_person(who)}", f"policy: {policy.digest}"]
    for number, statement in enumerate(statements, 1):
        head += ["", f"{number} of {len(statements)}: {_ACTS.get(statement.type, statement.type)} ({statement.type})"]
        head += [f"  {line}" for line in _lines(tx, policy, roster, statement)]
        head += [f"  statement: {statement.digest}"]
    return "\n".join(head)


def fits(shown: str) -> bool:
    """Whether an entry can hold what is shown."""
    return len(json.dumps(shown, ensure_ascii=False).encode()) <= SHOWN_LIMIT


def _lines(tx: Tx, policy: Policy, roster: Roster, statement: Statement) -> Iterator[str]:
    known = list(_about(tx, policy, roster, statement))
    if known:
        yield KNOWN
        yield from (f"  {line}" for line in known)
    yield SAID
    for name, value in _flat(dict(statement.body)):
        if value not in ("", None, [], {}):  # What says nothing only hides what says something.
            yield f"  {name if PLAIN_NAME.fullmatch(name) else json.dumps(name)}: {plain(_said(value))}"


def _flat(value: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, one in sorted(value.items()):
        if isinstance(one, dict) and one:
            yield from _flat(one, f"{before}{name}.")
        else:
            yield f"{before}{name}", one


def _said(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _value(value: object) -> str:
    shown = plain(_said(value))
    more = f" … ({len(shown)} characters in all)" if len(shown) > VALUE_LIMIT else ""
    return shown[:VALUE_LIMIT] + more


def _person(who: Principal) -> str:
    operator = "" if who.operator in {"", who.name} else f", run by {who.operator}"
    return f"{who.name} ({who.kind.value}, {who.role}{operator})"


def _about(tx: Tx, policy: Policy, roster: Roster, statement: Statement) -> Iterator[str]:
    """Say what the tables know of that which the statement names by number or name."""
    body = statement.body
    repository = body.get("repository", "")
    if isinstance(body.get("binding"), dict):
        repository = body["binding"].get("repository", "")
    if not isinstance(repository, str):
        return
    if statement.type in {"sign_off", "tertiary", "override.sign", "override.review"}:
        yield from _change(tx, policy, roster, repository, _number(body, "change"))
    if statement.type in {"thaw", "freeze.lift", "veto.lift"}:
        yield from _stopped(tx, statement, repository)
    if statement.type.startswith("override.") and (found := overrides.one(tx, repository, _number(body, "override"))):
        yield f"override asked by: {_named(roster, found.asked_by)}; its reason: {_value(found.reason)}"
    if statement.type == "decision.sign" and (
        decision := decisions.decision(tx, repository, _number(body, "decision"))
    ):
        yield f"decision: {plain(decision['kind'])}, raised by {_named(roster, decision['by'])}"
        yield f"question: {_value(decision['question'])}"
        yield f"options: {_value(decision['options'])}"
    if statement.type == "principal.add" and (role := policy.roles.get(_text(body, "role"))):
        yield f"enrols: {'a person' if role.kind is Kind.HUMAN else f'an {role.kind.value}'}, as {role.name}"
    for field in ("name", "principal"):
        if statement.type.startswith(("principal.", "factor.")) and (one := _known(roster, body.get(field))):
            yield f"about: {_person(one)}, {', '.join(one.emails)}"


def _stopped(tx: Tx, statement: Statement, repository: str) -> Iterator[str]:
    """Say what a freeze or a veto that is to be lifted is of, whose, and why."""
    body = statement.body
    if statement.type == "thaw":
        for freeze in stops.freezes(tx, repository):
            yield f"freeze {freeze.seq} by {plain(freeze.by)}: {_value(freeze.reason)}"
    elif statement.type == "freeze.lift" and (halt := stops.halt(tx, _number(body, "freeze"))):
        where = f"{halt[0].scope.value} {halt[0].value or halt[0].repository}".strip()
        yield f"freeze of: {plain(where)}, by {plain(halt[0].by)}: {_value(halt[0].reason)}"
    elif statement.type == "veto.lift" and (veto := stops.veto(tx, _number(body, "veto"))):
        yield f"veto of: {veto[0].kind.value} {plain(veto[0].name)}, by {veto[0].by}: {_value(veto[0].reason)}"


def _change(tx: Tx, policy: Policy, roster: Roster, repository: str, number: int) -> Iterator[str]:
    try:
        change = changes.shown(tx, repository, number, policy=policy)
    except NotFoundError:
        return
    about = change["about"]
    yield f"change: {number} of {plain(repository)}, patch set {change['patch_set']}, {change['state']}"
    yield f"title: {_value(change['title'])}"
    yield f"target: {plain(change['target'])}, head {change['head']}"
    yield f"by: {', '.join(_named(roster, name) for name in about.get('contributors', []))}"
    yield f"size: {about.get('units', 0)} units, {about.get('lines', 0)} changed lines; files: {about.get('files', 0)}"
    paths = about.get("paths", [])
    yield f"files: {', '.join(map(_value, paths[:LIST_LIMIT]))}{_beyond(about.get('files', 0), len(paths))}"
    yield f"risk: {'HIGH' if about.get('high_risk') else 'not high'}; {_value('; '.join(about.get('reasons', [])))}"
    yield f"debt: {_value(change['debt'] or 'none')}"


def _beyond(count: int, shown: int) -> str:
    return f" and {count - shown} more" if count > shown else ""


def _named(roster: Roster, name: str) -> str:
    who = roster.get(name)
    return _person(who) if who else f"{plain(name)} (not enrolled)"


def _known(roster: Roster, name: object) -> Principal | None:
    return roster.get(name) if isinstance(name, str) else None


def _text(body: Mapping[str, Any], name: str) -> str:
    found = body.get(name)
    return found if isinstance(found, str) else ""


def _number(body: Mapping[str, Any], name: str) -> int:
    """Return a number that the tables can be asked for; of anything else, one that nothing has."""
    found = body.get(name)
    binding = body.get("binding")
    if found is None and isinstance(binding, dict):
        found = binding.get(name)
    return found if type(found) is int and 0 <= found < 2**53 else 2**53 - 1
