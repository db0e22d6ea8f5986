"""Makes the message of a claim: from the entries that it is about, at the moment that it is sent.

What an entry kept private, and what was erased since, is in no message that is made later.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any

from governance.channels import Message
from governance.record import Kind
from governance.service import Service
from governance.state.tx import Tx
from governance.tell import confirmations
from governance.tell.claims import Claim
from governance.tell.reports import mailing
from governance.tell.words import Body, Words, cut, when, words

LISTED_MOST = 50
"""Notices that a gathered message names one by one."""
SUBJECT_MOST, SHORT_MOST = 150, 300
PERSONAL: Mapping[str, Callable[[Tx, Service, Claim, str], Message]] = MappingProxyType(
    {Kind.DECISION_AWAITED.value: confirmations.message, Kind.REPORT_ISSUED.value: mailing.mail}
)
"""Kinds whose message is made elsewhere, from a look at the ledger, the service, the claim and the address."""


def compose(look: Tx, service: Service, claim: Claim, to: str) -> Message:
    """Return what a recipient is told."""
    sql = "select n.code, n.count, n.kind, e.body from notice n join ledger_entry e on e.seq=n.seq where n.seq=?"
    found = [look.execute(sql, (notice,)).fetchone() for notice in claim.notices]
    rows = [(row[0], row[1], row[2], json.loads(row[3])) for row in found if row is not None and row[3] is not None]
    if rows and rows[0][2] in PERSONAL:
        return PERSONAL[rows[0][2]](look, service, claim, to)
    told = [(words(body, code=code), body, count) for code, count, _, body in _shown(rows)]
    if len(claim.notices) == 1 and told:
        return _one(service, claim, to, *told[0], before=_before(look, claim.notices[0]))
    return _many(service, claim, to, told)


def _shown(rows: Sequence[tuple[str, int, str, Body]]) -> list[tuple[str, int, str, Body]]:
    """Return which are named one by one, in their order: the newest of each code and actor, then their next newest.

    So whoever makes noise, however much, pushes nobody else's out of the message.
    """
    ranked, nth = [], Counter[tuple[str, str]]()
    for place, row in reversed(list(enumerate(rows))):
        made = (row[0], str(row[3].get("actor", {}).get("id", "")))
        ranked.append((nth[made], -place))
        nth[made] += 1
    return [rows[place] for place in sorted(-place for _, place in sorted(ranked)[:LISTED_MOST])]


def _before(look: Tx, notice: int) -> int:
    """Return how often the same was counted up after it was last told."""
    sql = (
        "select o.count - 1 from notice n join notice o on o.cause=n.cause and o.seq<n.seq where n.seq=? "
        "order by o.seq desc limit 1"
    )
    row = look.execute(sql, (notice,)).fetchone()
    return int(row[0]) if row else 0


def _one(service: Service, claim: Claim, to: str, said: Words, body: Body, count: int, *, before: int) -> Message:
    severity, seq = claim.severity.upper(), int(body["seq"])
    facts = [*said.facts, ("entry", f"{seq} of {service.log}")]
    if count > 1:
        facts.append(("again", f"{count - 1} times more within the hour"))
    if before:
        facts.append(("before", f"the same {before} times more after it was last told"))
    link = service.url + said.path
    width = max(len(name) for name, _ in facts) + 2
    lines = [said.title, "", *(f"{name:<{width}}{value}" for name, value in facts), "", "What to do next:"]
    text = "\n".join([*lines, f"  {said.do}", "", link, "", _footer(service)]) + "\n"
    place = f" {body['repo']}:" if body.get("repo") and body["repo"] not in said.title else ""
    return Message(
        to=to,
        subject=cut(f"[twinseal] {severity}{place} {said.title} (entry {seq})", SUBJECT_MOST),
        text=text,
        html=_html(service, claim.severity, said.title, [(facts, said.do)], link, []),
        short=cut(f"twinseal {severity}:{place} {said.title}. Entry {seq}. Next: {said.do}", SHORT_MOST),
        about=seq,
        fields={**_fields(service, claim, link), **_plain(said, body, count)},
    )


def _many(service: Service, claim: Claim, to: str, told: Sequence[tuple[Words, Body, int]]) -> Message:
    severity, number = claim.severity.upper(), len(claim.notices)
    title = f"{number} notices at once: entries {claim.notices[0]} to {claim.notices[-1]}"
    lines = [
        (when(int(body["ts"])), str(body["seq"]), said.title + (f" ({count} times)" if count > 1 else ""), said.do)
        for said, body, count in told
    ]
    more = number - len(lines)
    rows = [f"  {at}  entry {seq}  {what}\n      {do}" for at, seq, what, do in lines]
    rest = [f"  and {more} more like these: twinseal alert list"] if more else []
    text = "\n".join([f"{severity}: {title}", "", *rest, *rows, "", service.url, "", _footer(service)]) + "\n"
    return Message(
        to=to,
        subject=cut(f"[twinseal] {severity}: {title}", SUBJECT_MOST),
        text=text,
        html=_html(service, claim.severity, title, [], service.url, lines, more=more),
        short=cut(f"twinseal {severity}: {title}. Next: twinseal alert list", SHORT_MOST),
        about=claim.notices[-1],
        fields={
            **_fields(service, claim, service.url),
            "title": title,
            "notices": [_plain(said, body, count) for said, body, count in told],
        },
    )


def _plain(said: Words, body: Body, count: int) -> dict[str, Any]:
    shown = {"entry": body["seq"], "kind": body["kind"], "time": body["ts"], "repository": body.get("repo", "")}
    return {**shown, "who": cut(body["actor"]["id"], 100), "title": said.title, "do": said.do, "count": count}


def _fields(service: Service, claim: Claim, link: str) -> dict[str, Any]:
    return {"log": service.log, "severity": claim.severity, "link": link}


def _footer(service: Service) -> str:
    return f"Sent by twinseal for {service.log}. Nothing is approved by answering this, or by opening its link."


def _html(
    service: Service,
    severity: str,
    title: str,
    blocks: Sequence[tuple[Sequence[tuple[str, str]], str]],
    link: str,
    lines: Sequence[tuple[str, str, str, str]],
    *,
    more: int = 0,
) -> str:
    page: str = (
        _template()
        .get_template("notice.html")
        .render(
            severity=severity, title=title, blocks=blocks, link=link, lines=lines, more=more, footer=_footer(service)
        )
    )
    return page


@cache
def _template() -> Any:  # noqa: ANN401 - the library is loaded with the first mail
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415

    return Environment(loader=PackageLoader("governance"), autoescape=True, undefined=StrictUndefined)
