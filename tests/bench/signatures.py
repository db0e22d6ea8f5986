"""What it costs to verify a commit signed by SSH, beside the programs that would do it otherwise."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from governance.adapters import clock
from governance.adapters.sequoia import SequoiaVerifier
from governance.adapters.verifying import EitherVerifier
from governance.objects import parse_commit
from governance.signatures import Verified, register
from tests.bench import history
from tests.bench.sizes import Sizes
from tests.bench.table import Figure, Reach, by_turns, progress, timed
from tests.bench.world import World
from tests.keys import commit_bytes, with_signature
from tests.ssh_forge import SshKey, craft, ed

TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
COMMITS = 100
"""At most so many: git takes over a second for them."""
ENVIRONMENT = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}


def measure(world: World, sizes: Sizes) -> list[Figure]:
    """Verify the same commits by us, by ssh-keygen and by git."""
    commits = min(COMMITS, sizes.commits)
    rounds = sizes.large_rounds
    progress(f"signatures: {rounds} times {commits} commits signed by SSH")
    folder = world.folder / "signed-by-ssh.git"
    subprocess.run(["git", "init", "-q", "--bare", str(folder)], check=True, env=ENVIRONMENT)
    key = ed()
    (folder / "signers").write_text(f'ana@example.org namespaces="git" {" ".join(key.line.split()[:2])}\n')
    raws = [_signed(key, number) for number in range(commits)]
    oids = [history.write(folder, raw) for raw in raws]
    common: dict[str, Any] = {"raws": raws, "key": key, "rounds": rounds}
    return [
        _figure("verify.ssh", "ssh-keygen -Y verify, for each", lambda: _keygen(folder, raws), 15, **common),
        _figure("verify.ssh.log", "git log --format=%G?, for all", lambda: _log(folder, oids), 30, **common),
    ]


def _figure(
    id_: str, against: str, other: Callable[[], None], least: float, *, raws: list[bytes], key: SshKey, rounds: int
) -> Figure:
    ours, theirs = by_turns(rounds, lambda _: _ours(raws, key), lambda _: _each(timed(other), raws))
    return Figure(
        id=id_, ours=ours, other=theirs, other_name=against, unit="ms", n=rounds,
        reach=Reach("other/ours", least, at_least=True),
        note=f"Of each of {len(raws)} commits; ours reads the commit too",
    )  # fmt: skip


def _signed(key: SshKey, number: int) -> bytes:
    raw = commit_bytes(TREE, message=f"{number}\n")
    return with_signature(raw, craft(key, raw))


def _each(seconds: float, raws: list[bytes]) -> float:
    return seconds * 1000 / len(raws)


def _ours(raws: list[bytes], key: SshKey) -> float:
    registry, verifier = register([key.enrolled()]), EitherVerifier(SequoiaVerifier())
    at = clock.now() // 1000

    def verify() -> None:
        parsed = [parse_commit(raw) for raw in raws]
        items = [(commit.payload, commit.signature) for commit in parsed]
        assert all(isinstance(one, Verified) for one in verifier.verify_many(items, registry, at=at))

    return _each(timed(verify), raws)


def _keygen(folder: Path, raws: list[bytes]) -> None:
    command = ["ssh-keygen", "-Y", "verify", "-n", "git", "-I", "ana@example.org", "-f", str(folder / "signers")]
    file = folder / "signature"
    for raw in raws:
        commit = parse_commit(raw)
        file.write_bytes(commit.signature or b"")
        subprocess.run([*command, "-s", str(file)], input=commit.payload, check=True, capture_output=True)


def _log(folder: Path, oids: list[str]) -> None:
    signers = f"gpg.ssh.allowedSignersFile={folder / 'signers'}"
    command = ["git", "-C", str(folder), "-c", signers, "log", "--no-walk", "--format=%G?", *oids]
    said = subprocess.run(command, check=True, capture_output=True, env=ENVIRONMENT).stdout
    assert said.split() == [b"G"] * len(oids)
