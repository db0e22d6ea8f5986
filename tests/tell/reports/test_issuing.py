"""A report takes its place in a series, once, and names the one before it."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from audit.checkpoint import claimed
from governance.coordinate import freezing
from governance.errors import ConflictError, DeniedError, NotFoundError, RequestError
from governance.kinds import KINDS
from governance.people.tokens import Caller
from governance.tell.reports import issuing, recalling, text
from report_world import FIRST, Fleet

if TYPE_CHECKING:
    from datetime import date

    from governance.state.reports import Issued

DAY = timedelta(days=1)


@pytest.fixture
def over(fleet: Fleet) -> Fleet:
    """Three days have passed, and something landed on the first."""
    fleet.at(0, 9)
    fleet.land("dev-a", "small", "src/a.py", lines=3)
    fleet.at(3, 7)
    fleet.beat()
    fleet.sealed()
    return fleet


def entry(fleet: Fleet, issued: Issued) -> dict[str, Any]:
    (body,) = fleet.bodies("seq=?", issued.seq)
    return body


def says(fleet: Fleet, day: str, by: str = "owner", kind: str = "daily", **changed: Any) -> dict[str, Any]:  # noqa: ANN401
    fleet.nonce += 1
    body = {"report": kind, "day": day, "about": 0} | changed
    said = fleet.said("report.issue", by, body, nonce=f"issue {fleet.nonce}")
    return issuing.issue_as(fleet.service, Caller(by, fleet.caller(by).kind, "", "t"), said)


def test_reports_are_numbered_and_each_names_the_digest_of_the_last(over: Fleet) -> None:
    first, second = over.issue(day=FIRST), over.issue(day=FIRST + DAY)
    one, two = entry(over, first), entry(over, second)
    assert (one["kind"], one["actor"]["id"], one["subject"]) == ("report.issued", "twinseal", f"daily/{FIRST}")
    assert (one["data"]["number"], one["data"]["previous"]) == (1, "")
    assert (two["data"]["number"], two["data"]["previous"]) == (2, one["data"]["digest"])
    for issued, body in ((first, one), (second, two)):
        KINDS.check(body["kind"], body["data"])
        document = over.again(issued).report.document()
        assert hashlib.sha256(document).hexdigest() == issued.digest == body["data"]["digest"]
    assert json.loads(over.again(second).report.document())["issue"]["previous"] == first.digest


def test_it_carries_a_checkpoint_that_holds_its_day(over: Fleet) -> None:
    issued = over.issue()
    data = entry(over, issued)["data"]
    point = claimed(data["checkpoint"])
    assert (point.size, point.root.hex()) == (data["size"], data["root"])
    assert data["first"] < data["upto"] <= point.size
    assert over.again(issued).report.integrity.covered == point.size


def test_to_issue_it_again_is_to_be_told_which_it_is(over: Fleet) -> None:
    first = over.issue()
    size = over.ledger.head.size
    assert over.issue() == first
    assert says(over, FIRST.isoformat()) | {"new": True} == says(over, FIRST.isoformat()) | {"new": True}
    assert [kind for kind in over.kinds(size) if kind == "report.issued"] == []


def test_of_many_who_issue_one_day_at_once_one_does(over: Fleet) -> None:
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda _: over.issue(), range(6)))
    assert len(set(found)) == 1
    assert over.kinds().count("report.issued") == 1


def test_it_stays_the_same_byte_for_byte_whatever_comes_later(over: Fleet) -> None:
    issued = over.issue()
    said = over.mail(issued)
    over.at(3, 8)
    over.land("dev-b", "later", "src/b.py", lines=5)
    over.issue(day=FIRST + DAY)
    over.sealed()
    assert over.again(issued).same
    assert over.mail(issued) == said


def test_the_weekly_series_has_numbers_of_its_own(over: Fleet) -> None:
    over.issue()
    over.at(8, 0)
    over.beat()
    week = over.issue("weekly", FIRST + 6 * DAY)
    assert (week.number, entry(over, week)["data"]["previous"]) == (1, "")
    assert over.again(week).report.tallies["landed"] == 1


@pytest.mark.parametrize(("day", "kind"), [(FIRST + 3 * DAY, "daily"), (FIRST + 9 * DAY, "daily"), (FIRST, "hourly")])
def test_what_is_not_over_or_no_kind_is_refused(over: Fleet, day: date, kind: str) -> None:
    with pytest.raises(RequestError) as refused:
        over.issue(kind, day)
    assert refused.value.code in {"report.not_over", "report.kind"}
    assert isinstance(refused.value, ConflictError) == (kind == "daily")
    assert "report.issued" not in over.kinds()


def test_days_that_were_left_out_are_named_by_the_next(over: Fleet) -> None:
    over.issue(day=FIRST)
    found = over.again(over.issue(day=FIRST + 2 * DAY))
    assert found.report.issue.skipped == ((FIRST + DAY).isoformat(),)
    late = over.again(over.issue(day=FIRST + DAY))  # One that was forgotten comes later, and says after which.
    assert (late.report.issue.number, late.report.issue.previous_day) == (3, (FIRST + 2 * DAY).isoformat())
    assert late.report.issue.skipped == ()


def test_a_skipped_day_is_something_to_do(over: Fleet) -> None:
    over.issue(day=FIRST)
    report = over.again(over.issue(day=FIRST + 2 * DAY)).report
    assert f"twinseal report daily --date {FIRST + DAY} --send" in text.plain_text(report)


def test_an_owner_issues_by_a_statement_and_it_stands_in_the_entry(over: Fleet) -> None:
    answer = says(over, FIRST.isoformat())
    assert (answer["number"], answer["new"]) == (1, True)
    (body,) = over.bodies("seq=?", answer["entry"])
    assert (body["actor"]["id"], body["data"]["statement"]["digest"] != "") == ("owner", True)


@pytest.mark.parametrize(
    ("by", "changed", "code"),
    [
        ("mia", {}, "authority.owner_only"),
        ("dev-a", {}, "authority.owner_only"),
        ("owner", {"day": "tomorrow"}, "report.day"),
        ("owner", {"about": "7"}, "report.malformed"),
        ("owner", {"more": 1}, "report.malformed"),
        ("owner", {"kind": "hourly"}, "report.kind"),
    ],
)
def test_nobody_else_issues_and_nothing_else_is_one(over: Fleet, by: str, changed: dict[str, Any], code: str) -> None:
    with pytest.raises((DeniedError, RequestError)) as refused:
        says(over, changed.pop("day", FIRST.isoformat()), by, **changed)
    assert refused.value.code == code
    assert "report.issued" not in over.kinds()


def test_an_entry_that_is_none_of_a_report_has_no_message(over: Fleet) -> None:
    issued = over.issue()
    with over.service.read() as tx, pytest.raises(NotFoundError):
        recalling.again(tx, type(issued)(10**6, "daily", issued.day, 0, 1, ""))


class TestAnAudit:
    """What is asked for after a FRAUD reply: everything of the last seven days around one person."""

    @pytest.fixture
    def after(self, over: Fleet) -> Fleet:
        over.raise_limit()
        over.refuse("factor.wrong", "owner", subject="decision")
        body = {"scope": "everything", "value": "", "repository": "", "reason": "FRAUD by sms, decision 9", "hours": 0}
        seq = int(over.say(freezing.impose, "freeze.impose", "owner", body, own=True)["freeze"])
        over.now += 1000
        over.fraud = seq  # type: ignore[attr-defined]
        return over

    def test_it_tells_what_one_person_did_and_what_was_done_about_them(self, after: Fleet) -> None:
        issued = after.issue("audit", FIRST + 3 * DAY, about=after.fraud)  # type: ignore[attr-defined]
        found = after.again(issued)
        assert found.same
        assert (found.report.person, found.report.about) == ("owner", after.fraud)  # type: ignore[attr-defined]
        kinds = [each.kind for each in found.report.trail]
        assert kinds[-3:] == ["limit.raised", "request.refused", "freeze.imposed"]
        assert "principal.added" in kinds
        shown = text.plain_text(found.report)
        assert "ALL THAT OWNER DID" in shown
        assert "FRAUD by sms, decision 9" in shown

    def test_it_ends_when_it_is_asked_for_and_stays_so(self, after: Fleet) -> None:
        issued = after.issue("audit", FIRST + 3 * DAY, about=after.fraud)  # type: ignore[attr-defined]
        after.raise_limit(hour=300)
        again = after.again(issued)
        assert again.same
        assert [each.kind for each in again.report.trail].count("limit.raised") == 1
        assert after.issue("audit", FIRST + 3 * DAY, about=after.fraud) == issued  # type: ignore[attr-defined]

    def test_one_about_nothing_is_refused(self, over: Fleet) -> None:
        with pytest.raises(NotFoundError, match="no FRAUD reply"):
            over.issue("audit", FIRST + 3 * DAY)

    def test_one_about_an_entry_that_is_not_there_is_refused(self, over: Fleet) -> None:
        with pytest.raises(NotFoundError):
            over.issue("audit", FIRST + 3 * DAY, about=10**6)
