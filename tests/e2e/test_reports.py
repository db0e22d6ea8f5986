"""Reports as an owner asks for them: by command, over HTTP, and as files that can be held against the ledger."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from governance.adapters import clock
from governance.entrypoints.playground import Playground
from playing import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from playing import Answer, Ground, Repository

TODAY = datetime.fromtimestamp(clock.now() / 1000, UTC).date()
YESTERDAY = (TODAY - timedelta(days=1)).isoformat()


@pytest.fixture(scope="module")
def issued(ground: Ground) -> dict[str, Any]:
    """The report of the day before the service began: sent, though nothing happened."""
    found: dict[str, Any] = says(ground, YESTERDAY).done
    return found


def says(ground: Ground, day: str) -> Answer:
    return ground.owner.say("report.issue", "/reports", {"report": "daily", "day": day, "about": 0})


def test_it_is_issued_once_and_due_to_every_owner(ground: Ground, issued: dict[str, Any]) -> None:
    assert (issued["report"], issued["day"], issued["number"]) == ("daily", YESTERDAY, 1)
    (entry,) = [each for each in ground.entries("report.issued") if each["subject"] == f"daily/{YESTERDAY}"]
    assert (entry["seq"], entry["actor"]["id"]) == (issued["entry"], "owner")
    again = says(ground, YESTERDAY).done
    assert (again["new"], again["entry"]) == (False, issued["entry"])


def test_the_facts_have_the_digest_that_the_ledger_says(ground: Ground, issued: dict[str, Any], tmp_path: Path) -> None:
    shown = ground.twinseal("report", "daily", "--date", YESTERDAY, "--json")
    assert hashlib.sha256(shown.stdout.encode()).hexdigest() == issued["digest"]
    done = ground.twinseal("report", "daily", "--date", YESTERDAY, "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    name = f"twinseal-daily-{YESTERDAY}"
    assert {f"{name}.{end}" for end in ("txt", "html", "json", "eml")} <= {p.name for p in (tmp_path / "out").iterdir()}
    for end in ("json", "eml"):
        kept = tmp_path / "out" / f"{name}.{end}"
        assert ground.twinseal("report", "check", str(kept)).returncode == 0
        kept.write_bytes(kept.read_bytes().replace(YESTERDAY.encode(), b"1999-12-31"))
    assert ground.twinseal("report", "check", str(tmp_path / "out" / f"{name}.json")).returncode == 1
    assert ground.twinseal("report", "check", str(tmp_path / "nowhere")).returncode == 2


def test_the_checkpoint_in_its_files_stands_beside_the_ledger(
    ground: Ground, issued: dict[str, Any], tmp_path: Path
) -> None:
    ground.twinseal("report", "daily", "--date", YESTERDAY, "--out", str(tmp_path))
    for end in ("txt", "html", "eml"):
        kept = tmp_path / f"twinseal-daily-{YESTERDAY}.{end}"
        done = ground.twinseal("ledger", "verify", "--against", str(kept), "--json")
        assert done.returncode == 0, (end, done.stdout)


def test_today_is_told_as_far_as_it_has_come_and_not_issued(ground: Ground, started: Repository) -> None:
    done = ground.twinseal("report", "daily", "--date", TODAY.isoformat())
    assert done.returncode == 0, done.stderr
    assert "not issued" in done.stdout
    assert "LANDED, AND WHO APPROVED IT (0)" not in done.stdout
    assert says(ground, TODAY.isoformat()).code == "report.not_over"


def test_what_is_no_day_is_not_understood(ground: Ground) -> None:
    done = ground.twinseal("report", "weekly", "--date", "nonsense")
    assert done.returncode == 2
    assert "expected a day as 2026-03-31, got 'nonsense'" in done.stderr


def test_over_http_it_is_for_owners(ground: Ground, issued: dict[str, Any]) -> None:
    found = ground.owner.get(f"/reports/daily/{YESTERDAY}").body
    assert (found["digest"], found["same"]) == (issued["digest"], True)
    assert hashlib.sha256(found["facts"].encode()).hexdigest() == issued["digest"]
    assert found["html"].startswith("<!doctype html>")
    daily = next(each for each in ground.owner.get("/reports").body["items"] if each["report"] == "daily")
    assert (daily["number"], daily["day"]) == (1, YESTERDAY)
    for path in ("/reports", f"/reports/daily/{YESTERDAY}"):
        assert ground["dev-a"].get(path).code == "authority.owner_only"
    assert ground.owner.get("/reports/daily/1999-12-31").code == "report.unknown"
    assert ground.owner.get("/reports/daily/never").code == "report.day"


def test_an_owner_sends_one_from_the_terminal(tmp_path_factory: pytest.TempPathFactory) -> None:
    play = Playground(tmp_path_factory.mktemp("s"), listen=f"127.0.0.1:{free_port()}", quiet=True)
    try:
        play.begin()
        sent = [play.owner.quiet("report", "daily", "--date", YESTERDAY, "--send") for _ in range(2)]
        shown = play.owner.quiet("report", "daily", "--date", YESTERDAY)
        assert not play.mistakes
    finally:
        play.close()
    assert f"daily report 1 of {YESTERDAY} is issued" in sent[0]
    assert "it is not sent again" in sent[1]
    assert "Daily report 1" in shown
    assert "Nothing happened, and the record holds." in shown
