"""Real pushes over the file transport: what goes in, what does not, and what the pusher reads."""

import compileall
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from hooks.stub import ENVIRONMENT, HOOKS, ZEROS, Governed, allow, git, history, judge_all, refuse, send

MAIN = "refs/heads/main"


@pytest.fixture
def repository(tmp_path: Path) -> Governed:
    return Governed(tmp_path)


@pytest.fixture
def names(repository: Governed) -> list[str]:
    """A root, two commits that follow it, and a history of its own."""
    return history(repository.work, ({"a": "1\n"}, []), ({"a": "2\n"}, [0]), ({"a": "3\n"}, [1]), ({"b": "4\n"}, []))


def run_hook(repository: Governed, lines: bytes, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run pre-receive as git would, but with lines of our own."""
    done = subprocess.run(
        [repository.bare / "hooks" / "pre-receive"],
        cwd=repository.bare,
        env=ENVIRONMENT | {"GIT_DIR": "."} | extra,
        input=lines,
        capture_output=True,
        check=False,
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


class TestAllowed:
    """What goes in."""

    def test_a_push_lands_and_leaves_its_reservation_and_a_note(self, repository: Governed, names: list[str]) -> None:
        with repository.service() as service:
            done = repository.push(f"{names[0]}:{MAIN}")
            assert done.returncode == 0, done.stderr
            assert "remote: allowed" in done.stderr
        line = f"{ZEROS} {names[0]} {MAIN}"
        reservation = f"{service.hello['pid']}-{service.hello['start']}"
        assert repository.refs() == {MAIN: names[0]}
        assert (repository.home / "reservations" / reservation).read_text() == f"{line}\n"
        assert (repository.home / "applied").read_text() == f"{reservation} {line}\n"
        assert [path.name for path in (repository.home / "reservations").iterdir()] == [reservation]

    def test_the_facts_are_those_of_objects_still_in_quarantine(self, repository: Governed, names: list[str]) -> None:
        repository.set(MAIN, names[0])
        with repository.service() as service:
            assert repository.push(f"{names[2]}:{MAIN}").returncode == 0
        (record,) = service.facts["refs"]
        assert service.facts["actual"] == {MAIN: [names[0], ""]}
        assert (record["old"], record["fast_forward"], record["commits"]) == (names[0], True, [names[2], names[1]])
        assert [change[6] for change in record["net"]] == [2]

    def test_a_merge_in_quarantine_leaves_nothing_behind(self, repository: Governed) -> None:
        files = [{"a": "1"}, {"a": "2"}, {"a": "1", "b": "1"}, {"a": "2", "b": "1", "evil": "1"}]
        names = history(repository.work, (files[0], []), (files[1], [0]), (files[2], [0]), (files[3], [1, 2]))
        with repository.service() as service:
            assert repository.push(f"{names[3]}:{MAIN}").returncode == 0
        record = service.facts["commits"][names[3]]
        assert ([change[0] for change in record["changes"]], record["measured"]) == (["evil"], True)
        sent = set(git(repository.work, "rev-list", "--objects", "--no-object-names", names[3]).split())
        batch = "--batch-all-objects", "--batch-check=%(objectname)"
        assert set(git(repository.bare, "cat-file", *batch).split()) == sent
        assert not list((repository.bare / "objects").glob("*twinseal*"))

    def test_several_refs_of_every_kind_at_once(self, repository: Governed, names: list[str]) -> None:
        repository.set("refs/heads/gone", names[0])
        repository.set("refs/heads/forced", names[2])
        git(repository.work, "tag", "-a", "-m", "t", "v1", names[1])
        pushed = [f"{names[1]}:{MAIN}", ":refs/heads/gone", f"+{names[3]}:refs/heads/forced", "refs/tags/v1"]
        with repository.service() as service:
            done = repository.push(*pushed)
            assert done.returncode == 0, done.stderr
        assert repository.refs().keys() == {MAIN, "refs/heads/forced", "refs/tags/v1"}
        types = {record["ref"]: record["type"] for record in service.facts["refs"]}
        assert types == {
            MAIN: "commit",
            "refs/heads/gone": "none",
            "refs/heads/forced": "commit",
            "refs/tags/v1": "tag",
        }

    def test_packed_refs_can_be_deleted_when_that_is_allowed(self, repository: Governed, names: list[str]) -> None:
        repository.set("refs/heads/gone", names[0])
        git(repository.bare, "-c", "core.hooksPath=/dev/null", "pack-refs", "--all")
        with repository.service():
            assert repository.push(":refs/heads/gone").returncode == 0
        assert repository.refs() == {}
        assert (repository.home / "applied").read_text().split(" ", 1)[1] == f"{names[0]} {ZEROS} refs/heads/gone\n"

    def test_what_the_service_says_meanwhile_and_afterwards_is_shown_but_cannot_steer_a_terminal(
        self, repository: Governed, names: list[str]
    ) -> None:
        def talk(connection: socket.socket) -> None:
            send(connection, "say\nchecking \x1b[31mred\r\x9b\n")
            send(connection, "say\nstill \u202echecking\n")
            send(connection, f"answer 0\nreserve {ZEROS} {names[0]} {MAIN}\ntext\nfine \u2713\n  caf\u00e9\n")

        with repository.service(misbehave=talk):
            done = repository.push(f"{names[0]}:{MAIN}")
        said = [line.removeprefix("remote: ").rstrip() for line in done.stderr.splitlines() if "remote" in line]
        assert said == [
            "checking \\x1b[31mred\\x0d\\x9b",
            "still \\u202echecking",
            "fine \u2713",
            "  caf\u00e9",
        ]

    def test_options_and_session_are_passed_on_as_claims(self, repository: Governed, names: list[str]) -> None:
        with repository.service() as service:
            repository.push(f"{names[0]}:{MAIN}", options=["change=7", "x=\u00e9"], TWINSEAL_SESSION="s-1")
        assert service.hello["options"] == ["change=7", "x=\u00e9".encode().decode("latin-1")]
        assert service.hello["session"] == "s-1"
        assert service.hello["repository"] == "demo"
        assert service.hello["lines"] == [f"{ZEROS} {names[0]} {MAIN}"]

    def test_a_ref_name_of_any_bytes_reaches_the_service_and_lands(
        self, repository: Governed, names: list[str]
    ) -> None:
        ref = "refs/heads/\u00c5\u0142"
        with repository.service():
            done = repository.push(f"{names[0]}:{ref}")
            assert done.returncode == 0, done.stderr
        assert repository.refs() == {ref: names[0]}


class TestRefused:
    """What does not go in."""

    def test_a_no_is_a_no(self, repository: Governed, names: list[str]) -> None:
        with repository.service(decide=refuse):
            done = repository.push(f"{names[0]}:{MAIN}")
        assert done.returncode == 1
        assert "refused (test.no)" in done.stderr
        assert repository.refs() == {}
        assert not list((repository.home / "reservations").iterdir())

    def test_a_no_before_anything_is_gathered_is_a_no(self, repository: Governed, names: list[str]) -> None:
        with repository.service(plan=refuse) as service:
            done = repository.push(f"{names[0]}:{MAIN}")
        assert (done.returncode, repository.refs(), len(service.heard)) == (1, {}, 1)

    def test_a_yes_that_reserves_nothing_moves_nothing(self, repository: Governed, names: list[str]) -> None:
        with repository.service(decide=lambda hello, facts: "answer 0\ntext\n"):
            done = repository.push(f"{names[0]}:{MAIN}")
        assert "no push was allowed to do that" in done.stderr
        assert repository.refs() == {}

    def test_a_yes_for_one_of_two_moves_one(self, repository: Governed, names: list[str]) -> None:
        def half(hello: dict[str, list[str]], facts: object) -> str:
            return f"answer 0\nreserve {hello['lines'][0]}\ntext\n"

        with repository.service(decide=half):
            repository.push(f"{names[0]}:refs/heads/a", f"{names[0]}:refs/heads/b")
        assert repository.refs() == {"refs/heads/a": names[0]}

    def test_a_push_that_is_an_import_is_refused_by_the_hook_itself(self, repository: Governed) -> None:
        names = history(repository.work, ({"/".join(["d"] * 1030) + "/f": "x"}, []))
        with repository.service() as service:
            done = repository.push(f"{names[0]}:{MAIN}")
        assert done.returncode == 1
        assert "refused (push.too_large)" in done.stderr
        assert "nested more than 1,024 deep" in done.stderr
        assert "ask the owner of the repository to import it" in done.stderr
        assert [each["kind"] for each in service.heard] == ["hello", "refusal"]
        assert "Recorded as entry 1." in done.stderr

    def test_too_many_refs_are_refused_without_asking(self, repository: Governed, names: list[str]) -> None:
        with repository.service() as service:
            done = repository.push(*[f"{names[0]}:refs/heads/b{number}" for number in range(101)])
            assert repository.push(*[f"{names[0]}:refs/heads/b{number}" for number in range(100)]).returncode == 0
        assert "refused (push.too_many_refs)" in done.stderr
        assert [each["kind"] for each in service.heard] == ["refusal", "hello", "facts"]
        assert len(repository.refs()) == 100

    @pytest.mark.parametrize(
        ("lines", "code"),
        [
            (b"", "push.malformed_lines"),
            (b"x\n", "push.malformed_lines"),
            (b"%b %b refs/heads/x" % (b"0" * 40, b"a" * 40), "push.malformed_lines"),
            (b"%b %b refs/heads/x\n\n" % (b"0" * 40, b"a" * 40), "push.malformed_lines"),
            (b"x" * (1 << 20) + b"x", "push.too_many_refs"),
            (b"\n" * 101, "push.too_many_refs"),
        ],
    )
    def test_lines_that_cannot_be_read_are_refused_without_asking(
        self, repository: Governed, lines: bytes, code: str
    ) -> None:
        with repository.service() as service:
            done = run_hook(repository, lines)
        assert [(each["kind"], each["code"]) for each in service.heard] == [("refusal", code)]
        assert done.returncode == 1
        assert f"refused ({code})" in done.stderr
        assert "Recorded as entry 1." in done.stderr

    def test_what_the_hook_refuses_is_refused_also_where_nobody_writes_it_down(self, repository: Governed) -> None:
        done = run_hook(repository, b"x\n")
        assert done.returncode == 1
        assert "refused (push.malformed_lines)" in done.stderr
        assert "Recorded" not in done.stderr


class TestLiars:
    """A client that speaks the protocol itself and says what it likes."""

    def test_a_wrong_old_value_reaches_the_service_beside_the_real_one(
        self, repository: Governed, names: list[str]
    ) -> None:
        repository.set(MAIN, names[0])
        with repository.service() as service:
            said = repository.receive_pack(f"{names[1]} {names[2]} {MAIN}", pack=names[2])
        assert service.hello["lines"] == [f"{names[1]} {names[2]} {MAIN}"]
        assert service.facts["actual"] == {MAIN: [names[0], ""]}
        assert "ng refs/heads/main" in said
        assert repository.refs() == {MAIN: names[0]}

    @pytest.mark.parametrize("old", [ZEROS, "d" * 40], ids=["0 to 0", "an old value nobody has"])
    def test_a_disguised_deletion_is_stopped_by_the_transaction_hook_even_if_the_service_were_fooled(
        self, repository: Governed, names: list[str], old: str
    ) -> None:
        repository.set("refs/heads/side", names[0])

        def fooled(hello: dict[str, list[str]], facts: object) -> str:
            return "answer 0\ntext\n"

        with repository.service(decide=fooled) as service:
            said = repository.receive_pack(f"{old} {ZEROS} refs/heads/side")
        assert service.facts["actual"] == {"refs/heads/side": [names[0], ""]}
        assert service.facts["refs"][0]["type"] == "none"
        assert "no push was allowed to do that" in said
        assert repository.refs() == {"refs/heads/side": names[0]}

    def test_a_ref_name_that_poses_as_two_lines_is_refused(self, repository: Governed, names: list[str]) -> None:
        repository.set(MAIN, names[0])
        posing = f"{ZEROS} {names[0]} refs/heads/x y"
        with repository.service() as service:
            said = repository.receive_pack(posing, pack=names[0])
        assert "push.malformed_lines" in said
        assert [each["kind"] for each in service.heard] == ["refusal"]

    def test_an_alias_of_a_branch_is_shown_to_be_one_and_does_not_move_it(
        self, repository: Governed, names: list[str]
    ) -> None:
        repository.set(MAIN, names[0])
        git(repository.bare, "symbolic-ref", "refs/heads/master", MAIN)
        with repository.service() as service:
            done = repository.push(f"{names[1]}:refs/heads/master")
        assert service.facts["actual"] == {"refs/heads/master": [names[0], MAIN]}
        assert "refs/heads/main may not move" in done.stderr
        assert repository.refs()[MAIN] == names[0]

    def test_an_alias_of_a_branch_to_be_cannot_create_it(self, repository: Governed, names: list[str]) -> None:
        git(repository.bare, "symbolic-ref", "refs/heads/master", "refs/heads/release")
        with repository.service():
            done = repository.push(f"{names[1]}:refs/heads/master")
        assert "refs/heads/release may not move" in done.stderr
        assert repository.refs() == {}


def hang_up(connection: socket.socket) -> None:
    connection.close()


def die_in_the_middle(connection: socket.socket) -> None:
    connection.sendall(b"500\nanswer 0\nreserve ")


def talk_nonsense(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")


def answer_another_question(connection: socket.socket) -> None:
    send(connection, "plan\nskip\nskip\n")


def say_yes_badly(connection: socket.socket) -> None:
    send(connection, "answer 0\nreserve everything\ntext\n")


class TestUndecided:
    """Nothing checked is not a yes."""

    @pytest.mark.parametrize(
        ("misbehave", "complaint"),
        [
            (hang_up, "hung up"),
            (die_in_the_middle, "hung up"),
            (talk_nonsense, "frame length"),
            (answer_another_question, "plan for 2 refs, expected 1"),
            (say_yes_badly, "an answer we cannot read"),
        ],
    )
    def test_a_service_that_fails_stops_the_push(
        self,
        repository: Governed,
        names: list[str],
        misbehave: Callable[[socket.socket], object],
        complaint: str,
    ) -> None:
        with repository.service(misbehave=misbehave):
            done = repository.push(f"{names[0]}:{MAIN}")
        assert "could not decide, so nothing was changed" in done.stderr
        assert complaint in done.stderr
        assert "twinseal doctor" in done.stderr
        assert "Traceback" not in done.stderr
        assert repository.refs() == {}
        assert not list((repository.home / "reservations").iterdir())

    def test_a_service_that_is_not_there_or_does_not_listen_gives_3(
        self, repository: Governed, names: list[str]
    ) -> None:
        line = f"{ZEROS} {names[0]} {MAIN}\n".encode()
        done = run_hook(repository, line)
        assert (done.returncode, "cannot be reached" in done.stderr) == (3, True)
        with socket.socket(socket.AF_UNIX) as closed:
            closed.bind(str(repository.socket))
        done = run_hook(repository, line)
        assert (done.returncode, "Connection refused" in done.stderr) == (3, True)

    def test_a_service_that_keeps_silent_gives_3(self, repository: Governed, names: list[str]) -> None:
        wire = repository.copy_package() / "wire.py"
        wire.write_text(wire.read_text().replace("WAIT = 3.0", "WAIT = 0.1"))
        with repository.service() as service:
            service.misbehave = lambda connection: service.done.wait(10)
            done = run_hook(repository, f"{ZEROS} {names[0]} {MAIN}\n".encode())
            service.done.set()
        assert (done.returncode, "did not answer within 0.1 s" in done.stderr) == (3, True)

    def test_a_service_that_dies_while_the_facts_are_judged_gives_3(
        self, repository: Governed, names: list[str]
    ) -> None:
        def die(hello: object, facts: object) -> str:
            raise EOFError

        git(repository.bare, "fetch", "-q", str(repository.work), names[0])
        with repository.service(decide=die):
            done = run_hook(repository, f"{ZEROS} {names[0]} {MAIN}\n".encode())
        assert (done.returncode, "hung up before it answered" in done.stderr) == (3, True)

    def test_a_reservation_that_cannot_be_written_gives_3(self, repository: Governed, names: list[str]) -> None:
        (repository.home / "reservations").rmdir()
        with repository.service():
            done = repository.push(f"{names[0]}:{MAIN}")
        assert "the reservation could not be written" in done.stderr
        assert repository.refs() == {}

    def test_an_object_that_is_missing_gives_3_and_is_named(self, repository: Governed) -> None:
        with repository.service(plan=lambda hello: f"plan\njudge {'d' * 40}\n"):
            names = history(repository.work, ({"a": "1"}, []))
            done = repository.push(f"{names[0]}:{MAIN}")
        assert "git rev-list failed with 128" in done.stderr
        assert "fatal" not in done.stderr  # What git itself complains about is not for the pusher's terminal.
        assert repository.refs() == {}

    @pytest.mark.parametrize(
        ("conf", "complaint"),
        [
            (None, "settings cannot be read"),
            ("repository demo\nsocket\n", "settings cannot be read"),
            ("repository demo\nsocket s\n", "lack git"),
            ("repository demo\nsocket LISTENING\ngit /nowhere/git\n", "git cannot be started at /nowhere/git"),
            ("repository demo\nsocket /nowhere\ngit bin/git\n", "expected an absolute path"),
            ("repository demo\nsocket /nowhere\ngit /bin/false\n", "cannot be reached at /nowhere"),
            (f"repository demo\nsocket /{'x' * 200}\ngit /bin/true\n", "too long"),
        ],
    )
    def test_settings_that_do_not_fit_give_3(self, repository: Governed, conf: str | None, complaint: str) -> None:
        (repository.home / "conf").unlink()
        listening = repository.home / "listening"
        if conf is not None:
            (repository.home / "conf").write_text(conf.replace("LISTENING", str(listening)))
        with closing(socket.socket(socket.AF_UNIX)) as listener:
            listener.bind(str(listening))
            listener.listen()
            done = run_hook(repository, f"{ZEROS} {'a' * 40} {MAIN}\n".encode())
        assert (done.returncode, complaint in done.stderr) == (3, True), done.stderr

    def test_a_hook_shared_by_another_repository_gives_3(self, repository: Governed) -> None:
        done = run_hook(repository, b"", GIT_DIR=str(repository.work))
        assert (done.returncode, "the push goes elsewhere" in done.stderr) == (3, True)

    def test_whatever_breaks_in_the_hook_gives_3_and_no_traceback(self, repository: Governed) -> None:
        package = repository.home / "hook" / "twinseal_hook"
        package.unlink()
        missing = run_hook(repository, b"")
        package.mkdir()
        (package / "__init__.py").touch()
        for code in (
            "def main(home): return None",
            "def main(home): raise SystemExit(0)",
            "1 / 0",
            "x = '\\x1b[2J' 'é' +",
        ):
            (package / "receive.py").write_text(code)
            done = run_hook(repository, b"")
            assert (done.returncode, "Traceback" in done.stderr, "\x1b" in done.stderr) == (3, False, False), code
        assert missing.returncode == 3
        assert "ModuleNotFoundError" in missing.stderr


class TestSurroundings:
    """What the hook takes from outside, and what it costs."""

    def test_no_configuration_or_replacement_of_the_pusher_changes_what_is_seen(
        self, repository: Governed, names: list[str], tmp_path: Path
    ) -> None:
        evil = {"GIT_REPLACE_REF_BASE": "refs/heads/", "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.bare"}
        evil |= {"GIT_CONFIG_VALUE_0": "nonsense", "GIT_TRACE": str(tmp_path / "trace"), "GIT_NAMESPACE": "x"}
        git(repository.bare, "fetch", "-q", str(repository.work), names[0])
        with repository.service() as service:
            done = run_hook(repository, f"{ZEROS} {names[0]} {MAIN}\n".encode(), **evil)
        assert done.returncode == 0, done.stderr
        assert service.facts["refs"][0]["commits"] == [names[0]]
        assert not (tmp_path / "trace").exists()

    def test_everything_imported_is_cheap(self) -> None:
        code = f"import sys; sys.path.insert(0, {str(HOOKS)!r})\nimport twinseal_hook.receive, twinseal_hook.gather"
        listed = subprocess.run(
            [sys.executable, "-ISB", "-c", f"{code}\nprint(*sys.modules)"], capture_output=True, text=True, check=True
        ).stdout.split()
        dear = {"os", "re", "json", "socket", "select", "selectors", "subprocess", "typing", "enum", "dataclasses"}
        assert dear.isdisjoint(listed)
        assert {name for name in listed if "." not in name and not name.startswith("_")} <= {
            *("abc", "builtins", "codecs", "encodings", "io", "marshal", "posix", "sys", "time", "zipimport"),
            "twinseal_hook",
        }

    def test_the_hook_leaves_no_process_and_no_file_behind(self, repository: Governed, names: list[str]) -> None:
        before = set(repository.home.rglob("*"))
        command = [repository.bare / "hooks" / "pre-receive"]
        lines = repository.root / "lines"
        lines.write_text(f"{ZEROS} {names[0]} {MAIN}\n")
        with (
            lines.open() as stdin,
            (repository.root / "said").open("wb") as said,
            subprocess.Popen(
                command, stdin=stdin, stderr=said, cwd=repository.bare, env=ENVIRONMENT, process_group=0
            ) as hook,
        ):
            assert hook.wait() == 3
        assert "cannot be reached" in (repository.root / "said").read_text()
        with pytest.raises(ProcessLookupError):
            os.killpg(hook.pid, 0)  # Asks whether anyone of the group is left.
        assert set(repository.home.rglob("*")) == before

    def test_a_copy_with_compiled_modules_works_as_well(self, repository: Governed, names: list[str]) -> None:
        compileall.compile_dir(repository.copy_package(), quiet=1)
        with repository.service(plan=judge_all, decide=allow):
            assert repository.push(f"{names[0]}:{MAIN}").returncode == 0
