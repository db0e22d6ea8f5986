"""What the pusher reads: a line for each control that had something to say, a block for each that objected, what next.

Pure text. Nothing from a pusher is printed raw: control characters, and what could turn a terminal, are escaped.
"""

from __future__ import annotations

import unicodedata

from governance.decision import Decision, RefDecision
from governance.facts import PushContext
from governance.policy import PROPOSALS, CarryOver
from governance.record import Effects
from governance.verdict import Outcome, Verdict

MARKS = {
    Outcome.SATISFIED: "✓",
    Outcome.UNSATISFIED: "✗",
    Outcome.ERROR: "!",
}
HOSTILE = frozenset({"Cc", "Cf", "Cn", "Cs", "Co", "Zl", "Zp"})
"""Unicode categories that can hide, reorder or forge what stands on a screen."""

BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
"""Letters and marks that show nothing at all."""

OBSERVED = "this repository is only observed, nothing is enforced in it"


def plain(text: str) -> str:
    """Return text that is safe on a terminal: what could hide or move something is shown as an escape."""
    if text.isprintable() and BLANK.isdisjoint(text):  # No character of a hostile category is printable to Python.
        return text
    return "".join(_escape(c) if c in BLANK or unicodedata.category(c) in HOSTILE else c for c in text)


def _escape(char: str) -> str:
    code = ord(char)
    if unicodedata.category(char) == "Cs":  # A byte that was not UTF-8, as surrogateescape carries it.
        return f"\\x{code & 0xFF:02x}"
    return char.encode("unicode_escape").decode("ascii")


def heading(context: PushContext) -> str:
    """Return the first line, sent before anything is read: the pusher sees that somebody is looking."""
    how = " · observed, not enforced" if context.observed else "" if context.enforced else " · not enforced"
    return plain(f"twinseal · {context.repository} · {context.pusher}{how}")


def let_through(code: str, *, entry: int) -> str:
    """Return the last line about a push that breaks a rule in a repository where nothing is enforced."""
    return f"Would have been refused ({code}). Let through: {OBSERVED}. Recorded as entry {entry}."


def reading(commits: int, paths: int, took_ms: int) -> str:
    """Return the second line, sent before signatures are checked: on a large push that is where time goes."""
    return f"  read {_count(commits, 'commit')}, {_count(paths, 'path')} in {took_ms} ms"


def push(decision: Decision, effects: Effects, *, entry: int, url: str) -> str:
    """Return the answer for the pusher's terminal: verdicts, then what is missing, then what was recorded."""
    said = [line for ref in decision.refs for line in _ref(ref)]
    said += _next(decision, effects, url=url) if decision.allowed else _refusal(decision, url=url)
    if effects.reserve and not decision.allowed:
        said += [let_through(decision.code, entry=entry), ""]
        return "\n".join(plain(line) for line in said)
    verdict = "Allowed" if decision.allowed else f"Refused ({decision.code})"
    said += [f"{verdict}. Recorded as entry {entry}, policy {decision.policy_digest[:12]}.", ""]
    return "\n".join(plain(line) for line in said)


def _ref(ref: RefDecision) -> list[str]:
    update = ref.update
    head = "deleted" if update.deletes else update.new[:12]
    asked = (v for v in ref.verdicts if v.outcome is not Outcome.NOT_APPLICABLE)
    lines = [f"  {update.ref} → {head}"]
    return lines + [f"    {MARKS[v.outcome]} {v.control.replace('_', ' '):<17}{v.message}" for v in asked]


def _refusal(decision: Decision, *, url: str) -> list[str]:
    said = []
    for ref in decision.refs:
        for verdict in (v for v in ref.verdicts if v.objects):
            said += ["", *_objection(verdict)]
            change = ref.standing.change
            if change is not None and verdict.control == "four_eyes":
                said.append(f"  See    {_link(url, ref, change.number)}")
    return [*said, ""]


def _objection(verdict: Verdict) -> list[str]:
    said = [f"  {verdict.control.replace('_', ' ').capitalize()} objects ({verdict.reason})"]
    said += [f"  Do     {step}" for step in verdict.mend]
    if verdict.helpers:
        said.append(f"  Ask    {', '.join(verdict.helpers)}")
    return said


def _next(decision: Decision, effects: Effects, *, url: str) -> list[str]:
    said = [line for ref in decision.refs for line in _overridden(ref)]
    for opened in effects.opens:
        ref = next(ref for ref in decision.refs if ref.update.ref == opened["ref"])
        number = opened["change"]
        about = opened["about"]
        reasons, tip = (about["reasons"], about.get("target_tip")) if isinstance(about, dict) else ((), None)
        behind = ref.update.base != ref.update.merge_base and tip != ""  # Of a branch that begins there is no tip.
        asks = "needs two sign-offs" if reasons else "is below the threshold and may land"
        repository = ref.update.push.repository
        said += [
            "",
            f"  Change {number}, patch set {opened['patch_set']}: {asks}",
            *(f"    because {reason}" for reason in reasons),
            *(_behind(ref, str(opened["target"])) if behind else ()),
            f"  Ask    twinseal sign-off {number} --approve --repo {repository}",
            f"  Land   twinseal land {number} --repo {repository}",
            *([] if behind else [f"  or     git push origin {ref.update.new[:12]}:{opened['target']}"]),
            *_again(str(opened["ref"]), int(str(number))),
            f"  See    {_link(url, ref, int(str(number)))}",
        ]
    return [*said, ""]


def _overridden(ref: RefDecision) -> tuple[str, ...]:
    """Say loudly that a landing breaks the glass, and what it owes."""
    seq = ref.standing.override
    if not seq:
        return ()
    hours = ref.standing.policy.controls.override.review_hours
    return (
        "",
        f"  OVERRIDE OF ENTRY {seq}: THIS LANDS WITHOUT THE USUAL REVIEW.",
        f"  Two people, one of them human, review it within {hours} hours:",
        f"  Ask    twinseal override review {seq} --verdict fine --reason ... --repo {ref.update.push.repository}",
    )


def _again(ref: str, number: int) -> tuple[str, ...]:
    """Say how the next patch set of what was pushed for review is pushed; a topic is just pushed again."""
    if not ref.startswith(PROPOSALS):
        return ()
    return (f"  Again  git push -o twinseal.change={number} origin HEAD:{ref}",)


def _behind(ref: RefDecision, target: str) -> tuple[str, ...]:
    if ref.standing.policy.four_eyes.carry_over is CarryOver.NEVER:
        return (f"  Note   {target} has moved on: rebase and push again before you ask",)
    return (f"  Note   {target} has moved on: it can be landed as a merge, or rebased and pushed again before you ask",)


def _link(url: str, ref: RefDecision, number: int) -> str:
    return f"{url}/{ref.update.push.repository}/changes/{number}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"
