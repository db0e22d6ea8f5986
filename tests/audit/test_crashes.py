"""kill -9 of a process that appends, of its server, a full disk: nothing acknowledged is lost, nothing else is claimed.

The suite does each a dozen times; `make ledger-kills` two hundred times.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from audit import reads
from audit.errors import AuditError, BrokenError, OutcomeUnknownError, StoreError
from ledger_world import PostgresWorld, World, append, arguments, point

ROOT = Path(__file__).parents[2]
ROUNDS = int(os.environ.get("TWINSEAL_TEST_KILLS", "12"))
IN_FLIGHT = 64

APPENDING = """
import os, sys
from collections import deque
from audit.errors import OutcomeUnknownError, StoreError
from ledger_world import draft, found

world = found(sys.argv[2:])
ledger = world.open()
waiting, number = deque(), 0
while True:
    while len(waiting) < int(sys.argv[1]):
        name = f"{os.getpid()}-{number}"
        waiting.append((name, ledger.submit(lambda tx, n=number, name=name: tx.append(draft(n, text=name)).seq)))
        number += 1
        world.clock.now += 1
    name, future = waiting.popleft()
    error = future.exception()
    if error is None:
        said = f"kept {name} {future.result()}"
    elif isinstance(error, OutcomeUnknownError):
        said = f"unknown {name} 0"
    else:
        assert isinstance(error, StoreError), error
        said = f"refused {name} 0"
    os.write(1, (said + "\\n").encode())
    if ledger.broken:
        raise SystemExit(ledger.broken)
"""


class Heard:
    """What processes said became of their requests."""

    def __init__(self) -> None:
        self.kept: dict[str, int] = {}
        self.refused: set[str] = set()
        self.unknown: set[str] = set()

    def take(self, line: bytes) -> None:
        deed, name, seq = line.decode().split()
        if deed == "kept":
            self.kept[name] = int(seq)
        else:
            (self.refused if deed == "refused" else self.unknown).add(name)

    def assert_true_of(self, world: World) -> None:
        """What was acknowledged is where it was said to be, and what was refused is nowhere."""
        world.assert_sound()
        there = {json.loads(body)["data"].get("text"): seq for seq, body, _ in world.rows()}
        there.pop(None, None)
        assert len(there) == len(world.rows()) - 1, "one entry for each request, and the first"
        assert self.kept.items() <= there.items()
        assert not self.refused & there.keys()


def child(world: World, script: str, *more: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *more, *arguments(world)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"},
    )


def listen(process: subprocess.Popen[bytes], heard: Heard, number: int) -> None:
    assert process.stdout is not None
    for _ in range(number):
        line = process.stdout.readline()
        assert line.endswith(b"\n"), process.stderr and process.stderr.read().decode()
        heard.take(line)


def ended(process: subprocess.Popen[bytes], heard: Heard) -> None:
    assert process.stdout is not None
    process.send_signal(signal.SIGKILL)
    for line in process.stdout:  # What was still in the pipe was acknowledged, too.
        if line.endswith(b"\n"):
            heard.take(line)


def test_nothing_acknowledged_is_lost_when_the_process_is_killed(world: World) -> None:
    world.grow(1)
    heard, chance = Heard(), random.Random(4)
    for number in range(ROUNDS):
        with child(world, APPENDING, str(IN_FLIGHT)) as process:
            listen(process, heard, chance.choice([1, 2, 40, 100, 300]))
            time.sleep(chance.random() / 50)
            ended(process, heard)
        if number % 10 == 0:
            heard.assert_true_of(world)
    heard.assert_true_of(world)
    assert len(heard.kept) >= ROUNDS
    world.clock.now = reader_ts(world)
    world.assert_honest()
    print(f"{ROUNDS} kills, {len(heard.kept)} acknowledged, {len(world.rows()) - 1} there")


def reader_ts(world: World) -> int:
    with world.reader() as connection:
        return reads.head(connection).ts


def test_nothing_acknowledged_is_lost_when_the_server_is_killed(postgres_world: PostgresWorld) -> None:
    world = postgres_world
    world.grow(1)
    heard, chance = Heard(), random.Random(5)
    with child(world, APPENDING, str(IN_FLIGHT)) as process:
        for number in range(max(3, ROUNDS // 4)):
            listen(process, heard, chance.choice([70, 200, 500]))
            (world.given.kill if number % 2 else lambda: world.given.stop("immediate"))()
            world.given.stop("immediate")
            world.given.start()
            before = len(heard.kept)
            while len(heard.kept) < before + IN_FLIGHT:  # The same process goes on.
                listen(process, heard, 1)
        ended(process, heard)
    heard.assert_true_of(world)
    assert heard.unknown | heard.refused
    world.clock.now = reader_ts(world)
    world.assert_honest()


def test_a_full_disk_loses_nothing_and_with_room_again_it_goes_on(small_disk: Path) -> None:
    world = World(small_disk / "world")
    world.mark = small_disk.parent / "mark"
    world.grow(1)
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(2_000_000))
    kept, failed = [0], 0
    ledger = world.open()
    for number in range(2000):
        try:
            kept.append(ledger.run(append(number, x="a" * 30_000)))
        except (BrokenError, OutcomeUnknownError):
            failed += 1
            break
        except StoreError:
            failed += 1
            if failed > 3:
                break
    with contextlib.suppress(AuditError):
        ledger.close()
    assert failed
    assert len(kept) > 20
    stored = [seq for seq, _, _ in world.rows()]
    assert set(kept) <= set(stored)
    ballast.unlink()
    with world.open() as ledger:
        assert ledger.run(append(9)) == len(stored)
        assert ledger.broken is None
    assert point(world.mark)[1] == len(stored) + 1
    world.assert_honest()


def test_a_full_disk_under_the_mark_stops_the_ledger(small_disk: Path, tmp_path: Path) -> None:
    world = World(tmp_path / "world")
    world.mark = small_disk / "mark"
    world.grow(2)
    ledger = world.open()
    with contextlib.suppress(OSError), (small_disk / "ballast").open("wb", buffering=0) as ballast:
        while True:
            ballast.write(bytes(65536))
    world.clock.now += 5000
    assert ledger.run(append(2)) == 2  # Acknowledged, and durable: it is the mark that cannot follow.
    ledger.close()
    assert "No space left" in str(ledger.broken)
    assert point(world.mark)[1] == 2
    (small_disk / "ballast").unlink()
    world.open().close()
    assert point(world.mark)[1] == 3
    world.assert_honest()


TOGETHER = """
import sys, threading
from audit.errors import StoreError
from ledger_world import draft, found
import os

world = found(sys.argv[3:])
number, threads = int(sys.argv[1]), int(sys.argv[2])
said = threading.Lock()
with world.open() as ledger:
    def work(thread):
        for at in range(number):
            name = f"{os.getpid()}-{thread}-{at}"
            seq = ledger.run(lambda tx, name=name: tx.append(draft(at, text=name)).seq)
            with said:
                os.write(1, f"kept {name} {seq}\\n".encode())
    workers = [threading.Thread(target=work, args=(thread,)) for thread in range(threads)]
    for worker in workers: worker.start()
    for worker in workers: worker.join()
sys.exit(ledger.broken)
"""


def test_two_processes_of_several_threads_append_without_gap_or_loss(postgres_world: PostgresWorld) -> None:
    world = postgres_world
    world.grow(1)
    heard, number, threads = Heard(), 40, 4
    processes = [child(world, TOGETHER, str(number), str(threads)) for _ in range(2)]
    listeners = [threading.Thread(target=lambda p=p: [heard.take(line) for line in p.stdout]) for p in processes]  # type: ignore[misc,union-attr]
    for listener in listeners:
        listener.start()
    for process in processes:
        assert process.wait(120) == 0, process.stderr and process.stderr.read().decode()
    for listener in listeners:
        listener.join()
    for process in processes:
        for pipe in (process.stdout, process.stderr):
            assert pipe is not None
            pipe.close()
    heard.assert_true_of(world)
    assert sorted(heard.kept.values()) == list(range(1, 2 * number * threads + 1))
    world.clock.now = reader_ts(world)
    world.assert_honest()


def test_an_old_copy_is_not_opened_after_a_crash(world: World) -> None:
    world.grow(3)
    copy = world.copy_data("old")
    heard = Heard()
    with child(world, APPENDING, "1") as process:
        listen(process, heard, 5)
        ended(process, heard)
    world.open().close()
    world.put_back(copy)
    with pytest.raises(AuditError, match="at least"):
        world.open()
    with pytest.raises(AuditError, match="at least"):
        world.open(clock=lambda: 0)


def test_a_process_that_is_stopped_while_another_takes_the_file_does_not_write(sqlite_world: World) -> None:
    sqlite_world.grow(1)
    with child(sqlite_world, APPENDING, "1") as process:
        heard = Heard()
        listen(process, heard, 3)
        process.send_signal(signal.SIGSTOP)
        with pytest.raises(StoreError, match=f"got process {process.pid} before us"):
            sqlite_world.open()
        process.send_signal(signal.SIGCONT)
        listen(process, heard, 3)
        ended(process, heard)
    heard.assert_true_of(sqlite_world)
