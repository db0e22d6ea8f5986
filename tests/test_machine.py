"""What a service knows of the moves of another that runs beside it: that it runs, and whose hooks ask whom."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from governance.adapters import freeze_marks, hook_files, processes
from governance.adapters.settings import load
from governance.entrypoints.machine import world

if TYPE_CHECKING:
    from collections.abc import Iterator

LANDING = "0123456789abcdef"


@pytest.fixture
def another() -> Iterator[subprocess.Popen[bytes]]:
    """Another process, such as another replica's."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as made:
        yield made
        made.kill()


def handle_of(pid: int) -> str:
    stat = Path(f"/proc/{pid}/stat").read_text("ascii")
    return f"{pid}-{stat.rpartition(')')[2].split()[processes.START_FIELD]}"


def test_another_replica_s_landing_is_under_way_for_as_long_as_that_replica_runs(
    tmp_path: Path, another: subprocess.Popen[bytes]
) -> None:
    """Else its reservation would be released, and its file tidied away, between its decision and its move."""
    theirs = handle_of(another.pid)
    alive = world((tmp_path / "hook.sock",)).alive
    names = (f"{theirs}-{LANDING}", f"c-{theirs}", f"m-{theirs}", theirs)
    assert [alive(name) for name in names] == [True] * 4

    another.kill()
    another.wait()
    assert [alive(name) for name in names] == [False] * 4


def test_of_our_own_moves_we_know_which_are_under_way(tmp_path: Path) -> None:
    ours = "{}-{}".format(*processes.this())
    underway = {f"{ours}-{LANDING}"}
    alive = world((tmp_path / "hook.sock",), underway).alive
    assert alive(f"{ours}-{LANDING}")
    assert not alive(f"{ours}-fedcba9876543210")
    assert not alive(f"c-{ours}")
    assert not alive("no handle")


def hooked(repository: Path, socket: Path) -> None:
    (repository / "twinseal").mkdir(parents=True, exist_ok=True)
    (repository / "twinseal" / "conf").write_text(f"repository r\nsocket {socket}\n")


def test_a_repository_s_hooks_ask_one_of_the_sockets_that_the_operator_named(tmp_path: Path) -> None:
    ours, theirs, stranger = (tmp_path / name for name in ("a.sock", "b.sock", "c.sock"))
    repository = tmp_path / "r.git"
    assert hook_files.asks(repository, (ours, theirs)) == ours
    for socket, found in ((ours, ours), (theirs, theirs), (stranger, ours)):
        hooked(repository, socket)
        assert hook_files.asks(repository, (ours, theirs)) == found


def test_a_freeze_is_marked_where_the_hooks_look_whichever_replica_marks_it(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "a" / "hook.sock", tmp_path / "b" / "hook.sock"
    repository = tmp_path / "r.git"
    hooked(repository, theirs)
    (repository / "twinseal" / "frozen").mkdir()  # No marker can be written there, as in another user's repository.
    here = world((ours, theirs))
    here.mark_frozen(repository, "drift")
    assert freeze_marks.beside(theirs, repository).read_text() == "drift\n"
    assert not freeze_marks.beside(ours, repository).exists()


def test_what_is_revoked_is_marked_by_its_reservation_and_nothing_else_stays_marked(tmp_path: Path) -> None:
    socket, repository = tmp_path / "hook.sock", tmp_path / "r.git"
    hooked(repository, socket)
    here = world((socket,))
    here.revoke(repository, frozenset({"7-7", "8-8-abc"}))
    place = repository / "twinseal" / "revoked"
    assert sorted(file.name for file in place.iterdir()) == ["7-7", "8-8-abc"]
    here.revoke(repository, frozenset({"7-7"}))
    assert [file.name for file in place.iterdir()] == ["7-7"]
    here.revoke(repository, frozenset())
    assert list(place.iterdir()) == []


def test_where_nothing_can_be_written_it_is_marked_beside_the_socket(tmp_path: Path) -> None:
    socket, repository = tmp_path / "hook.sock", tmp_path / "r.git"
    hooked(repository, socket)
    (repository / "twinseal" / "revoked").touch()  # No folder can be made there, as in another user's repository.
    here = world((socket,))
    here.mark_frozen(repository, "drift")
    here.revoke(repository, frozenset({"7-7"}))
    marker = freeze_marks.beside(socket, repository)
    mark = marker.with_name(f"{marker.name}.7-7")
    assert mark.exists()
    here.revoke(repository, frozenset())
    assert not mark.exists()


def test_peers_are_sockets_with_colons_between_them() -> None:
    given = {"HOME": "/h", "TWINSEAL_SOCKET": "/run/a.sock"}
    assert [str(socket) for socket in load(given).sockets] == ["/run/a.sock"]
    many = load({**given, "TWINSEAL_PEERS": "/run/b.sock:/run/c.sock"}).sockets
    assert [str(socket) for socket in many] == ["/run/a.sock", "/run/b.sock", "/run/c.sock"]
