"""What a person reads of an entry at three in the morning: what happened, where, who did it, what to do next. Pure.

Every text that came from elsewhere is escaped here, once, for all channels.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from governance.explain import plain
from governance.record import Kind

Body = Mapping[str, Any]
"""An entry as it is written."""

TITLE_MOST, FACT_MOST = 120, 300


@dataclass(frozen=True, slots=True)
class Words:
    """One notice in words. `facts` are lines of (name, value); `do` is a command or a sentence; `path` is a page."""

    title: str
    facts: tuple[tuple[str, str], ...]
    do: str
    path: str = ""


def words(body: Body, *, code: str = "") -> Words:
    """Return what is said of an entry. It never raises: an entry that lacks something is told with what it has."""
    kind, data = str(body["kind"]), body.get("data", {})
    title, do = _TABLE.get(kind, (_bare, _SHOW))
    facts = [("what", f"{kind}{f' ({code})' if code not in {'', kind} else ''}"), ("where", body.get("repo") or "")]
    facts += [("who", _who(body)), ("when", when(int(body["ts"]))), ("why", _why(data))]
    return Words(
        title=cut(_said(title, body), TITLE_MOST),
        facts=tuple((name, cut(value, FACT_MOST)) for name, value in facts if value),
        do=cut(_said(do, body, quoted=True), FACT_MOST),
        path=_path(body, data),
    )


def when(ms: int) -> str:
    """Return a time as people read it."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def cut(text: object, most: int) -> str:
    """Return text on one line in which nothing hides, at most so long."""
    shown = plain(str(text)[: most * 2])
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def _said(text: str | Callable[[Body], str], body: Body, *, quoted: bool = False) -> str:
    try:
        return text(body) if callable(text) else _filled(text, body, quoted=quoted)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        return _bare(body)


def _filled(text: str, body: Body, *, quoted: bool) -> str:
    """Fill in `{name}` from the entry, then its data. Whatever stands in a value is only text: in a command, quoted."""
    named = {"repo": body.get("repo", ""), "subject": body.get("subject", ""), "seq": body.get("seq", "")}
    named |= {"by": body.get("actor", {}).get("id", "")}
    values = {**body.get("data", {}), **named}
    if quoted and text != "{do}":
        values = {name: shlex.quote(plain(v)) if isinstance(v, str) else v for name, v in values.items()}
    return text.format_map(_Known(values))


class _Known(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "?"


def _bare(body: Body) -> str:
    return f"{body.get('kind')} {body.get('subject', '')}".strip()


def _who(body: Body) -> str:
    actor = body.get("actor", {})
    kind = f" ({actor['kind']})" if actor.get("kind") else ""
    return f"{actor.get('id', '')}{kind}"


def _why(data: Body) -> str:
    return str(data.get("reason") or data.get("message") or data.get("said") or "")


def _path(body: Body, data: Body) -> str:
    change = data.get("change") or data.get("number")
    if type(change) is int and change > 0 and body.get("repo"):
        return f"/{body['repo']}/changes/{change}"
    return ""


def _frozen(body: Body) -> str:
    data = body["data"]
    what = " ".join(part for part in (data["scope"], data["value"] or data["repository"]) if part)
    return f"frozen: {what}" + (f", by the rule {data['trigger']}" if data.get("trigger") else "")


def _thaw(body: Body) -> str:
    # To look comes first: at three in the morning the last line is what is copied.
    thaw = f'twinseal thaw --freeze {body["seq"]} --remediation "what was found and done"'
    return f"Look: twinseal ledger show {body['seq']}; once it is mended: {thaw}"


def _pushed(body: Body) -> str:
    data = body["data"]
    who = body["actor"]["id"]
    if data.get("let_through"):
        return f"{body['subject']}: a push by {who} would have been refused ({data.get('code')}) and was let through"
    if data.get("allowed"):
        return f"{body['subject']}: {who} landed a change without its review, by override {data.get('override')}"
    return f"{body['subject']}: a push by {who} was refused ({data.get('code')})"


def _veto(body: Body) -> str:
    return f"{body['data']['kind']} {body['data']['name']} is vetoed by {body['actor']['id']}"


def _vetoed(body: Body) -> str:
    repo, data = shlex.quote(plain(body["repo"])), body["data"]
    look = f"twinseal change show {data['number']} --repo {repo}; " if data["kind"] == "change" else ""
    return f"{look}twinseal veto list --repo {repo}"


def _decision(body: Body) -> str:
    return f"a decision waits: {body['data']['question']}"


def _reported(body: Body) -> str:
    return f"twinseal report {body['data']['report']} --date {body['data']['day']}"


def _undelivered(body: Body) -> str:
    data = body["data"]
    what = "never taken" if data["outcome"] == "refused" else "not taken within a day"
    return f"{len(data['notices'])} notices by {data['channel']} to {data['to'] or 'everybody'} were {what}"


def _contact(body: Body) -> str:
    return f"{body['actor']['id']} has {'set' if body['data']['set'] else 'removed'} where text messages go"


def _factor(body: Body) -> str:
    data, ways = body["data"], {"alone": "with their key alone", "recovered": "with a recovery code"}
    how = ways.get(data["how"], "")
    return f"{data['principal']} has enrolled a second factor" + (f", {how}; it does not count yet" if how else "")


_SHOW = "twinseal ledger show {seq}"
_NOT_YOU = 'Was it you? If not: twinseal freeze --everything --reason "..."'
_MESSAGES = "twinseal message list --repo {repo}"

_TABLE: Mapping[str, tuple[str | Callable[[Body], str], str | Callable[[Body], str]]] = MappingProxyType(
    {
        Kind.FREEZE_IMPOSED.value: (_frozen, _thaw),
        Kind.REFS_DRIFTED.value: (
            "{repo} is frozen: refs moved behind our back",
            'twinseal repo check {repo}; then twinseal thaw {repo} --remediation "what was found and done"',
        ),
        Kind.CONTINUITY_LAPSE.value: ("{repo}: its hooks were off", "twinseal hooks check {repo}"),
        Kind.FREEZE_LIFTED.value: (
            "freeze {freeze} is lifted",
            _NOT_YOU,
        ),
        Kind.PUSH_DECIDED.value: (_pushed, _SHOW),
        Kind.REQUEST_REFUSED.value: ("{by} was refused: {subject} ({code})", _SHOW),
        Kind.VETO_CAST.value: (_veto, _vetoed),
        Kind.VETO_LIFTED.value: ("veto {veto} is lifted ({how})", _SHOW),
        Kind.OVERRIDE_ASKED.value: (
            "{by} asks to land change {change} without its review",
            "twinseal override list --repo {repo}",
        ),
        Kind.OVERRIDE_SIGNED.value: (
            "override {override} is signed by {by}",
            'Review what it lands: twinseal override review {override} --verdict fine --reason "..." --repo {repo}',
        ),
        Kind.OVERRIDE_REVIEWED.value: (
            "what override {override} landed is found {verdict}",
            "twinseal change show {change} --repo {repo}",
        ),
        Kind.PRINCIPAL_ADDED.value: ("{subject} is enrolled", "twinseal principal show {subject}"),
        Kind.PRINCIPAL_INVITED.value: (
            "{subject} may bring another key",
            "twinseal principal show {subject}",
        ),
        Kind.PRINCIPAL_RETIRED.value: ("{subject} is retired", "twinseal principal show {subject}"),
        Kind.KEY_ENROLLED.value: ("{principal} has enrolled a key", "twinseal principal show {principal}"),
        Kind.KEY_ROTATED.value: ("{principal} has replaced a key", "twinseal principal show {principal}"),
        Kind.KEY_REVOKED.value: ("key {fingerprint} is revoked", "Look at what it landed: twinseal ledger show {seq}"),
        Kind.TOKEN_ISSUED.value: ("a token is issued for {principal}", "twinseal token list"),
        Kind.REPOSITORY_ADDED.value: ("{repo} is governed from now on", "twinseal repo check {repo}"),
        Kind.REPOSITORY_ADOPTED.value: ("{repo} is adopted again as it stands", "twinseal repo check {repo}"),
        Kind.REPOSITORY_MODE_SET.value: ("{repo} is set to {mode}", "twinseal repo check {repo}"),
        Kind.REPOSITORY_REMOVED.value: ("{repo} is governed no more", "twinseal repo list"),
        Kind.MAINTENANCE_ENDED.value: (
            "{repo}: maintenance ended, {drifted} refs moved",
            "twinseal repo check {repo}",
        ),
        Kind.LIMIT_RAISED.value: ("the limit of {action} is raised for {role}", "twinseal limit show"),
        Kind.TERTIARY_GIVEN.value: (
            "the third reviewer says {verdict} to change {change}",
            "twinseal change show {change} --repo {repo}",
        ),
        Kind.MESSAGE_OVERDUE.value: (
            "no answer to message {message} ({expects})",
            "twinseal message list --repo {repo}",
        ),
        Kind.MESSAGE_CHECKED.value: ("messages are missing or were changed", _MESSAGES),
        Kind.DECISION_RAISED.value: (_decision, "twinseal decision show {seq} --repo {repo}"),
        Kind.DECISION_AWAITED.value: (
            "decision {decision} was approved, and no code could be sent to confirm it",
            "twinseal decision show {decision} --repo {repo}; twinseal doctor",
        ),
        Kind.DECISION_CONFIRMED.value: (
            "decision {decision} is confirmed by {by}",
            "twinseal decision show {decision} --repo {repo}",
        ),
        Kind.DECISION_HELD.value: (
            "decision {decision} was not confirmed in time and is on hold",
            'twinseal decision close {decision} --reason "not confirmed in time" --repo {repo}; then raise it again',
        ),
        Kind.DECISION_DISOWNED.value: (
            "FRAUD: {by} did not approve decision {decision}; everything is frozen",
            "Revoke the key that approved it: twinseal decision show {decision} --repo {repo}",
        ),
        Kind.FINDING_RECORDED.value: ("reviews that chance does not explain", "twinseal detect report --repo {repo}"),
        Kind.REPORT_ISSUED.value: ("{report} report {number} of {day}", _reported),
        Kind.ALERT_RAISED.value: ("{message}", "{do}"),
        Kind.NOTICE_CLOSED.value: (_undelivered, "twinseal alert list; twinseal alert test --channel {channel}"),
        Kind.ACCOUNT_CONTACT.value: (_contact, _NOT_YOU),
        Kind.ACCOUNT_SET.value: ("{principal} has another password", _NOT_YOU),
        Kind.FACTOR_ENROLLED.value: (_factor, "Was it you? If not, at that seat: twinseal otp remove {factor}"),
        Kind.FACTOR_REMOVED.value: ("{principal} has removed a second factor", _NOT_YOU),
        Kind.FACTOR_RESET.value: ("the second factors of {principal} are reset by {by}", _NOT_YOU),
        Kind.PROMPT_DENIED.value: (
            "{by} denied what was asked in their name (prompt {prompt})",
            'Ask {by}; where nobody of them asked: twinseal freeze --everything --reason "..."',
        ),
        Kind.SESSION_REFUSED.value: ("a log-in as {principal} was refused ({code})", _SHOW),
        "ledger.epoch": ("the ledger has begun a new epoch: entries may be lost", "twinseal ledger verify"),
        "ledger.key_rotated": ("the ledger's key is replaced", "twinseal ledger verify"),
        "ledger.erased": ("a private value of the ledger is erased", _SHOW),
        "ledger.pruned": ("old entries of the ledger are pruned", "twinseal ledger verify"),
        "ledger.clock_stepped": (
            "the clock stepped back by {behind_ms} ms",
            "timedatectl",
        ),
    }
)
