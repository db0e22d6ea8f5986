from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from pysqlite3 import dbapi2 as sqlite

from audit import pruning, tree
from audit.entry import Draft
from audit.errors import StoreError
from audit.stores import is_postgres
from audit.tiles import WIDTH, Tile
from builders import MAIN, OLD, TOPIC, oid
from governance.errors import RecordError
from governance.record import SERVICE, Kind
from governance.state import rebuilding
from governance.state.schema import TABLES
from service_world import REPOSITORY, ServiceWorld

if TYPE_CHECKING:
    from pathlib import Path

    from audit.stores import Place, WritingConnection


@pytest.fixture
def path(tmp_path: Path, both: None) -> Place:
    """A ledger with a change opened, and its service stopped."""
    with ServiceWorld(tmp_path) as world:
        world.applied(world.open_change())
    return world.path


def connected(path: Place) -> Any:  # noqa: ANN401  # Of either driver.
    if is_postgres(path):
        return closing(psycopg.connect(str(path), autocommit=True))
    return closing(sqlite.connect(path, isolation_level=None))


def edited(path: Place, sql: str) -> None:
    with connected(path) as connection:
        connection.execute(sql)


def check(path: Place) -> rebuilding.Rebuilt:
    return rebuilding.compare(path, progress=lambda done, total: None)


EDITS = {
    "a ref set to another value": (f"update ref_value set oid='{oid('x')}' where ref='{MAIN}'", "ref_value, row 1"),
    "a person made of an agent": ("update principal set kind='human' where name='dev-a'", "principal, row 1"),
    "a person deleted": ("delete from principal where name='owner'", "principal, row"),
    "a key of mine": ("update signing_key set principal='owner' where principal='dev-a'", "signing_key, row"),
    "a key revoked": ("update signing_key set revoked_seq=1 where principal='qa-a'", "signing_key, row"),
    "a freeze that was never declared": ("insert into \"freeze\" values(1,'garden','x','y',null)", "freeze, row 0"),
    "an approval that awaits nothing": (
        "insert into awaited values(1,'garden',1,'owner','[]','[]',1,1,'waiting',0,null)", "awaited, row 0"),
    "tables of another version": ("update folded set version=version+1", "folded, row 0"),
    "a wrong code that was never tried": ("insert into wrong_code values(1,'owner','sms',1)", "wrong_code, row 0"),
    "a freeze of a role out of nothing": (
        "insert into halt values(1,'role','dev-a','','x','y','',1,null)", "halt, row 0"),
    "a veto out of nothing": ("insert into veto values(1,'garden','change','1',1,'mia','x',null)", "veto, row 0"),
    "a misdeed put down to me": ("insert into misdeed values(1,0,'gate_bypass','dev-a','',1)", "misdeed, row 0"),
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
    "a canary that is forgotten": ("insert into canary values(1,'garden',1,null,null)", "canary, row 0"),
    "a mark out of nothing": ("insert into canary_mark values('m',1)", "canary_mark, row 0"),
    "a canary that somebody caught": ("insert into canary_answer values(1,'qa-a',0)", "canary_answer, row 0"),
    "a patch set by somebody else": ("update opening set author='qa-a'", "opening, row 0"),
    "a review that was not given": (
        "insert into review values(1,'garden',1,'dev-a','qa-a','approve',1,'',1,2)", "review, row 0",
    ),
    "a finding about somebody": ("insert into finding values('qa-a',1,0,'garden','pair',9)", "finding, row 0"),
    "a look that nobody took": ("insert into look values('garden',1,1)", "look, row 0"),
    "a statement that may be used again": ("insert into statement values('d',1)", "statement, row 0"),
    "attempts forgotten": ("delete from attempt", "attempt, row 0"),
    "a limit raised by nobody": ("insert into limit_raise values(1,'dev-a','push',9,9,9)", "limit_raise, row 0"),
    "a lease of mine": (
        "insert into lease values(1,'garden','write','dev-a','k','t','[]',1,1,2,9,null,'')", "lease, row 0",
    ),
    "what was written under it": ("insert into lease_use values(1,2,3)", "lease_use, row 0"),
    "an exception nobody asked for": (
        "insert into lease_ask values(1,'garden','write','steal',1,2,0,'x','y',null)", "lease_ask, row 0",
    ),
    "a place before the others": ("insert into lease_first values(1,2)", "lease_first, row 0"),
    "a request for a lock": ("insert into lock_try values('dev-a',1,1)", "lock_try, row 0"),
    "a debt of somebody else's": ("insert into debt values(1,'r','p','garden','[]',9,1,null,'')", "debt, row 0"),
    "a debt that was paid": ("insert into debt_gone values(1,'r','p','garden','[]',9,1,2)", "debt_gone, row 0"),
    "a report nobody issued": ("insert into report values(1,'daily','2026-01-01',0,1,'d')", "report, row 0"),
    "a landing that was never small": (
        "insert into small_landing values(1,'r','dev-a','garden',1,1,1)", "small_landing, row 0",
    ),
    "an epoch out of nothing": ("insert into draw_epoch values(1,'c',10,10,1,1,null,'')", "draw_epoch, row 0"),
    "a slot given back": ("insert into draw_slot values(1,'owner',0)", "draw_slot, row 0"),
    "a draw that came out well": (
        "insert into draw values(1,'owner',0,0,'garden',1,'d','dev-a','[]','[]',0,1,1,null)", "draw, row 0",
    ),
    "a third review out of nothing": (
        "insert into third_review values(1,'garden',1,1,'d','docs','approve','F')", "third_review, row 0",
    ),
    "an override out of nothing": (
        "insert into override values(1,'garden',1,1,'h','r','o','F',1,2,'l','F','w','F',null,null,null)",
        "override, row 0",
    ),
    "a review of an override out of nothing": (
        "insert into override_review values(1,1,'mia','fine','r')", "override_review, row 0",
    ),
    "a newcomer made an old hand": ("update tenure set since=1 where principal='qa-a'", "tenure, row"),
    "a feature nobody started": ("insert into feature values('garden','f','',5,'owner',1)", "feature, row 0"),
    "evidence out of nothing": (
        "insert into gate_evidence values(1,'garden','f',0,'c','qa-a','qa-a','o',0,'d','n','k',null)",
        "gate_evidence, row 0",
    ),
    "an advance nobody asked for": (
        "insert into gate_asked values('garden','f',0,1,'orchestrator','c','1')", "gate_asked, row 0",
    ),
    "a gate called passed": ("insert into gate_passed values('garden','f',4,'c',1)", "gate_passed, row 0"),
    "a message to somebody else": ("insert into message_of values('garden','qa-a',1)", "message_of, row 0"),
    "a message nobody sent": (
        "insert into message values(1,'garden','d',1,'owner','owner','[]','status',0,'',0,1,0,null,null,'k')",
        "message, row 0",
    ),
    "a decision nobody raised": (
        "insert into decision values(1,'garden','k','q','[]','b','r',1,0,'','{}','decided',1)", "decision, row 0",
    ),
    "an answer nobody gave": (
        "insert into decision_answer values(1,'owner','owner','approve','r','k',1)", "decision_answer, row 0",
    ),
    "a rejection set aside": ("insert into settled values('garden',1,'d','qa-a',1)", "settled, row 0"),
    "an alert that is routed nowhere": ("delete from alert_route", "alert_route, row 0"),
    "a severity of mine": ("insert into alert_rule values('veto.cast','low')", "alert_rule, row 0"),
    "a notice out of nothing": ("insert into notice values(99,'low','k','c','x','r',1,1,99)", "notice, row"),
    "a delivery that nobody made": ("update delivery set state='delivered'", "delivery, row 0"),
    "a number that is not mine": ("insert into contact values('owner','sms',1)", "contact, row 0"),
    "a factor of mine": ("insert into factor values('f','owner','totp','x',0,0,0,'{}',1,null)", "factor, row 0"),
    "a reset that nobody asked for": ("insert into factor_reset values(1,'mia',1)", "factor_reset, row 0"),
    "a recovery code of mine": ("insert into recovery_code values('d','owner',1,null)", "recovery_code, row 0"),
    "somebody locked out": ("insert into factor_failure values('owner',1,1)", "factor_failure, row 0"),
    "a passkey's word used up": ("insert into factor_challenge values('c',1)", "factor_challenge, row 0"),
    "a prompt nobody opened": (
        "insert into prompt values(1,'owner','s','d','[]',1,0,1,9999999999999,'approved',2)", "prompt, row 0"),
    "a prompt for another act": ("insert into prompt_statement values(1,0,'d','thaw')", "prompt_statement, row 0"),
    "an approval nobody gave": ("insert into prompt_approval values(1,'owner','f',2)", "prompt_approval, row 0"),
    "a password of mine": ("insert into account values('owner',1)", "account, row 0"),
    "a session nobody opened": (
        "insert into web_session values('d','i','owner','key','f','',1,1,999999999999,null)", "web_session, row 0"),
    "somebody kept from logging in": ("insert into login_failure values(1,'owner',1)", "login_failure, row 0"),
    "a token that may only read": ("insert into token_scope values('i','read')", "token_scope, row 0"),
    "a mark that keeps readers stale": ("update epoch set seq=seq+1 where name='roster'", "epoch, row"),
}  # fmt: skip


def test_what_the_service_wrote_is_what_the_ledger_says(path: Place) -> None:
    found = check(path)

    assert (found.difference, found.tables) == ("", len(TABLES))
    assert found.rows > 20
    assert found.as_dict()["entries"] == found.entries


@pytest.mark.parametrize(("sql", "where"), EDITS.values(), ids=EDITS)
def test_a_row_edited_behind_the_ledger_is_named_and_put_right(path: Place, sql: str, where: str) -> None:
    edited(path, sql)
    found = check(path)
    assert where in found.difference
    assert "the ledger says" in found.difference

    rebuilding.replace(path, progress=lambda done, total: None)
    assert check(path).difference == ""


def test_every_table_has_an_edit_that_is_found() -> None:
    assert {where.split(",")[0] for _, where in EDITS.values()} == set(TABLES)


def test_the_difference_says_both_sides(path: Place) -> None:
    edited(path, f"update ref_value set oid='{oid('x')}' where ref='{MAIN}'")
    said = check(path).difference
    assert OLD in said
    assert oid("x") in said

    edited(path, f"delete from ref_value where ref='{TOPIC}'")
    edited(path, f"update ref_value set oid='{OLD}' where ref='{MAIN}'")
    assert check(path).difference.endswith("the table says nothing")


def test_a_long_row_is_cut_for_people(path: Place) -> None:
    edited(path, "update policy set digest='x'")

    assert len(check(path).difference) < 700


@pytest.mark.usefixtures("both")
def test_while_the_service_runs_it_can_be_compared_and_a_file_not_replaced(tmp_path: Path) -> None:
    with ServiceWorld(tmp_path) as world:
        assert world.difference() == ""
        if is_postgres(world.path):  # There it waits for its turn, as any replica.
            rebuilding.replace(world.path, progress=lambda done, total: None)
            world.applied(world.open_change())
            assert world.difference() == ""
            return
        with pytest.raises(StoreError, match="only writer"):
            rebuilding.replace(world.path, progress=lambda done, total: None)


def test_a_fold_that_fails_leaves_the_tables_as_they_were(path: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(tx: object, entry: object) -> None:
        raise KeyError("a shape of yesterday")

    edited(path, "update change set state='landed'")
    before = check(path).difference
    with monkeypatch.context() as patched:
        patched.setattr(rebuilding, "fold", breaks)
        with pytest.raises(KeyError):
            rebuilding.replace(path, progress=lambda done, total: None)

    assert check(path).difference == before


def test_progress_ends_with_everything_done(path: Place) -> None:
    said: list[tuple[int, int]] = []
    rebuilding.compare(path, progress=lambda done, total: said.append((done, total)))

    assert said[-1][0] == said[-1][1] > 0


def test_a_table_of_an_earlier_version_is_made_anew(path: Place) -> None:
    """Entries from before there were hosts name none; the column comes with the next rebuild."""
    edited(path, "alter table repository drop column host")

    rebuilding.replace(path, progress=lambda done, total: None)

    assert check(path).difference == ""
    with connected(path) as state:
        assert state.execute("select name, host from repository").fetchall() == [(REPOSITORY, "front")]


@pytest.fixture
def pruned(tmp_path: Path, both: None) -> tuple[Place, Path]:
    """A ledger of three tiles whose first two were archived and let go."""
    folder = tmp_path / "archive"
    with ServiceWorld(tmp_path) as world:
        world.applied(world.open_change())
        beats = [Draft(Kind.REQUEST_REFUSED, SERVICE, "", "", {"code": "c", "message": ""})] * (3 * WIDTH)
        world.append(*beats)
        with world.service.read() as look:
            for index in range(2):
                tile = Tile(0, index, entries=True)
                (folder / tile.path()).parent.mkdir(parents=True, exist_ok=True)
                (folder / tile.path()).write_bytes(tree.tile_data(look, tile))
        # As `audit.pruning` does; that needs checkpoints, which this world has none of.
        world.ledger.run(lambda tx: (tx.append(beats[0]), tx.maintain(let_go)))
    return world.path, folder


def let_go(connection: WritingConnection) -> None:
    pruning._remove(connection, 2 * WIDTH)


def test_pruned_entries_are_folded_from_their_archive(pruned: tuple[Place, Path]) -> None:
    path, folder = pruned
    assert rebuilding.compare(path, progress=lambda *_: None, archive=folder).difference == ""
    edited(path, "update change set state='landed'")
    rebuilding.replace(path, progress=lambda *_: None, archive=folder)
    again = rebuilding.compare(path, progress=lambda *_: None, archive=folder)
    assert again.difference == ""
    assert again.entries > 3 * WIDTH


def test_without_the_archive_nothing_is_folded_and_nothing_replaced(pruned: tuple[Place, Path]) -> None:
    path, folder = pruned
    for verb in (rebuilding.compare, rebuilding.replace):
        with pytest.raises(RecordError, match=r"entries below 512 were pruned.*--archive DIR"):
            verb(path, progress=lambda *_: None)
    with pytest.raises(RecordError, match="does not have the entries from 0 on"):
        rebuilding.compare(path, progress=lambda *_: None, archive=folder.parent)
    assert rebuilding.compare(path, progress=lambda *_: None, archive=folder).difference == ""


@pytest.mark.parametrize("how", ["another entry", "cut", "swapped"])
def test_an_archive_that_does_not_hold_what_was_there_is_refused(pruned: tuple[Place, Path], how: str) -> None:
    path, folder = pruned
    first, second = (folder / Tile(0, index, entries=True).path() for index in range(2))
    data = first.read_bytes()
    first.write_bytes(
        {"another entry": data.replace(b"mia", b"eve", 1), "cut": data[:-1]}.get(how, second.read_bytes())
    )
    with pytest.raises(RecordError, match="from 0 on"):
        rebuilding.replace(path, progress=lambda *_: None, archive=folder)
