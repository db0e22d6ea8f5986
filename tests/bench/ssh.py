"""What one push pays over SSH: through the recipe's sshd and forced command, against a sibling with an empty hook."""

from __future__ import annotations

import contextlib
import getpass
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.history import line
from tests.bench.sizes import Sizes
from tests.bench.table import Figure, Reach, by_turns, progress, timed
from tests.bench.world import AGENT, EMPTY_HOOK, MAIN, SECOND, World, _free_port, _only_hook

SHELL = Path(__file__).parents[2] / "deploy" / "twinseal-git-shell"
SSHD = shutil.which("sshd", path="/usr/sbin:/usr/bin:/sbin:/bin")
PATIENCE_S = 20
SETTINGS = """Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/authorized
PidFile none
UsePAM no
StrictModes no
PermitRootLogin prohibit-password
"""


def measure(world: World, sizes: Sizes) -> list[Figure]:
    """Push a line of small signed commits over SSH, in turns to both."""
    if SSHD is None:
        progress("push.ssh.1 is left out: there is no sshd here")
        return []
    folder = world.folder / "ssh"
    folder.mkdir()
    with _sshd(folder, world.folder) as port:
        address = f"ssh://{getpass.getuser()}@127.0.0.1:{port}{world.folder}"
        governed, sibling = f"{address}/ssh-governed.git", f"{address}/ssh-sibling.git"
        _begin(world, governed, sibling)
        commits = line(world.work, world.key, sizes.rounds, name="ssh", base=world.base)
        progress(f"push: {sizes.rounds} pushes over SSH")

        def one(where: str, number: int) -> float:
            return timed(lambda: world.push(where, commits[number], MAIN)) * 1000

        ours, other = by_turns(sizes.rounds, lambda number: one(governed, number), lambda number: one(sibling, number))
    return [
        Figure(
            id="push.ssh.1", ours=ours, other=other, unit="ms", n=sizes.rounds,
            other_name="the same push through the same sshd and forced command, where the only hook is an empty script",
            reach=Reach("ours/other", 1.15),
            note=f"Adds {ours - other:.1f} ms; most of a push over SSH is its handshake",
        )
    ]  # fmt: skip


def _begin(world: World, governed: str, sibling: str) -> None:
    """Govern two repositories by host ssh, put the base on main of both, and empty one's hooks."""
    for name in ("ssh-governed", "ssh-sibling"):
        path = world._init(name)
        world.play.owner.twinseal("repo", "add", name, str(path), "--host", "ssh", "--advisory")
    _only_hook(world.folder / "ssh-sibling.git", EMPTY_HOOK)
    second = next(seat for seat in world.play.seats if seat.name == SECOND)
    world.push(governed, world.base, "refs/heads/topic/base")
    for seat in (world.play.owner, second):
        world._token(seat, "ssh-governed")
        seat.twinseal("sign-off", "1", "--approve", "--repo", "ssh-governed")
    if world.play.mistakes:
        raise AssertionError(world.play.mistakes)
    for where in (governed, sibling):
        world.push(where, world.base, MAIN)


@contextlib.contextmanager
def _sshd(folder: Path, repositories: Path) -> Iterator[int]:
    """Run sshd with the agent's key and the recipe's forced command; the work repository pushes with that key."""
    port = _free_port()
    for name in ("host", "agent"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    public = (folder / "agent.pub").read_text()
    (folder / "authorized").write_text(f'restrict,command="{SHELL} {AGENT} {repositories}" {public}')
    (folder / "settings").write_text(SETTINGS.format(port=port, folder=folder))
    if getpass.getuser() == "root":
        Path("/run/sshd").mkdir(exist_ok=True)
    options = "-o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no -o LogLevel=ERROR -o IdentitiesOnly=yes"
    command = f"ssh -F none -i {folder}/agent {options}"
    git = ["git", "-C", str(repositories / "work.git"), "config", "core.sshCommand", command]
    subprocess.run(git, check=True)
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([str(SSHD), "-D", "-e", "-f", f"{folder}/settings"], stdout=log, stderr=log)
    try:
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.05)
        yield port
    finally:
        server.terminate()
        server.wait(PATIENCE_S)
