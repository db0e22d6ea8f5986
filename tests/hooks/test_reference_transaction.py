"""Refs move as reserved, whoever moves them and however."""

import os
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from hooks.stub import GIT, ZEROS, Governed, git, history
from playing import until

MAIN, SIDE = "refs/heads/main", "refs/heads/side"


@pytest.fixture
def repository(tmp_path: Path) -> Governed:
    return Governed(tmp_path)


@pytest.fixture
def names(repository: Governed) -> list[str]:
    """Three commits, all present; main and side are at the first."""
    made = history(repository.work, ({"a": "1\n"}, []), ({"a": "2\n"}, [0]), ({"a": "3\n"}, [1]))
    repository.set("refs/keep", made[2])
    for ref in (MAIN, SIDE):
        repository.set(ref, made[0])
    return made


def run_hook(
    repository: Governed, state: str, lines: str, *, shell: str = "/bin/sh", **extra: str
) -> subprocess.CompletedProcess[str]:
    hook = repository.bare / "hooks" / "reference-transaction"
    command = [shell, str(hook), *([state] if state else [])]
    return subprocess.run(command, input=lines, env=extra, capture_output=True, text=True, check=False)


def update(repository: Governed, *arguments: str, reservation: str = "test") -> str:
    return git(repository.bare, *arguments, check=False, TWINSEAL_RESERVATION=reservation)


def test_what_is_reserved_moves_and_is_noted(repository: Governed, names: list[str]) -> None:
    lines = [f"{names[0]} {names[1]} {MAIN}", f"{ZEROS} {names[1]} refs/heads/new", f"{names[0]} {ZEROS} {SIDE}"]
    repository.reserve(*lines)
    for line in lines:
        old, new, ref = line.split(" ")
        words = ["update-ref", ref, new, old] if new != ZEROS else ["update-ref", "-d", ref, old]
        assert update(repository, *words) == ""
    assert repository.refs() == {MAIN: names[1], "refs/heads/new": names[1], "refs/keep": names[2]}
    assert (repository.home / "applied").read_text() == "".join(f"test {line}\n" for line in lines)


@pytest.mark.parametrize(
    "words",
    [
        pytest.param("update-ref refs/heads/main {1} {0}", id="move"),
        pytest.param("update-ref refs/heads/main {1}", id="move without an old value"),
        pytest.param("update-ref refs/heads/new {1}", id="create"),
        pytest.param("update-ref -d refs/heads/side {0}", id="delete"),
        pytest.param("update-ref -d refs/heads/side", id="delete without an old value"),
        pytest.param("update-ref HEAD {1}", id="move through HEAD"),
        pytest.param("update-ref --no-deref HEAD {1}", id="detach HEAD"),
        pytest.param("update-ref --no-deref -d HEAD", id="destroy HEAD"),
        pytest.param("update-ref refs/replace/{1} {2}", id="replace"),
        pytest.param("branch -f side {1}", id="branch -f"),
        pytest.param("branch -D side", id="branch -D"),
        pytest.param("branch new {1}", id="branch"),
        pytest.param("tag v1 {1}", id="tag"),
        pytest.param("fetch . {1}:refs/heads/new", id="fetch"),
    ],
)
@pytest.mark.parametrize("packed", [False, True], ids=["loose", "packed"])
def test_what_is_not_reserved_does_not_move(
    repository: Governed,
    names: list[str],
    words: str,
    packed: bool,  # noqa: FBT001 - a column
) -> None:
    if packed:
        git(repository.bare, "-c", "core.hooksPath=/dev/null", "pack-refs", "--all")
    before = repository.refs()
    repository.reserve(f"{names[0]} {names[2]} {MAIN}", f"{ZEROS} {names[2]} refs/heads/new")
    said = update(repository, *words.format(*names).split(" "))
    assert "twinseal: refused" in said
    assert repository.refs() == before
    assert (repository.bare / "HEAD").read_text() == f"ref: {MAIN}\n"
    assert not (repository.home / "applied").exists()


def test_packing_refs_needs_a_reservation_too(repository: Governed, names: list[str]) -> None:
    assert "refused" in update(repository, "pack-refs", "--all")
    assert not (repository.bare / "packed-refs").exists()
    at = repository.refs()
    repository.reserve(
        *[line for ref, name in at.items() for line in (f"{ZEROS} {name} {ref}", f"{name} {ZEROS} {ref}")]
    )
    assert update(repository, "pack-refs", "--all") == ""
    assert repository.refs() == at


@pytest.mark.parametrize("packed", [False, True], ids=["loose", "packed"])
def test_a_reserved_deletion_is_one_however_it_is_announced(
    repository: Governed,
    names: list[str],
    packed: bool,  # noqa: FBT001 - a column
) -> None:
    if packed:
        git(repository.bare, "-c", "core.hooksPath=/dev/null", "pack-refs", "--all")
    repository.reserve(f"{names[0]} {ZEROS} {SIDE}")
    assert "refused" in update(repository, "update-ref", "-d", MAIN)
    assert update(repository, "update-ref", "-d", SIDE) == ""
    assert repository.refs() == {MAIN: names[0], "refs/keep": names[2]}


def test_moving_the_branch_under_head_brings_head_along(repository: Governed, names: list[str]) -> None:
    repository.reserve(f"{names[0]} {names[1]} {MAIN}")
    assert update(repository, "update-ref", MAIN, names[1], names[0]) == ""
    assert repository.refs()[MAIN] == names[1]


@pytest.mark.parametrize("reservation", ["", "gone", "../reservations/test", "/etc/passwd", ".test", "te*t", "test\n"])
def test_only_a_file_of_that_name_is_a_reservation(repository: Governed, names: list[str], reservation: str) -> None:
    line = f"{names[0]} {names[1]} {MAIN}"
    repository.reserve(line)
    (repository.home / "reservations" / ".test").write_text(f"{line}\n")
    assert "refused" in update(repository, "update-ref", MAIN, names[1], names[0], reservation=reservation)
    full = str(repository.home / "reservations" / "test")
    assert update(repository, "update-ref", MAIN, names[1], names[0], reservation=full) == ""


def test_a_reservation_is_for_the_process_that_made_it(repository: Governed, names: list[str]) -> None:
    line = f"{names[0]} {names[1]} {MAIN}"
    start = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
    repository.reserve(line, name=f"{os.getpid()}-{int(start) - 1}")
    assert run_hook(repository, "prepared", f"{line}\n").returncode == 1  # Our number, but an earlier holder of it.
    repository.reserve(line, name=f"{os.getpid()}-{start}")
    assert run_hook(repository, "prepared", f"{line}\n").returncode == 0


def test_a_process_with_a_misleading_name_is_still_found(
    repository: Governed, names: list[str], tmp_path: Path
) -> None:
    line = f"{names[0]} {names[1]} {MAIN}"
    program = tmp_path / "a) S 1 (b"
    hook = repository.bare / "hooks" / "reference-transaction"
    # The shell writes the reservation in its own name, and then runs the hook.
    program.write_text(
        f"#!/bin/sh\nread -r stat </proc/$$/stat\nset -- ${{stat##*)}}\nshift 19\n"
        f"echo '{line}' >'{repository.home}/reservations/'$$-$1\necho '{line}' | '{hook}' prepared\nexit $?\n"
    )
    program.chmod(0o755)
    assert subprocess.run([program], check=False, env={}).returncode == 0
    (reservation,) = (repository.home / "reservations").iterdir()
    assert reservation.name.startswith(tuple("123456789"))


@pytest.mark.parametrize("beside", [False, True], ids=["in the repository", "beside the socket"])
def test_a_reservation_that_was_revoked_moves_nothing_and_another_does(
    repository: Governed,
    names: list[str],
    tmp_path: Path,
    beside: bool,  # noqa: FBT001 - a column
) -> None:
    line = f"{names[0]} {names[1]} {MAIN}"
    repository.reserve(line)
    (repository.home / "revoked").mkdir()
    with (repository.home / "conf").open("a") as conf:
        conf.write(f"marker {tmp_path}/marker\n")
    mark = tmp_path / "marker.test" if beside else repository.home / "revoked" / "test"
    mark.touch()
    said = update(repository, "update-ref", MAIN, names[1], names[0])
    assert "a freeze or a veto has come since" in said
    assert repository.refs()[MAIN] == names[0]

    mark.rename(mark.with_name("marker.other" if beside else "other"))
    assert update(repository, "update-ref", MAIN, names[1], names[0]) == ""


def test_a_frozen_repository_moves_nothing_and_says_why(repository: Governed, names: list[str]) -> None:
    repository.reserve(f"{names[0]} {names[1]} {MAIN}")
    (repository.home / "frozen").write_text("drift on refs/heads/side\nmore\n")
    said = update(repository, "update-ref", MAIN, names[1], names[0])
    assert "this repository is frozen: drift on refs/heads/side" in said
    (repository.home / "frozen").write_text("")
    assert "this repository is frozen" in update(repository, "update-ref", MAIN, names[1], names[0])
    assert repository.refs()[MAIN] == names[0]
    (repository.home / "frozen").unlink()
    assert update(repository, "update-ref", MAIN, names[1], names[0]) == ""


A, B = "a" * 40, "b" * 40
SHELLS = [shell for shell in ("/bin/dash", "/bin/bash", "/bin/busybox") if Path(shell).exists()]


@pytest.mark.parametrize("shell", [shell for shell in SHELLS if "busybox" not in shell])
@pytest.mark.parametrize(
    ("state", "lines", "code"),
    [
        pytest.param("prepared", f"{A} {B} {MAIN}\n", 0, id="reserved"),
        pytest.param("prepared", f"{A} {B} {MAIN}", 0, id="reserved, no line end"),
        pytest.param("prepared", "", 0, id="nothing moves"),
        pytest.param("prepared", f"{A} {B} {MAIN}\n{A} {B} HEAD\n", 0, id="with HEAD"),
        pytest.param("prepared", f"{A} {B} HEAD\n{A} {B} {MAIN}\n", 0, id="HEAD first"),
        pytest.param("prepared", f"{A} {B} HEAD\n", 1, id="HEAD alone"),
        pytest.param("prepared", f"{A} {B} {MAIN}\n{B} {A} HEAD\n", 1, id="HEAD elsewhere"),
        pytest.param("prepared", f"{A} {B} {MAIN}\n{A} {ZEROS} HEAD\n", 1, id="HEAD deleted"),
        pytest.param("prepared", f"{ZEROS} {B} {MAIN}\n", 1, id="another old value"),
        pytest.param("prepared", f"{A} {A} {MAIN}\n", 1, id="another new value"),
        pytest.param("prepared", f"{A} {B} {MAIN}2\n", 1, id="a longer name"),
        pytest.param("prepared", f"{A} {B} refs/heads/mai\n", 1, id="a shorter name"),
        pytest.param("prepared", f"{A} {B} refs/heads/*\n", 1, id="a pattern"),
        pytest.param("prepared", f"{A} {B} {MAIN}\n{A} {B} {SIDE}\n", 1, id="one more"),
        pytest.param("prepared", f"{ZEROS} {ZEROS} {MAIN}\n", 1, id="a deletion in disguise"),
        pytest.param("prepared", f"{ZEROS} {ZEROS} refs/heads/gone\n", 0, id="the same, reserved"),
        pytest.param("prepared", f"{ZEROS} {ZEROS} heads/gone\n", 1, id="the end of a reserved name"),
        pytest.param("prepared", f"{A} {B} {MAIN} x\n", 1, id="four words"),
        pytest.param("prepared", f"{B} {MAIN}\n", 1, id="two words"),
        pytest.param("prepared", f"{MAIN}\n", 1, id="one word"),
        pytest.param("prepared", "\n", 1, id="an empty line"),
        pytest.param("prepared", f"pin {B} refs/changes/1/1\n", 1, id="a pin's own line"),
        pytest.param("prepared", f"{A} ref:{SIDE} HEAD\n", 1, id="HEAD turned to another branch"),
        pytest.param("prepared", f"ref:{MAIN} ref:{SIDE} refs/heads/alias\n", 1, id="a symbolic ref"),
        pytest.param("prepared", f"{A} {B} ORIG_HEAD\n", 1, id="outside refs"),
        pytest.param("prepared", f"{A} {B} main-worktree/HEAD\n", 1, id="another HEAD"),
        pytest.param("preparing", f"{A} {A} {MAIN}\n", 0, id="preparing"),
        pytest.param("aborted", f"{A} {A} {MAIN}\n", 0, id="aborted"),
        pytest.param("finished", f"{A} {B} {MAIN}\n", 1, id="a state nobody knows"),
        pytest.param("", f"{A} {B} {MAIN}\n", 1, id="no state"),
    ],
)
def test_lines(repository: Governed, shell: str, state: str, lines: str, code: int) -> None:
    repository.reserve(f"{A} {B} {MAIN}", f"{A} {ZEROS} refs/heads/gone", f"pin {B} refs/changes/1/1")
    done = run_hook(repository, state, lines, shell=shell, TWINSEAL_RESERVATION="test")
    assert done.returncode == code, done.stderr
    assert ("twinseal: refused" in done.stderr) == (code == 1)


def test_a_note_that_cannot_be_written_fails_nothing(repository: Governed, names: list[str]) -> None:
    repository.reserve(f"{names[0]} {names[1]} {MAIN}")
    (repository.home / "applied").mkdir()
    assert update(repository, "update-ref", MAIN, names[1], names[0]) == ""
    assert repository.refs()[MAIN] == names[1]


def test_a_move_nobody_reserved_is_noted_as_such_should_one_ever_happen(repository: Governed) -> None:
    assert run_hook(repository, "committed", f"{A} {B} {MAIN}\n{A} {B} HEAD\n{ZEROS} {ZEROS} {MAIN}\n").returncode == 0
    assert (repository.home / "applied").read_text().endswith(f" {A} {B} {MAIN}\n")
    assert len((repository.home / "applied").read_text().splitlines()) == 1


def test_no_program_is_run_on_the_way(repository: Governed, names: list[str], tmp_path: Path) -> None:
    line = f"{names[0]} {names[1]} {MAIN}\n"
    repository.reserve(line.strip())
    for state in ("prepared", "committed"):
        done = run_hook(repository, state, line, PATH="/nonexistent", TWINSEAL_RESERVATION="test")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def at_work(repository: Governed) -> bool:
    """Whether a process of the background is there."""
    mine = f"GIT_DIR={repository.bare}\0".encode()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mine in (process / "environ").read_bytes():
                return True
    return False


class TestPins:
    """What the answer asks to be pinned is pinned after the push."""

    @staticmethod
    def answer(repository: Governed, *pins: str) -> str:
        def decide(hello: dict[str, list[str]], facts: object) -> str:
            lines = [f"reserve {line}" for line in hello["lines"]] + [f"pin {pin}" for pin in pins]
            return "answer 0\n" + "".join(f"{line}\n" for line in lines) + "text\n"

        with repository.service(decide=decide):
            new = git(repository.work, "rev-parse", "refs/heads/made-2")
            return repository.push(f"{new}:{MAIN}").stderr

    def test_pins_appear_beside_the_push_and_say_nothing(self, repository: Governed, names: list[str]) -> None:
        pins = [f"{names[1]} refs/changes/1/1", f"{names[0]} refs/changes/1/0"]
        assert "twinseal" not in self.answer(repository, *pins)
        until(lambda: len((repository.home / "applied").read_text().splitlines()) == 3, "the pins, in the background")
        refs = repository.refs()
        assert (refs["refs/changes/1/1"], refs["refs/changes/1/0"], refs[MAIN]) == (names[1], names[0], names[1])

    def test_a_pin_that_is_taken_moves_nothing(self, repository: Governed, names: list[str]) -> None:
        repository.set("refs/changes/1/1", names[0])
        self.answer(repository, f"{names[1]} refs/changes/1/1", f"{names[1]} refs/changes/1/2")
        until(lambda: not at_work(repository), "git has tried")
        assert "refs/changes/1/2" not in repository.refs(), "all pins or none; the reconciler will try again"
        assert repository.refs()["refs/changes/1/1"] == names[0]
        assert repository.refs()[MAIN] == names[1]

    def test_it_says_nothing_whether_or_not_git_can_be_run(self, repository: Governed, names: list[str]) -> None:
        start = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
        hook = [str(repository.bare / "hooks" / "post-receive")]
        (repository.home / "conf").write_text("git /nowhere/git\n")
        for lines in ([], [f"{A} {B} {MAIN}"], [f"pin {B} refs/changes/1/1"]):
            repository.reserve(*lines, name=f"{os.getpid()}-{start}")
            done = subprocess.run(hook, input="", env={"PATH": "/x"}, capture_output=True, text=True, check=False)
            assert (done.returncode, done.stderr) == (0, "")


def test_the_hooks_are_plain_posix_shell() -> None:
    for shell in SHELLS:
        for name in ("reference-transaction", "post-receive"):
            path = Path(__file__).parents[2] / "hooks" / name
            words = [shell, *(["sh"] if "busybox" in shell else []), "-n", str(path)]
            assert subprocess.run(words, capture_output=True, check=False).stderr == b""
    assert GIT
