"""The ledger from outside: served, copied, restored, gone on with, its keys changed, what is private in it erased."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from pysqlite3 import dbapi2 as sqlite

from audit import verify
from audit.entry import Draft
from audit.errors import BrokenError
from audit.ledger import Ledger
from governance.adapters import git
from governance.adapters.settings import load
from governance.entrypoints import opening, scrub
from governance.entrypoints.scrub import Scrub
from governance.record import SERVICE, Kind
from playing import ENVIRONMENT, MAIN, Ground, Pushed, Repository, until

CHECKPOINTS = "refs/ledger/checkpoints"
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Ground]:
    """A service of the test's own, to be spoilt."""
    made = Ground(tmp_path / "own")
    yield made
    made.close()


@pytest.fixture
def garden(own: Ground, tmp_path: Path) -> Repository:
    made = own.govern(tmp_path)
    made.begin()
    return made


def verified(ground: Ground, *more: str) -> dict[str, Any]:
    done = ground.twinseal("ledger", "verify", "--json", *more)
    return {**json.loads(done.stdout), "exit": done.returncode}


def recovery_key(ground: Ground) -> Path:
    """What `init` printed, as somebody wrote it down."""
    return ground.play.folder / "recovery-key"


def pushes(ground: Ground, repository: Repository) -> Pushed:
    """Push a branch that may be pushed: something is decided, and a change opened."""
    commit = repository.commit(ground["dev-a"], {"x": "y"}, repository.refs()[MAIN])
    return repository.push(ground["dev-a"], f"{commit}:refs/heads/later")


def mirrored(repository: Repository, folder: Path) -> Path:
    command = [git.program(), "clone", "-q", "--mirror", str(repository.path), str(folder)]
    subprocess.run(command, check=True, env=ENVIRONMENT)
    return folder


class TestTheLogOverHttp:
    def test_its_tiles_are_what_an_export_holds(self, own: Ground, garden: Repository, tmp_path: Path) -> None:
        assert own.twinseal("ledger", "export", str(tmp_path / "out")).returncode == 0
        for path in (p for p in (tmp_path / "out" / "tile" / "0").rglob("*") if p.is_file()):
            served = own.ask("GET", f"//log/{path.relative_to(tmp_path / 'out')}")
            assert (served.status, served.raw) == (200, path.read_bytes())

    def test_entries_are_for_an_owner(self, own: Ground, garden: Repository) -> None:
        size = int(own.ask("GET", "//log/checkpoint").raw.split(b"\n")[1])
        path = f"//log/tile/entries/000.p/{size}"
        assert own.ask("GET", path, token=own.owner.tokens[""]).status == 200
        assert own.ask("GET", path).status == 401
        assert own.ask("GET", path, token=own["dev-a"].tokens[""]).code == "log.entries"
        assert own.ask("GET", path, token=own.owner.tokens[garden.name]).code == "log.entries"

    @pytest.mark.parametrize("path", ["0/000.p/255", "0/x000/000", "7/000", "entries/999", "0/../0/000", "0/000.p/0"])
    def test_what_is_not_signed_yet_or_no_tile_is_not_there(self, own: Ground, path: str) -> None:
        token = own.owner.tokens[""]
        assert own.ask("GET", f"//log/tile/{path}", token=token).status == 404


class TestEveryCloneIsAWitness:
    def test_a_clone_tells_a_rolled_back_ledger(self, own: Ground, garden: Repository, tmp_path: Path) -> None:
        until(lambda: _shown(garden), "the checkpoint is in the repository")
        own.play.stop()
        old = shutil.copytree(own.data, tmp_path / "old", ignore=shutil.ignore_patterns("*.sock"))
        before = verified(own)["size"]
        own.play.start()
        garden.push(own["dev-a"], f"{garden.commit(own['dev-a'], {'x': 'y'})}:refs/heads/Main")
        until(lambda: _signed(own) > before, "a later checkpoint is signed")
        own.restart()  # It shows the checkpoint again when it starts.
        until(lambda: _shown(garden) > before, "a later checkpoint is in the repository")
        clone = mirrored(garden, tmp_path / "clone.git")

        assert verified(own, "--against", str(clone))["exit"] == 0
        own.play.stop()
        shutil.rmtree(own.data)
        shutil.copytree(old, own.data)
        (own.play.folder / "state" / "high-water").unlink()  # Whoever did it thought of the mark, too.
        found = verified(own, "--against", str(clone))
        assert (found["exit"], found["status"]) == (1, "rollback")

    def test_the_ref_is_nobody_s_to_push_and_freezes_nothing(self, own: Ground, garden: Repository) -> None:
        until(lambda: _shown(garden), "the checkpoint is in the repository")
        before = _shown(garden)
        pushed = garden.push(own["dev-a"], f"+{garden.commit(own['dev-a'], {'x': 'y'})}:{CHECKPOINTS}")
        assert (pushed.landed, pushed.code) == (False, "ref_rules.namespace")
        assert _shown(garden) == before
        own.restart()
        assert own.owner.get("/status").body["repositories"][0]["frozen"] == []


def _first_key(ground: Ground) -> str:
    return str(json.loads(ground.twinseal("ledger", "show", "0", "--json").stdout)["entry"]["data"]["ledger_key"])


def _signed(ground: Ground) -> int:
    return int(ground.twinseal("ledger", "checkpoint").stdout.split("\n")[1])


def _shown(repository: Repository) -> int:
    command = [git.program(), "-C", str(repository.path), "cat-file", "blob", f"{CHECKPOINTS}:checkpoint"]
    done = subprocess.run(command, capture_output=True, env=ENVIRONMENT, check=False)
    return int(done.stdout.split(b"\n")[1]) if done.returncode == 0 else 0


class TestWitnesses:
    def test_what_the_service_signs_is_cosigned_and_a_set_back_ledger_has_to_answer_for_it(
        self, own: Ground, garden: Repository, tmp_path: Path
    ) -> None:
        (tmp_path / "logs").write_text(f"log {_first_key(own)}\n")
        with witness(tmp_path) as line:
            policy = tmp_path / "trust.policy"
            policy.write_text(f"log {_first_key(own)}\n{line}\nquorum {line.split()[1]}\n")
            assert verified(own, "--policy", str(policy))["exit"] == 3  # Nobody has cosigned it yet.
            own.play.settings = {**own.play.settings, "TWINSEAL_WITNESSES": str(policy)}
            own.restart()
            until(lambda: own.ask("GET", "//log/checkpoint").raw.count("\N{EM DASH}".encode()) == 2, "it is cosigned")
            own.play.stop()
            assert verified(own, "--policy", str(policy))["exit"] == 0
            old = shutil.copytree(own.data, tmp_path / "old", ignore=shutil.ignore_patterns("*.sock"))
            mark = (own.play.folder / "state" / "high-water").read_text()
            own.play.start()
            pushes(own, garden)
            size = len(own.entries())
            until(lambda: _cosigned(own) >= size, "the later one is cosigned")
            own.play.stop()
            # Whoever sets back database and mark together is not found by either; the witness remembers.
            shutil.rmtree(own.data)
            shutil.copytree(old, own.data)
            (own.play.folder / "state" / "high-water").write_text(mark)
            own.play.start()
            until(lambda: '"outcome": "ahead"' in own.log, "the alarm is in the log")


@contextmanager
def witness(folder: Path) -> Iterator[str]:
    """A witness in a process of its own; its line in a policy."""
    command = [sys.executable, "-m", "governance", "witness", "serve", "--json", "--state", str(folder / "witness")]
    more = ["--logs", str(folder / "logs"), "--listen", "127.0.0.1:0", "--name", "witness.example/w1"]
    process = subprocess.Popen([*command, *more], stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
    try:
        assert process.stdout is not None
        text = ""
        while not text.endswith("}\n"):
            text += process.stdout.readline()
        yield str(json.loads(text)["policy_line"])
    finally:
        process.terminate()
        process.communicate(timeout=20)


def _cosigned(ground: Ground) -> int:
    note = ground.ask("GET", "//log/checkpoint").raw
    return int(note.split(b"\n")[1]) if note.count("\N{EM DASH}".encode()) == 2 else 0


REWRITTEN = """
drop trigger ledger_entry_update;
update ledger_entry set body = replace(body, 'dev-a', 'dev-b') where seq = 3;
"""


class TestTheDeepCheck:
    @pytest.mark.parametrize(
        ("edits", "named"),
        [
            (REWRITTEN, "entry 3"),
            ("insert into message_of values('garden', 'qa-a', 7)", "message_of"),
        ],
    )
    def test_what_was_edited_behind_us_decides_nothing_any_more(
        self, own: Ground, garden: Repository, monkeypatch: pytest.MonkeyPatch, edits: str, named: str
    ) -> None:
        """An entry, or a row that no entry made."""
        for name, value in own.play.environment("owner").items():
            monkeypatch.setenv(name, value)
        own.play.stop()
        settings = load()
        with opening.ledger(settings, opening.origin_of(settings)) as ledger:
            _scrubbed(ledger)
            assert ledger.broken is None
            with closing(sqlite.connect(own.data / "ledger.sqlite")) as connection:
                connection.executescript(edits)
            _scrubbed(ledger)
            assert named in str(ledger.broken)
            with pytest.raises(BrokenError):
                ledger.run(lambda tx: tx.now)

    def test_one_that_is_killed_is_no_good_one_and_one_that_is_told_to_stop_says_nothing(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(scrub, "VERIFY", ("-c", "import os; os.kill(os.getpid(), 9)"))
        made = Scrub(None)  # type: ignore[arg-type]
        with pytest.raises(OSError, match="killed by signal 9"):
            made.check()
        monkeypatch.setattr(scrub, "FIRST_S", 0.0)
        made.first()
        made.stop()
        assert made.check() == "ended with the service"


def _scrubbed(ledger: Ledger) -> None:
    Scrub(ledger).check()


class TestAnUpgrade:
    def test_tables_of_another_version_are_folded_again_before_anything_is_served(
        self, own: Ground, garden: Repository
    ) -> None:
        """Else it would begin, tell nobody, and the deep check would stop it for what nobody did."""
        own.play.stop()
        with closing(sqlite.connect(own.data / "ledger.sqlite")) as connection:
            connection.executescript("drop table folded; delete from alert_route")

        refused = own.twinseal("serve")
        assert refused.returncode != 0
        assert "folded by another version" in refused.stdout + refused.stderr
        assert "twinseal ledger rebuild" in refused.stdout + refused.stderr
        assert "folded by another version" in own.twinseal("doctor").stdout

        assert own.twinseal("ledger", "rebuild").returncode == 0
        own.play.start()
        own.assert_sound()
        assert pushes(own, garden).landed


class TestBackUpAndRestore:
    def test_the_drill(self, own: Ground, garden: Repository, tmp_path: Path) -> None:
        own.play.stop()
        done = own.twinseal("ledger", "backup", str(tmp_path / "copy"), "--json")
        size = json.loads(done.stdout)["size"]
        shutil.rmtree(own.data)

        restored = own.twinseal("ledger", "restore", str(tmp_path / "copy"))
        assert restored.returncode == 0, restored.stdout + restored.stderr
        own.play.start()
        assert len(own.entries()) >= size
        own.assert_sound()
        assert pushes(own, garden).landed

    def test_a_copy_that_is_behind_says_so_and_goes_on_only_as_a_new_epoch(
        self, own: Ground, garden: Repository, tmp_path: Path
    ) -> None:
        own.twinseal("ledger", "backup", str(tmp_path / "copy"))
        pushes(own, garden)
        own.play.stop()
        lost = own.twinseal("ledger", "checkpoint").stdout
        shutil.rmtree(own.data)

        done = own.twinseal("ledger", "restore", str(tmp_path / "copy"))
        assert done.returncode == 2, done.stdout
        assert "recover --accept-loss" in done.stdout + done.stderr
        what = ("ledger", "recover", "--reason", "the disk died", "--operator", "mia", "--yes")
        key = ("--recovery-key-file", str(recovery_key(own)))
        assert own.twinseal(*what, *key).returncode == 1
        wrong = tmp_path / "wrong"
        wrong.write_text("twinseal-recovery-" + "0" * 64)
        assert own.twinseal(*what, "--accept-loss", "--recovery-key-file", str(wrong)).returncode == 2
        done = own.twinseal(*what, "--accept-loss", "--recovery-key-file", str(tmp_path / "nowhere"))
        assert (done.returncode, "file.unreadable" in done.stderr) == (1, True)
        done = own.twinseal("serve")
        assert done.returncode == 3
        assert "ledger.rollback" in done.stderr
        assert "twinseal ledger recover --accept-loss" in done.stderr
        done = own.twinseal(*what, "--accept-loss", *key)
        assert done.returncode == 0, done.stdout + done.stderr

        own.play.start()
        assert own.ask("GET", "/about").body["log"].endswith("/e2")
        found = verified(own)
        assert found["exit"] == 0, found
        kept = tmp_path / "lost.txt"
        kept.write_text(lost)
        found = verified(own, "--against", str(kept))
        assert found["exit"] == 0, found
        assert any("lost" in remark or "given up" in remark for remark in found["remarks"]), found

    def test_without_the_key_encryption_key_only_the_recovery_key_goes_on(self, own: Ground) -> None:
        own.play.stop()
        (own.play.folder / "state" / "kek").unlink()
        done = own.twinseal("serve")
        assert done.returncode == 2
        assert "kek" in done.stderr
        what = ("ledger", "recover", "--reason", "kek lost", "--operator", "mia", "--yes", "--accept-loss")
        done = own.twinseal(*what, "--recovery-key-file", str(recovery_key(own)))
        assert done.returncode == 0, done.stdout + done.stderr
        own.play.start()
        own.assert_sound()

    def test_nothing_is_restored_over_a_ledger_or_from_a_copy_that_was_changed(
        self, own: Ground, tmp_path: Path
    ) -> None:
        own.twinseal("ledger", "backup", str(tmp_path / "copy"))
        own.play.stop()
        assert own.twinseal("ledger", "restore", str(tmp_path / "copy")).returncode == 2
        shutil.rmtree(own.data)
        for bundle in (tmp_path / "copy" / "tile" / "entries").rglob("*.p/*"):
            bundle.write_bytes(bundle.read_bytes().replace(b'"dev-a"', b'"dev-b"', 1))
        done = own.twinseal("ledger", "restore", str(tmp_path / "copy"))
        assert done.returncode in {1, 3}, done.stdout + done.stderr
        assert "root" in done.stdout + done.stderr


class TestALostMark:
    def test_it_is_begun_anew_only_where_all_is_valid_and_continues_what_is_known(
        self, own: Ground, garden: Repository, tmp_path: Path
    ) -> None:
        known = tmp_path / "known.note"
        own.play.stop()
        old = shutil.copytree(own.data, tmp_path / "old", ignore=shutil.ignore_patterns("*.sock"))
        own.play.start()
        pushes(own, garden)
        own.play.stop()
        known.write_text(own.twinseal("ledger", "checkpoint").stdout)
        mark = own.play.folder / "state" / "high-water"
        assert own.twinseal("ledger", "adopt").returncode == 2
        mark.unlink()
        with closing(sqlite.connect(own.data / "ledger.sqlite")) as connection:
            connection.execute("delete from principal")  # As a restore leaves it that died before it folded.
            connection.commit()
        done = own.twinseal("ledger", "adopt")
        assert (done.returncode, "ledger rebuild" in done.stderr) == (2, True)
        assert own.twinseal("ledger", "rebuild").returncode == 0
        done = own.twinseal("serve")
        assert (done.returncode, "ledger adopt" in done.stderr) == (3, True)
        adopt = ("ledger", "adopt", "--against", str(known))
        done = own.twinseal(*adopt)
        assert done.returncode == 0, done.stderr
        own.play.start()
        own.assert_sound()

        own.play.stop()
        shutil.rmtree(own.data)
        shutil.copytree(old, own.data)
        mark.unlink()
        done = own.twinseal(*adopt)
        assert (done.returncode, "rollback" in done.stderr) == (2, True)


class TestKeys:
    def test_a_new_key_takes_over_and_all_stays_verifiable(self, own: Ground, tmp_path: Path) -> None:
        first = own.twinseal("ledger", "checkpoint").stdout
        own.play.stop()
        done = own.twinseal("ledger", "rotate", "--json")
        assert done.returncode == 0, done.stderr
        own.play.start()
        (tmp_path / "first").write_text(first)
        assert verified(own, "--against", str(tmp_path / "first"))["exit"] == 0
        newest = own.twinseal("ledger", "checkpoint").stdout
        assert newest.count("\N{EM DASH}") == 2, newest
        # Without the new key's file the old one still signs, for a while; without both nothing starts.
        own.play.stop()
        for path in own.data.glob("ledger-*.key"):
            path.unlink()
        own.twinseal("init", "--again")
        assert own.twinseal("ledger", "rotate").returncode != 0

    def test_a_file_put_under_another_name_opens_nothing(self, own: Ground) -> None:
        own.play.stop()
        [path] = own.data.glob("ledger-*.key")
        named, sealed = path.read_text().split()
        path.write_text(f"{named.replace('localhost', 'elsewher')}\n{sealed}\n")
        done = own.twinseal("serve")
        assert done.returncode == 2
        assert "not a ledger key sealed under" in done.stderr


class TestErasing:
    def test_what_a_refused_push_named_can_be_erased(self, own: Ground, garden: Repository) -> None:
        secret = "refs/heads/..hunter2-was-my-password"
        hello = f"{'0' * 40} {'1' * 40} {secret}"
        seq = _refused(own, garden, hello)
        own.play.start()
        words = ("ledger", "erase", str(seq), "lines", "--basis", "x", "--approver", "owner")
        done = own.twinseal(*words)
        assert (done.returncode, "ledger.locked" in done.stderr, "Stop the service" in done.stderr) == (3, True, True)
        own.play.stop()
        shown = json.loads(own.twinseal("ledger", "show", str(seq), "--json").stdout)
        assert secret in shown["private"]["lines"]

        erase = ("ledger", "erase", str(seq), "lines", "--basis", "sent by mistake")
        assert own.twinseal(*erase, "--approver", "dev-a").returncode == 1
        done = own.twinseal("ledger", "erase", str(seq), "nothing", "--basis", "x", "--approver", "owner")
        assert (done.returncode, "erase.nothing" in done.stderr) == (1, True)
        done = own.twinseal(*erase, "--approver", "owner")
        assert done.returncode == 0, done.stdout + done.stderr
        assert own.twinseal(*erase, "--approver", "owner").returncode != 0

        shown = json.loads(own.twinseal("ledger", "show", str(seq), "--json").stdout)
        assert "private" not in shown
        assert secret.encode() not in b"".join(path.read_bytes() for path in own.data.glob("ledger.sqlite*"))
        own.assert_sound()
        own.play.start()
        own.assert_sound()


def _refused(own: Ground, garden: Repository, line: str) -> int:
    """Have it recorded that such a line was refused, as the service records it."""
    own.play.stop()
    settings = load(own.play.environment("owner"))
    draft = Draft(Kind.REQUEST_REFUSED, SERVICE, garden.name, "push", {"code": "x", "message": "y"}, {"lines": line})
    with opening.ledger(settings, opening.origin_of(settings)) as ledger:
        return ledger.run(lambda tx: tx.append(draft)).seq


class TestPruning:
    def test_what_is_still_under_way_keeps_its_entry(self, own: Ground, garden: Repository, tmp_path: Path) -> None:
        own.play.stop()
        settings = load(own.play.environment("owner"))
        refused = Draft(Kind.REQUEST_REFUSED, SERVICE, garden.name, "push", {"code": "x", "message": "y"})
        line = ["0" * 40, "1" * 40, "refs/heads/on-its-way"]
        data = {"allowed": True, "code": "", "enforced": True, "handle": "1-1", "refs": [line], "verdicts": []}
        effects = {"reserve": [line], "spend": [], "opens": [], "landed": [], "abandoned": []}
        decided = Draft(Kind.PUSH_DECIDED, SERVICE, garden.name, line[2], {**data, **effects})
        with opening.ledger(settings, opening.origin_of(settings)) as ledger:
            seq = ledger.run(lambda tx: tx.append(decided)).seq
            for _ in range(300):
                ledger.submit(lambda tx: tx.append(refused))
        out = str(tmp_path / "archive")
        assert own.twinseal("ledger", "export", out).returncode == 0
        done = own.twinseal("ledger", "prune", "--below", "256", "--archive", out, "--yes", "--json")
        assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (1, "prune.under_way")
        assert f"entry {seq}" in done.stdout

    def test_old_entries_go_and_every_proof_stays(self, own: Ground, garden: Repository, tmp_path: Path) -> None:
        own.play.stop()
        settings = load(own.play.environment("owner"))
        draft = Draft(Kind.REQUEST_REFUSED, SERVICE, garden.name, "push", {"code": "x", "message": "y" * 99})
        with opening.ledger(settings, opening.origin_of(settings)) as ledger:
            for _ in range(600):
                ledger.submit(lambda tx: tx.append(draft))
        before = own.twinseal("ledger", "prove", "555").stdout
        out = str(tmp_path / "archive")
        prune = ("ledger", "prune", "--below", "512", "--archive", out, "--yes")
        assert own.twinseal(*prune).returncode != 0
        assert own.twinseal("ledger", "export", out).returncode == 0
        done = own.twinseal(*prune)
        assert done.returncode == 0, done.stdout + done.stderr

        (tmp_path / "p").write_text(before)
        assert verified(own)["exit"] == 0, verified(own)
        assert verify.main([str(tmp_path / "p")]) == 2  # Whose key that is, a proof cannot say.
        assert verify.main([str(tmp_path / "p"), "--key", _first_key(own)]) == 0
        assert own.twinseal("ledger", "show", "300").returncode == 1
        assert own.twinseal("ledger", "show", "555").returncode == 0
        done = own.twinseal("ledger", "rebuild", "--check")
        assert done.returncode != 0
        assert "--archive" in done.stdout + done.stderr
        assert own.twinseal("ledger", "rebuild", "--check", "--archive", out).returncode == 0
        own.play.start()
        assert pushes(own, garden).landed
        assert MAIN in garden.refs()
