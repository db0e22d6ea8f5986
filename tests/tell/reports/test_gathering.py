"""What a day's facts are: what happened, from the ledger alone, and the same whenever one asks."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from audit import exporting, restoring, stores
from builders import REPOSITORY
from governance.errors import RequestError
from governance.state import rebuilding
from governance.state.schema import SCHEMA
from governance.tell.reports import gathering, page, periods, plots, reading, recalling, text, words
from governance.tell.reports.facts import Report
from report_world import FIRST, HOUR, Fleet

if TYPE_CHECKING:
    from pathlib import Path

    import postgres
    from governance.state.tx import Tx

LAST = FIRST + timedelta(days=4)


def silent(done: int, total: int) -> None:
    del done, total


def levels(report: Report) -> dict[str, str]:
    return {risk.what: risk.level for risk in report.risks}


def everything(report: Report) -> tuple[Any, ...]:
    """Return all that is made of a report."""
    drawn = plots.plots(report)
    return report.document(), text.plain_text(report), page.page(report, drawn), drawn


@pytest.fixture(scope="module")
def report(lived: Fleet) -> Report:
    return lived.facts("daily", LAST, signed=lived.sealed())


class TestABadDay:
    def test_counts_what_was_pushed_refused_and_landed(self, report: Report) -> None:
        counts = report.tallies
        opened = 1 + sum(each.how == "reviewed" for each in report.landed)
        assert counts["pushes"] == counts["landed"] + counts["refused"] + opened
        assert counts["refused"] + counts["requests_refused"] == sum(each.count for each in report.refused)
        assert (counts["rate_limited"], counts["lapses"], counts["freezes"], counts["vetoes"]) == (2, 1, 1, 1)
        assert (counts["factor_refused"], counts["login_refused"], counts["overdue"]) == (4, 1, 1)
        assert (counts["cosign_asked"], counts["cosigned"]) == (1, 0)

    def test_says_who_approved_what_landed(self, lived: Fleet, report: Report) -> None:
        reviewed = [each for each in report.landed if each.how == "reviewed"]
        assert reviewed
        for each in reviewed:
            rows = lived.rows("select principal from sign_off where number=? and spent_seq is not null", each.change)
            assert each.approvers == tuple(sorted(name for (name,) in rows))
            assert each.author not in each.approvers
            assert each.reasons
        (small,) = [each for each in report.landed if each.how == "small"]
        assert (small.approvers, small.change, small.author) == ((), 0, "dev-a")
        assert report.landed[-1] == small  # What needed no review comes last.

    def test_ranks_what_to_do_with_the_command_for_it(self, report: Report) -> None:
        assert report.risks[0].level == "critical"
        assert report.risks[0].do == "twinseal repo check garden"
        assert [risk.level for risk in report.risks] == sorted(
            (risk.level for risk in report.risks), key=("critical", "high", "medium", "low").index
        )
        assert {"A freeze stands", "An override is overdue for its two reviews", "Nobody answers"} <= set(
            levels(report)
        )
        assert all(risk.do.startswith("twinseal ") for risk in report.risks)
        assert words.mood(report) == "bad"

    def test_holds_and_is_proven_to_be_under_its_checkpoint(self, report: Report) -> None:
        found = report.integrity
        assert (found.faults, found.entries) == ((), report.upto - report.first)
        assert found.covered >= report.upto
        assert found.checked[-1][0] == "entries"

    def test_notices_that_the_service_was_silent(self, report: Report) -> None:
        assert 2 * HOUR < report.integrity.silence_ms < 4 * HOUR
        assert "The service was silent" in levels(report)

    def test_compares_with_the_days_before(self, lived: Fleet, report: Report) -> None:
        assert [day for day, _ in report.history][-1] == report.day
        for back, (_, counts) in enumerate(reversed(report.history[-4:])):
            earlier = lived.facts("daily", LAST - timedelta(days=back))
            assert earlier.tallies == counts


def test_a_week_is_the_sum_of_its_days(lived: Fleet) -> None:
    week = lived.facts("weekly", FIRST + timedelta(days=6))
    days = [lived.facts("daily", FIRST + timedelta(days=n)) for n in range(7)]
    for name, count in week.tallies.items():
        assert count == sum(day.tallies[name] for day in days), name
    assert len(week.landed) == sum(len(day.landed) for day in days)


def test_an_override_is_told_until_two_have_reviewed_it(lived: Fleet) -> None:
    used = lived.facts("daily", FIRST + timedelta(days=2))
    assert used.landed[0].how == "override"
    assert used.tallies["overrides"] == 1
    assert [each.overdue for each in used.standing.overrides] == [False]
    assert [each.overdue for each in lived.facts("daily", FIRST + timedelta(days=3)).standing.overrides] == [True]


def test_the_same_day_is_the_same_byte_for_byte_twice_rebuilt_and_on_the_other_engine(
    lived: Fleet, pg_server: postgres.Server, tmp_path: Path
) -> None:
    signed = lived.sealed()
    first = everything(lived.facts("daily", LAST, signed=signed))
    assert everything(lived.facts("daily", LAST, signed=signed)) == first
    copies = [tmp_path / "copy.sqlite", pg_server.database()]
    with lived.service.read() as tx:
        exporting.export(tx, tmp_path / "export")
        size = tx.execute("select size from ledger_head").fetchone()[0]
        (tmp_path / "export" / restoring.PRIVATE).write_bytes(b"".join(restoring.private_lines(tx, size)))
        (tmp_path / "export" / restoring.REQUESTS).write_bytes(b"".join(restoring.request_lines(tx)))
    for place in copies:
        with closing(stores.open_writer(place, schema=SCHEMA)) as writer:
            restoring.restore(writer, tmp_path / "export")
        rebuilding.replace(place, progress=silent)
        with closing(stores.open_reader(place)) as tx:
            found = gathering.facts(tx, periods.period("daily", LAST, "UTC"), progress=silent, signed=signed)
        assert everything(found) == first, place


def test_what_comes_later_changes_nothing_of_a_day_that_is_over(fleet: Fleet) -> None:
    """Debt is cleared, a freeze thawed, a change landed, an override reviewed, a reply given: all of it later."""
    fleet.at(0, 9)
    fleet.land("dev-a", "small", "src/a.py", lines=9)
    glass = fleet.propose("dev-b", "hotfix", "src/b.py")
    seq = fleet.ask(glass)
    fleet.sign(glass, seq)
    fleet.land("dev-b", "hotfix", "src/b.py")
    number = fleet.propose("dev-a", "large", "src/a.py")
    frozen = fleet.freeze(value="qa-b")
    fleet.ask_reply()
    fleet.at(0, 23)
    fleet.overdue()
    fleet.at(1, 0.5)
    fleet.beat()
    before = fleet.facts()
    stood = before.standing
    assert (len(stood.freezes), len(stood.overrides), len(stood.replies), len(stood.changes)) == (1, 1, 1, 1)
    assert (stood.debt[0].units, stood.debt[0].files) == (9, 1)

    fleet.thaw(frozen)
    fleet.approve(number, "dev-b", "qa-a")
    fleet.titles["large"] = "Another title"
    decision, _ = fleet.land("dev-a", "large", "src/a.py")
    if decision.code.startswith("tertiary."):
        fleet.third(number, fleet.first(number))
        decision, _ = fleet.land("dev-a", "large", "src/a.py")
    for who in ("architect-a", "qa-a"):
        fleet.after(seq, who)
    fleet.retire("docs")
    assert decision.allowed, decision.code
    assert fleet.rows("select count(*) from debt") == [(0,)]
    assert fleet.facts().document() == before.document()


def test_entries_belong_to_the_day_of_the_zone(tmp_path: Path) -> None:
    with Fleet(tmp_path, zone="Asia/Kathmandu") as fleet:
        fleet.beats = False
        fleet.at(0, 18.2)  # A quarter of an hour before midnight there.
        fleet.land("dev-a", "before", "src/a.py", lines=2)
        fleet.at(0, 18.3)
        fleet.land("dev-a", "after", "src/b.py", lines=2)
        assert [fleet.facts("daily", FIRST + timedelta(days=n)).tallies["landed"] for n in (0, 1)] == [1, 1]


def test_a_day_on_which_nothing_happened_says_so(fleet: Fleet) -> None:
    fleet.at(2, 0)
    fleet.beat()
    quiet = fleet.facts("daily", FIRST + timedelta(days=1))
    assert not any(quiet.tallies.values())
    assert quiet.integrity.entries == 0
    assert "Nothing happened" in text.plain_text(quiet)
    assert plots.plots(quiet) == {}


class Pruned:
    """A ledger whose first 256 entries were let go."""

    def __init__(self, tx: Tx) -> None:
        self.tx = tx

    def execute(self, sql: str, params: Any = ()) -> Any:  # noqa: ANN401 - as the engine has it
        return self.tx.execute("select 1" if "ledger_pruned" in sql else sql, params)


class TestReading:
    def test_a_moment_is_found_without_reading_the_rest(self, lived: Fleet) -> None:
        times = [ts for (ts,) in lived.rows("select ts from ledger_entry order by seq")]
        with lived.service.read() as tx:
            for moment in {0, times[0], times[-1], times[-1] + 1, *times[::37], times[100] + 1}:
                assert reading.at(tx, moment) == sum(ts < moment for ts in times)

    def test_a_day_of_which_entries_were_pruned_is_refused_and_a_later_one_is_not(self, lived: Fleet) -> None:
        with lived.service.read() as tx:
            gone = Pruned(tx)
            with pytest.raises(RequestError) as refused:
                gathering.facts(gone, periods.period("daily", FIRST, "UTC"), progress=silent)
            assert refused.value.code == "report.pruned"
            whole = gathering.facts(tx, periods.period("daily", LAST, "UTC"), progress=silent)
            left = gathering.facts(gone, periods.period("daily", LAST, "UTC"), progress=silent)
        assert left.tallies == whole.tallies

    def test_only_the_day_and_the_counted_kinds_of_the_week_before_are_read(self, lived: Fleet) -> None:
        asked: list[str] = []
        with lived.service.read() as tx:
            tx.set_trace_callback(asked.append)  # type: ignore[attr-defined]
            gathering.facts(tx, periods.period("daily", LAST, "UTC"), progress=silent)
            tx.set_trace_callback(None)  # type: ignore[attr-defined]
            for sql in {each for each in asked if each.startswith("select") and "ledger_entry" in each}:
                plan = [row[3] for row in tx.execute(f"explain query plan {sql}")]
                assert not any(step.startswith("SCAN ledger_entry") for step in plan), (sql, plan)


def test_what_is_observed_or_was_tried_past_a_gate_is_told(fleet: Fleet) -> None:
    fleet.refuse("gates.bypass", "dev-a", subject="push")
    fleet.at(1, 0)
    fleet.beat()
    report = fleet.facts()
    assert report.tallies["gate_bypasses"] == 1
    assert "Gates were tried to be passed by" in levels(report)


def test_what_was_only_asked_for_a_second_factor_was_not_refused_one(fleet: Fleet) -> None:
    """Every critical act is answered so first, before its prompt."""
    for code in ("factor.needed", "factor.needed", "factor.used", "prompt.too_many", "two_channels.forged"):
        fleet.refuse(code, "owner", subject="thaw")
    fleet.at(1, 0)
    fleet.beat()
    assert (fleet.facts().tallies["factor_refused"], fleet.facts().tallies["requests_refused"]) == (3, 3)
    assert "factor.needed" not in {each.code for each in fleet.facts().refused}


def test_what_was_before_the_first_entry_is_no_silence(fleet: Fleet) -> None:
    """Twinseal begins when somebody begins it: at any hour, on a day of which nothing is known."""
    before = fleet.facts(day=FIRST - timedelta(days=1))
    assert (before.integrity.entries, before.integrity.silence_ms) == (0, 0)
    with fleet.service.read() as tx:
        begun = tx.execute("select ts from ledger_entry order by seq limit 1").fetchone()[0]
        recent = recalling.shown(tx, "daily", now=begun)
    assert recent == periods.day_of(begun, "UTC")
    fleet.at(0, 2)
    fleet.beat()
    assert fleet.facts(until=fleet.now).integrity.silence_ms < 24 * HOUR


def test_the_facts_are_plain_json_with_whole_numbers_only(lived: Fleet) -> None:
    document = lived.facts("daily", LAST).document()
    assert document.isascii()
    assert json.loads(document, parse_float=pytest.fail)["tallies"]["pushes"] > 0
    assert REPOSITORY in document.decode()
