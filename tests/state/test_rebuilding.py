from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pysqlite3 import dbapi2 as sqlite

from audit.errors import StoreError
from builders import MAIN, OLD, TOPIC, oid
from governance.state import rebuilding
from governance.state.schema import TABLES
from service_world import REPOSITORY, ServiceWorld

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """A ledger with a change opened, and its service stopped."""
    with ServiceWorld(tmp_path) as world:
        world.applied(world.open_change())
    return world.path


def edited(path: Path, sql: str) -> None:
    connection = sqlite.connect(path, isolation_level=None)
    connection.execute(sql)
    connection.close()


def check(path: Path) -> rebuilding.Rebuilt:
    return rebuilding.compare(path, progress=lambda done, total: None)


EDITS = {
    "a ref set to another value": (f"update ref_value set oid='{oid('x')}' where ref='{MAIN}'", "ref_value, row 1"),
    "a person made of an agent": ("update principal set kind='human' where name='dev-a'", "principal, row 1"),
    "a person deleted": ("delete from principal where name='owner'", "principal, row"),
    "a key of mine": ("update signing_key set principal='owner' where principal='dev-a'", "signing_key, row"),
    "a key revoked": ("update signing_key set revoked_seq=1 where principal='qa-a'", "signing_key, row"),
    "a freeze that was never declared": ("insert into freeze values(1,'garden','x','y',null)", "freeze, row 0"),
    "a sign-off out of nothing": (
        "insert into sign_off values(1,'garden',1,1,'mia','approve','{}','d','F',1,null,null)", "sign_off, row 0"),
    "a change called landed": ("update change set state='landed'", "change, row 0"),
    "a patch set for another head": (f"update patch_set set head='{oid('x')}'", "patch_set, row 0"),
    "a reservation come back": ("update reservation set state='reserved'", "reservation, row 0"),
    "a key cleared of what it landed": ("delete from push_signer", "push_signer, row 0"),
    "an enrolment secret of mine": ("insert into enrolment values('d','owner',9999999999999,null)", "enrolment, row"),
    "a token of mine": ("insert into token values('i','d','owner','',1,9999999999999,null)", "token, row 0"),
    "a lenient policy": ("update policy set digest='x'", "policy, row 0"),
    "a repository moved": ("update repository set path='/elsewhere'", "repository, row 0"),
    "a repository that is only observed": ("update repository set mode='observe'", "repository, row 0"),
    "hooks called good": ("insert into continuity values('garden',1,'x',1,1)", "continuity, row 0"),
    "a gap out of nothing": ("insert into lapse values('garden','r','o','','unreviewed',1)", "lapse, row 0"),
    "a landing nobody asked for": (
        "insert into landing values(1,'garden',1,1,'h','dev-a','F','t','queued','','',null,null)", "landing, row 0",
    ),
    "a statement that may be used again": ("insert into statement values('d',1)", "statement, row 0"),
    "a mark that keeps readers stale": ("update epoch set seq=seq+1 where name='roster'", "epoch, row"),
}  # fmt: skip


def test_what_the_service_wrote_is_what_the_ledger_says(path: Path) -> None:
    found = check(path)

    assert (found.difference, found.tables) == ("", len(TABLES))
    assert found.rows > 20
    assert found.as_dict()["entries"] == found.entries


@pytest.mark.parametrize(("sql", "where"), EDITS.values(), ids=EDITS)
def test_a_row_edited_behind_the_ledger_is_named_and_put_right(path: Path, sql: str, where: str) -> None:
    edited(path, sql)
    found = check(path)
    assert where in found.difference
    assert "the ledger says" in found.difference

    rebuilding.replace(path, progress=lambda done, total: None)
    assert check(path).difference == ""


def test_every_table_has_an_edit_that_is_found() -> None:
    assert {where.split(",")[0] for _, where in EDITS.values()} == set(TABLES)


def test_the_difference_says_both_sides(path: Path) -> None:
    edited(path, f"update ref_value set oid='{oid('x')}' where ref='{MAIN}'")
    said = check(path).difference
    assert OLD in said
    assert oid("x") in said

    edited(path, f"delete from ref_value where ref='{TOPIC}'")
    edited(path, f"update ref_value set oid='{OLD}' where ref='{MAIN}'")
    assert check(path).difference.endswith("the table says nothing")


def test_a_long_row_is_cut_for_people(path: Path) -> None:
    edited(path, "update policy set digest='x'")

    assert len(check(path).difference) < 700


def test_while_the_service_runs_it_can_be_compared_and_not_replaced(tmp_path: Path) -> None:
    with ServiceWorld(tmp_path) as world:
        assert world.difference() == ""
        with pytest.raises(StoreError, match="only writer"):
            rebuilding.replace(world.path, progress=lambda done, total: None)


def test_a_fold_that_fails_leaves_the_tables_as_they_were(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(tx: object, entry: object) -> None:
        raise KeyError("a shape of yesterday")

    edited(path, "update change set state='landed'")
    before = check(path).difference
    with monkeypatch.context() as patched:
        patched.setattr(rebuilding, "fold", breaks)
        with pytest.raises(KeyError):
            rebuilding.replace(path, progress=lambda done, total: None)

    assert check(path).difference == before


def test_progress_ends_with_everything_done(path: Path) -> None:
    said: list[tuple[int, int]] = []
    rebuilding.compare(path, progress=lambda done, total: said.append((done, total)))

    assert said[-1][0] == said[-1][1] > 0


def test_a_table_of_an_earlier_version_is_made_anew(path: Path) -> None:
    """Entries from before there were hosts name none; the column comes with the next rebuild."""
    edited(path, "alter table repository drop column host")

    rebuilding.replace(path, progress=lambda done, total: None)

    assert check(path).difference == ""
    state = sqlite.connect(path)
    assert state.execute("select name, host from repository").fetchall() == [(REPOSITORY, "front")]
    state.close()
