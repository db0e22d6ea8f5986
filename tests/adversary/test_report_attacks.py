"""Those who would have tomorrow's report act for them, say something else, or not arrive."""

from __future__ import annotations

import json
import re
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from pysqlite3 import dbapi2 as sqlite

from adversary.card import Seen, attack
from audit.entry import Actor, Draft, leaf_hash
from governance.adapters import mail
from governance.errors import DeniedError
from governance.people.tokens import Caller
from governance.record import Kind
from governance.state import reports as state
from governance.tell.reports import gathering, issuing, plots
from governance.tell.reports.mailing import message
from report_world import FIRST, Fleet
from service_world import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from governance.channels import Message
    from governance.state.reports import Issued
    from governance.tell.reports.recalling import Found

DAY = timedelta(days=1)
MARKUP = '<script>alert(1)</script><a href="https://evil.example/approve">ok</a><img src="https://evil.example/x">'
CONTROL = "\x1b]0;owned\x07\x1b[2J\u202eevil\r\nBcc: all@evil.example\r\n\r\nnothing happened, all is well"


class Read(Seen):
    """What one test has seen of reports."""

    def harmless(self, code: str) -> None:
        self._saw(code, recorded=False)

    def noticed(self, code: str, *, recorded: bool = False) -> None:
        self._saw(code, recorded=recorded)

    def went_well(self) -> None:
        self.seen["twin"] = True


@pytest.fixture
def case(request: pytest.FixtureRequest) -> Read:
    made = Read()
    ids = [each for mark in request.node.iter_markers("attack") for each in mark.args]
    request.node.user_properties.append(("attack", (ids, made.seen)))
    return made


@pytest.fixture
def fleet(tmp_path: Path, case: Read) -> Iterator[Fleet]:
    """Two days have passed, and the twin is seen: an honest report, the same when it is gathered again."""
    with Fleet(tmp_path) as made:
        made.beats = False
        made.at(0, 9)
        made.land("dev-a", "honest", "src/a.py", lines=3)
        made.at(2, 0.1)
        made.beat()
        made.sealed()
        found = made.again(made.issue(day=FIRST))
        assert found.same
        assert not found.report.integrity.faults
        case.went_well()
        yield made


def told(fleet: Fleet, day: int) -> Message:
    fleet.at(day + 1, 0.2)
    fleet.beat()
    fleet.sealed()
    return fleet.mail(fleet.issue(day=FIRST + day * DAY))


def hostile(fleet: Fleet, words: str) -> Message:
    """Have words that a stranger chose in a title, a branch, a veto and a freeze; return the mail about that day."""
    fleet.at(2, 9)
    fleet.titles["evil"] = words
    number = fleet.propose("dev-b", "evil", "src/evil.py", topic="x")
    fleet.veto(number, reason=words)
    fleet.freeze(reason=words)
    return told(fleet, 2)


@attack("X-REP-01", "X-REP-08")
def test_x_rep_01_markup_is_text_and_nothing_in_the_mail_can_be_opened(fleet: Fleet, case: Read) -> None:
    sent = hostile(fleet, MARKUP)
    assert "alert(1)" in sent.html
    assert not re.search(r"<(script|a|form|iframe|object|link|svg)\b|\bon\w+=\s*[\"']|https?://", sent.html)
    assert set(re.findall(r'<img src="([^"]*)"', sent.html)) <= {f"cid:{name}" for name in sent.inline}
    assert not re.search(r"https?://|approve\?", sent.text)
    case.harmless("reports.escaped")


@attack("X-REP-02")
def test_x_rep_02_control_characters_are_shown_and_make_no_header(fleet: Fleet, case: Read) -> None:
    sent = hostile(fleet, CONTROL)
    for shown in (sent.text, sent.html, sent.subject):
        assert not [char for char in shown if not (char.isprintable() or char == "\n")]
    assert "\\x1b[2J" in sent.text
    made = mail.made(sent, sender="twinseal@example.org", key="k" * 32)
    assert made["Bcc"] is None
    head, _, _ = made.as_bytes().partition(b"\r\n\r\n")
    assert b"evil" not in head
    assert json.loads(sent.attachments[0].data)["events"]
    case.harmless("reports.escaped")


def edited(fleet: Fleet, change: Callable[[sqlite.Connection], None]) -> None:
    """Change the database as whoever can write its file does."""
    with closing(sqlite.connect(str(fleet.path), isolation_level=None)) as connection:
        for trigger in ("ledger_entry_update", "ledger_entry_delete"):
            connection.execute(f"drop trigger {trigger}")
        change(connection)


def rewritten(connection: sqlite.Connection, seq: int, *, after: bool, data: object = None) -> None:
    """Have another push of the day; with `after`, every entry that follows is made to fit."""
    rows = connection.execute("select seq, body from ledger_entry where seq>=? order by seq", (seq,)).fetchall()
    prev = ""
    for number, body in rows if after else rows[:1]:
        fields = json.loads(body)
        if number == seq:
            fields["actor"]["id"] = "dev-b"
            fields["data"] = fields["data"] if data is None else data
        elif prev:
            fields["prev"] = prev
        text = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        leaf = leaf_hash(text.encode()) if after else None
        prev = leaf.hex() if leaf else ""
        sql = "update ledger_entry set body=?, leaf=coalesce(?, leaf) where seq=?"
        connection.execute(sql, (text, leaf, number))


def of_the_day(fleet: Fleet) -> int:
    return int(fleet.rows("select min(seq) from ledger_entry where kind='push.applied'")[0][0])


def issued(fleet: Fleet) -> Issued:
    with fleet.service.read() as tx:
        found = state.newest(tx, "daily")
    assert found is not None
    return found


@attack("X-REP-03")
def test_x_rep_03_a_day_that_was_altered_says_so_first(fleet: Fleet, case: Read) -> None:
    edited(fleet, lambda connection: rewritten(connection, of_the_day(fleet), after=False))
    found: Found = fleet.again(issued(fleet))
    assert not found.same
    assert found.report.integrity.faults[0][0] == of_the_day(fleet)
    assert found.report.risks[0].what == "The record of this time does not hold"
    sent = message(found, "owner@example.org")
    assert "not, byte for byte" in sent.text[:200]
    assert "does not hold" in sent.text
    assert "bad" in sent.html
    # And one that is issued only now says it too: it is sent, and does not look as if all were well.
    late = fleet.facts("daily", FIRST)
    assert "does not hold" in " ".join(risk.what for risk in late.risks)
    case.noticed("reports.broken")


@attack("X-REP-03")
def test_x_rep_03_an_entry_of_the_day_that_is_gone_is_missed(fleet: Fleet, case: Read) -> None:
    edited(fleet, lambda connection: connection.execute("delete from ledger_entry where seq=?", (of_the_day(fleet),)))
    found = fleet.again(issued(fleet))
    assert "is missing" in found.report.integrity.faults[0][1]
    case.noticed("reports.broken")


@attack("X-REP-03")
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("data", [{}, {"moved": 7}, {"decision": [], "moved": [[1]], "landed": 3}, []])
def test_x_rep_03_an_entry_that_cannot_be_understood_keeps_no_report_back(
    fleet: Fleet, case: Read, data: object, *, after: bool
) -> None:
    seq = of_the_day(fleet)
    edited(fleet, lambda connection: rewritten(connection, seq, after=after, data=data))
    assert fleet.again(issued(fleet)).report.integrity.faults
    late = fleet.facts("daily", FIRST + DAY)  # The day after, which only counts that one.
    assert (late.integrity.faults, late.tallies["landed"]) == ((), 0)
    case.noticed("reports.broken")


@attack("X-REP-04")
def test_x_rep_04_a_day_written_anew_with_its_hashes_is_not_under_the_checkpoint(fleet: Fleet, case: Read) -> None:
    edited(fleet, lambda connection: rewritten(connection, of_the_day(fleet), after=True))
    found = fleet.again(issued(fleet))
    (fault,) = found.report.integrity.faults
    assert "the checkpoint does not hold entry" in fault[1]
    assert not found.same
    case.noticed("reports.checkpoint")


@attack("X-REP-05")
def test_x_rep_05_a_predecessor_that_was_changed_is_not_the_one_its_successor_names(fleet: Fleet, case: Read) -> None:
    kept = fleet.mail(issued(fleet)).attachments[0].data
    after = json.loads(told(fleet, 1).attachments[0].data)
    changed = kept.replace(b'"landed": 1', b'"landed": 0')
    assert changed != kept
    with fleet.service.read() as tx:
        found = {name: state.by_digest(tx, plain(data)) for name, data in (("kept", kept), ("changed", changed))}
    assert found == {"kept": issued_first(fleet), "changed": None}
    assert after["issue"]["previous"] == plain(kept) != plain(changed)
    case.noticed("reports.predecessor")


def plain(data: bytes) -> str:
    import hashlib  # noqa: PLC0415 - what `sha256sum` says

    return hashlib.sha256(data).hexdigest()


def issued_first(fleet: Fleet) -> Issued | None:
    with fleet.service.read() as tx:
        return state.by_number(tx, "daily", 1)


@attack("X-REP-06")
def test_x_rep_06_a_report_that_is_kept_back_is_missed_by_the_next(fleet: Fleet, case: Read) -> None:
    """By its number where it was issued; by its day where it was not."""
    told(fleet, 1)  # Issued, and its mail is lost on the way.
    fleet.at(4, 0.2)
    fleet.beat()
    fleet.sealed()
    sent = fleet.mail(fleet.issue(day=FIRST + 3 * DAY))  # Of the day between none was issued.
    facts: dict[str, Any] = json.loads(sent.attachments[0].data)
    assert facts["issue"]["number"] == 3
    assert "Number 3 of its series. The one before is 2" in " ".join(sent.text.split())
    assert facts["issue"]["skipped"] == [(FIRST + 2 * DAY).isoformat()]
    assert "Days without a report" in sent.text
    case.noticed("reports.missing")


@attack("X-REP-07")
def test_x_rep_07_an_agent_issues_none(fleet: Fleet, case: Read) -> None:
    before = len(fleet.kinds())
    body = {"report": "daily", "day": (FIRST + DAY).isoformat(), "about": 0}
    said = fleet.said("report.issue", "dev-a", body, nonce="mine")
    with pytest.raises(DeniedError) as refused:
        issuing.issue_as(fleet.service, Caller("dev-a", "agent", "", "t"), said)
    assert refused.value.code == "authority.owner_only"
    (last,) = fleet.bodies("seq >= ?", before)
    recorded = (last["kind"], last["data"]["code"]) == ("request.refused", "authority.owner_only")
    case.noticed(refused.value.code, recorded=recorded)


def test_a_formula_in_a_name_is_drawn_as_it_is_written(fleet: Fleet) -> None:
    """The library that draws would set `$...$` as mathematics, and fail on what is none."""
    for code in ("a$x^{$.no", "\\frac{.no", "\u202e.no"):
        fleet.refuse(code, subject="x")
    fleet.at(3, 0)
    fleet.beat()
    assert plots.plots(fleet.facts("daily", FIRST + 2 * DAY))["refused"]


def signed(number: int) -> dict[str, Any]:
    return {"statement": {"digest": f"noise {number}", "text": "", "signature": ""}}


@attack("X-REP-09", "X-REP-10")
def test_noise_keeps_nothing_out_of_a_report_and_words_make_no_fraud(case: Read, fleet: Fleet) -> None:
    """An agent vetoes from midnight on; a freeze comes after it, with a reason that says more than it is."""
    fleet.at(2, 1)
    for number in range(gathering.EVENTS + 20):
        data: dict[str, Any] = {
            "kind": "change",
            "name": str(number),
            "number": number,
            "head": "h",
            "diff_digest": "d",
        }
        draft = Draft(
            Kind.VETO_CAST,
            Actor("qa-a", "agent", "k"),
            REPOSITORY,
            str(number),
            data | {"reason": "no"} | signed(number),
        )
        fleet.ledger.run(lambda tx, draft=draft: tx.append(draft))  # type: ignore[misc]
    said = {"scope": "role", "value": "dev-a", "repository": "", "reason": "x (rule fraud)", "expires_at": 0}
    freeze = Draft(Kind.FREEZE_IMPOSED, Actor("owner", "human", "k"), "", "dev-a", said | {"trigger": ""} | signed(-1))
    seq = fleet.ledger.run(lambda tx: tx.append(freeze)).seq
    fleet.at(3, 0.1)
    fleet.beat()
    fleet.sealed()
    report = fleet.again(fleet.issue(day=FIRST + 2 * DAY)).report
    assert seq in [each.seq for each in report.events]
    assert (len(report.events), report.events_more) == (gathering.EVENTS, 21)
    assert [each.seq for each in report.events] == sorted(each.seq for each in report.events)
    assert "FRAUD" not in " ".join(risk.what for risk in report.risks)
    case.harmless("told")
