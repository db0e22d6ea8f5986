"""An entry in words: of which group it is, and what to say of it. What has no line here is counted and not told.

Names, reasons and titles come from people and agents: they stay as they are here, and whoever shows them escapes them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from audit.entry import Entry
from governance.record import Kind
from governance.tell.reports.facts import Event

Data = Mapping[str, Any]
Words = Callable[[Entry, Data], str]

STOPS, BYPASSES, GLASS, PEOPLE = "stops", "bypasses", "overrides", "people and keys"
MESSAGES, FINDINGS, LEDGER, CHOICES, FACTORS = "messages", "findings", "ledger", "decisions", "second factor"
GROUPS = (STOPS, BYPASSES, GLASS, FINDINGS, LEDGER, FACTORS, PEOPLE, CHOICES, MESSAGES)
"""In the order in which they are told."""
LIMIT = 300
"""Characters of one sentence."""


def _scope(data: Data) -> str:
    named = " ".join(filter(None, (data["scope"], data["value"] or data["repository"])))
    return f"{named}: {data['reason']}" + (f" (rule {data['trigger']})" if data["trigger"] else "")


def _registry(entry: Entry, data: Data) -> str:
    del entry
    wrong = {"missing": len(data["missing"]), "changed": len(data["changed"]), "unknown": data["unknown"]}
    return "; ".join(f"{count} {name}" for name, count in wrong.items() if count)


_TOLD: Mapping[str, tuple[str, Words]] = {
    Kind.FREEZE_IMPOSED: (STOPS, lambda _, d: f"froze {_scope(d)}"),
    Kind.FREEZE_LIFTED: (STOPS, lambda _, d: f"lifted freeze {d['freeze']}: {d['remediation']}"),
    Kind.VETO_CAST: (STOPS, lambda _, d: f"vetoed {d['kind']} {d['name']}: {d['reason']}"),
    Kind.VETO_LIFTED: (STOPS, lambda _, d: f"veto {d['veto']} ended ({d['how']}): {d['reason']}"),
    Kind.REFS_DRIFTED: (BYPASSES, lambda _, d: d["reason"]),
    Kind.CONTINUITY_LAPSE: (BYPASSES, lambda _, d: d["reason"]),
    Kind.OVERRIDE_ASKED: (GLASS, lambda _, d: f"asked to override the review of change {d['change']}: {d['reason']}"),
    Kind.OVERRIDE_SIGNED: (GLASS, lambda _, d: f"signed override {d['override']} as {d['as']}"),
    Kind.OVERRIDE_REVIEWED: (GLASS, lambda _, d: f"reviewed override {d['override']}: {d['verdict']}; {d['reason']}"),
    Kind.FINDING_RECORDED: (FINDINGS, lambda _, d: _found(d)),
    Kind.CANARY_REVEALED: (FINDINGS, lambda _, d: _canary(d)),
    Kind.MESSAGE_OVERDUE: (MESSAGES, lambda _, d: f"no {d['expects']} from {', '.join(d['to'])} to {d['from']}"),
    Kind.MESSAGE_CHECKED: (MESSAGES, _registry),
    Kind.PRINCIPAL_ADDED: (PEOPLE, lambda _, d: f"enrolled {d['principal']['name']} as {d['principal']['role']}"),
    Kind.PRINCIPAL_INVITED: (PEOPLE, lambda e, _: f"invited {e.subject} to bring another key"),
    Kind.PRINCIPAL_RETIRED: (PEOPLE, lambda _, d: f"retired {d['principal']}"),
    Kind.KEY_ENROLLED: (PEOPLE, lambda _, d: f"{d['principal']} brought the key {d['key']['fingerprint']}"),
    Kind.KEY_ROTATED: (PEOPLE, lambda _, d: f"rotated {d['replaces']} to {d['key']['fingerprint']}"),
    Kind.KEY_REVOKED: (PEOPLE, lambda _, d: f"revoked the key {d['fingerprint']}: {d['reason']}"),
    Kind.TOKEN_ISSUED: (PEOPLE, lambda _, d: f"token {d['id']} for {d['principal']} ({d['repository'] or 'own'})"),
    Kind.TOKEN_REVOKED: (PEOPLE, lambda _, d: f"ended token {d['id']}"),
    Kind.REPOSITORY_ADDED: (PEOPLE, lambda _, d: f"governs {d['name']} ({d.get('mode', 'enforce')})"),
    Kind.REPOSITORY_ADOPTED: (PEOPLE, lambda e, d: f"adopted {e.repo} as it is: {d['reason']}"),
    Kind.REPOSITORY_MODE_SET: (PEOPLE, lambda e, d: f"set {e.repo} to {d['mode']}"),
    Kind.REPOSITORY_REMOVED: (PEOPLE, lambda e, d: f"let {e.repo} go: {d['reason']}"),
    Kind.LIMIT_RAISED: (PEOPLE, lambda _, d: f"raised {d['action']} of {d['role']} to {d['hour']}/h, {d['day']}/d"),
    Kind.DECISION_RAISED: (CHOICES, lambda e, d: f"asked ({d['kind']}, decision {e.seq}): {d['question']}"),
    Kind.DECISION_CLOSED: (CHOICES, lambda _, d: f"decision {d['decision']} is {d['outcome']}: {d['reason']}"),
    Kind.DECISION_AWAITED: (CHOICES, lambda _, d: f"decision {d['decision']} awaited a confirmation by {d['to']}"),
    Kind.DECISION_CONFIRMED: (CHOICES, lambda _, d: f"confirmed decision {d['decision']} by {d['channel']}"),
    Kind.DECISION_HELD: (CHOICES, lambda _, d: f"decision {d['decision']} was not confirmed in time: on hold"),
    Kind.DECISION_DISOWNED: (CHOICES, lambda _, d: f"FRAUD: disowned decision {d['decision']} by {d['channel']}"),
    Kind.NOTICE_CLOSED: (LEDGER, lambda _, d: _undelivered(d)),
    "alert.raised": (LEDGER, lambda _, d: f"told: {d['message']}"),
    "ledger.clock_stepped": (LEDGER, lambda _, d: f"the clock stepped back by {d['behind_ms']} ms"),
    "ledger.key_rotated": (LEDGER, lambda _e, _d: "another ledger key took over"),
    "ledger.epoch": (LEDGER, lambda _, d: f"a new epoch gave up what was lost: {d['reason']}"),
    "ledger.erased": (LEDGER, lambda _, d: f"erased {', '.join(d['fields'])} of entry {d['of']}: {d['basis']}"),
    "ledger.pruned": (LEDGER, lambda _, d: f"entries below {d['below']} were let go"),
    "factor.enrolled": (FACTORS, lambda _, d: f"{d['principal']} enrolled a {d['kind']} ({d['how']})"),
    "factor.removed": (FACTORS, lambda _, d: f"a {d['kind']} of {d['principal']} is removed"),
    "factor.reset": (FACTORS, lambda _, d: f"reset the second factor of {d['principal']}"),
    "prompt.denied": (
        FACTORS,
        lambda _, d: ": ".join(filter(None, (f"{d['by']} denied prompt {d['prompt']}", d["reason"]))),
    ),
    "account.set": (FACTORS, lambda _, d: f"{d['principal']} has another password"),
}

_ROOMS: Mapping[str, str] = {
    "factor": FACTORS, "passkey": FACTORS, "account": FACTORS, "alert": LEDGER, "decision": CHOICES,
}  # fmt: skip
"""Kinds of the rooms around us that are told by their name alone, by the word before the dot."""

QUIET = frozenset({Kind.DECISION_SIGNED})
"""Kinds that are not told though their room is."""


def told(entry: Entry) -> Event | None:
    """Return an entry in words; None for what is only counted."""
    known = _TOLD.get(entry.kind)
    room = _ROOMS.get(entry.kind.partition(".")[0])
    if known is not None:
        group, said = known[0], known[1](entry, entry.data)
    elif room is not None and entry.kind not in QUIET:
        group, said = room, named(entry)
    else:
        return None
    if not said:
        return None
    return event(entry, group, said)


def event(entry: Entry, group: str, said: str) -> Event:
    """Return an event with a sentence that is not too long."""
    said = said if len(said) <= LIMIT else said[: LIMIT - 1] + "…"
    return Event(
        seq=entry.seq, at=entry.ts, group=group, kind=entry.kind, who=entry.actor.id, repository=entry.repo, said=said
    )


def named(entry: Entry) -> str:
    """Return what a kind and its first few plain members say, of an entry that has no sentence of its own."""
    plain = (f"{name} {value}" for name, value in sorted(entry.data.items()) if isinstance(value, (str, int)) and value)
    said = ", ".join(list(plain)[:4])
    subject = f" {entry.subject}" if entry.subject else ""
    return f"{entry.kind.replace('.', ' ').replace('_', ' ')}{subject}" + (f" ({said})" if said else "")


def _undelivered(data: Data) -> str:
    failed = data["outcome"] in {"refused", "given_up"}
    return f"{len(data['notices'])} notices by {data['channel']} were never taken" if failed else ""


def _found(data: Data) -> str:
    named = "; ".join(f"{each['pattern']}: {' and '.join(each['people'])}" for each in data["found"])
    return f"who reviews whom: {named}" if named else ""


def _canary(data: Data) -> str:
    missed = [name for name, miss in data["answers"] if miss]
    return f"canary {data['planted']} was missed by {', '.join(missed)}" if missed else "a canary was caught"
