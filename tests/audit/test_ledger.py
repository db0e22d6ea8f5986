from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from audit import ledger as ledger_module
from audit.errors import BrokenError, BusyError, OutcomeUnknownError, StoreError
from ledger_world import GENESIS, LOG, World, append, arguments, draft, point

if TYPE_CHECKING:
    from audit.ledger import Ledger
    from audit.transaction import Transaction

ROOT = Path(__file__).parents[2]


def test_many_threads_make_one_sequence(world: World) -> None:
    world.grow(1)
    answers: list[int] = []

    def work() -> None:
        answers.extend(ledger.run(append(n)) for n in range(50))

    with world.open() as ledger:
        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(answers) == list(range(1, 401))
    assert world.state() == list(range(401))
    assert len(world.rows()) == 401
    world.assert_honest()


def test_time_does_not_go_back(world: World) -> None:
    world.grow(1)
    with world.open() as ledger:
        stamps = []
        for now in (5_000_000_000_000, 4_000_000_000_000, 1, 5_000_000_000_001):
            world.clock.now = now
            stamps.append(ledger.run(lambda tx: (tx.now, tx.append(draft()).ts)))
    first, later = 5_000_000_000_000, 5_000_000_000_001
    assert stamps == [(first, first), (first, first), (first, first), (later, later)]
    world.clock.now = 1
    with world.open() as ledger:  # Nor across a restart.
        assert ledger.run(lambda tx: tx.now) == later
    world.assert_honest()


def test_a_full_queue_refuses_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.grow(1)
    monkeypatch.setattr(ledger_module, "QUEUE_LIMIT", 3)
    gate, held = threading.Event(), threading.Event()

    def hold(tx: Transaction) -> None:
        held.set()
        gate.wait()

    with world.open() as ledger:
        ledger.submit(hold)
        held.wait()
        futures = [ledger.submit(append(n)) for n in range(3)]
        with pytest.raises(BusyError, match="fewer than 3 commands waiting"):
            ledger.submit(append(3))
        gate.set()
        assert [future.result() for future in futures] == [1, 2, 3]
        assert ledger.run(append(4)) == 4


def test_a_batch_has_a_limit_and_nothing_is_left_behind(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.grow(1)
    monkeypatch.setattr(ledger_module, "BATCH_LIMIT", 4)
    with world.open() as ledger:
        sizes: list[int] = []
        write = ledger._writer.write
        ledger._writer.write = lambda jobs: (sizes.append(len(jobs)), write(jobs))[1]  # type: ignore[method-assign]
        futures = [ledger.submit(append(n)) for n in range(30)]
        assert [future.result() for future in futures] == list(range(1, 31))
    assert sum(sizes) == 30
    assert max(sizes) <= 4


def test_what_its_caller_cancelled_in_time_does_not_run(world: World) -> None:
    world.grow(1)
    gate, held = threading.Event(), threading.Event()

    def hold(tx: Transaction) -> None:
        held.set()
        gate.wait()

    with world.open() as ledger:
        holding = ledger.submit(hold)
        held.wait()
        first, second = ledger.submit(append(1)), ledger.submit(append(2))
        assert first.cancel()
        assert not holding.cancel()
        gate.set()
        assert second.result() == 1
    assert world.state() == [0, 1]


def test_a_callback_that_raises_does_not_stop_the_writer(world: World) -> None:
    world.grow(1)

    def leave(_: object) -> None:
        raise SystemExit

    with world.open() as ledger:
        gate = threading.Event()
        future = ledger.submit(lambda tx: (gate.wait(), tx.append(draft()).seq)[1])
        future.add_done_callback(leave)
        gate.set()
        assert future.result() == 1
        assert ledger.run(append()) == 2
        assert ledger.broken is None


def test_a_command_that_waits_for_another_is_told_so(world: World) -> None:
    world.grow(1)
    with world.open() as ledger, pytest.raises(StoreError, match="its own transaction"):
        ledger.run(lambda tx: ledger.run(append()))


def test_closing_answers_what_waits_and_then_nothing(world: World) -> None:
    world.grow(1)
    ledger = world.open()
    gate, held = threading.Event(), threading.Event()

    def hold(tx: Transaction) -> None:
        held.set()
        gate.wait()

    ledger.submit(hold)
    held.wait()
    futures = [ledger.submit(append(n)) for n in range(5)]
    closing = threading.Thread(target=ledger.close)
    closing.start()
    gate.set()
    closing.join()
    assert [future.result() for future in futures] == [1, 2, 3, 4, 5]
    with pytest.raises(StoreError, match="one that was closed"):
        ledger.submit(append())
    ledger.close()
    assert point(world.mark) == (LOG, 6)
    world.assert_honest()


def test_a_writer_that_dies_leaves_nobody_waiting(world: World) -> None:
    world.grow(1)
    ledger = world.open()
    gate, held = threading.Event(), threading.Event()

    def die(jobs: object) -> None:
        held.set()
        gate.wait()
        raise GeneratorExit("out of the blue")

    ledger._writer.write = die  # type: ignore[method-assign,assignment]
    taken = ledger.submit(append())
    held.wait()
    queued = [ledger.submit(append()) for _ in range(3)]
    cancelled = queued.pop()
    assert cancelled.cancel()
    gate.set()
    assert isinstance(taken.exception(), OutcomeUnknownError)
    for future in queued:
        assert isinstance(future.exception(), BrokenError)
    assert "the writer died: out of the blue" in str(ledger.broken)
    with pytest.raises(BrokenError, match="out of the blue"):
        ledger.submit(append())
    ledger.close()
    world.assert_honest()  # The lock is free and nothing was written.


def test_a_future_that_was_meddled_with_leaves_nobody_waiting(world: World) -> None:
    world.grow(1)
    ledger = world.open()
    gate, held = threading.Event(), threading.Event()

    def hold(tx: Transaction) -> None:
        held.set()
        gate.wait()

    ledger.submit(hold)
    held.wait()
    good, meddled, queued = (ledger.submit(append(n)) for n in range(3))
    meddled.set_running_or_notify_cancel()
    gate.set()
    for future in (good, queued):
        assert isinstance(future.exception(), StoreError)
    ledger.close()
    assert ledger.broken is not None
    world.assert_honest()


def test_the_mark_follows_when_the_ledger_is_idle_and_once_a_second_when_not(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.grow(1)
    moved = threading.Event()
    sizes: list[int] = []

    def watch(ledger: Ledger) -> None:
        publisher = ledger._publisher
        assert publisher is not None
        advance = publisher.mark.advance

        def spy(signed: str, *more: Any) -> None:  # noqa: ANN401
            advance(signed, *more)
            sizes.append(point(signed)[1])
            moved.set()

        publisher.mark.advance = spy  # type: ignore[method-assign]

    with world.open() as ledger:
        watch(ledger)
        for _ in range(20):
            ledger.run(append())
        busy = len(sizes)
        assert busy <= 2  # By the clock, which stands still.
        world.clock.now += 1000
        ledger.run(append())
        ledger.run(append())
    assert sizes[-1] == 23
    assert len(sizes) <= busy + 2

    monkeypatch.setattr(ledger_module, "MARK_EVERY_MS", 20)
    moved.clear()
    with world.open() as ledger:
        watch(ledger)
        ledger._marked_at = world.clock.now
        ledger.run(append())
        assert moved.wait(30)
        assert point(world.mark) == (LOG, 24)


def test_without_a_mark_it_works_and_cannot_see_a_roll_back(world: World) -> None:
    with world.open(marked=False) as ledger:
        assert ledger.run(lambda tx: tx.append(GENESIS)).seq == 0
    assert not world.mark.exists()
    assert world.checkpoint() is None
    world.assert_sound()


def test_a_command_may_read_only(world: World) -> None:
    world.grow(2)
    with world.open() as ledger:
        before = ledger.head
        assert ledger.run(lambda tx: tuple(tx.execute("select max(seq) from state").fetchone())) == (1,)
        assert ledger.head == before


LIMITED = """
import json, resource, sys
from ledger_world import GENESIS, draft, found
from audit.errors import StoreError
world = found(sys.argv[1:])
ledger = world.open()
resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))
ledger.run(lambda tx: tx.append(GENESIS))
acknowledged = [0]
try:
    while True:
        acknowledged.append(ledger.run(lambda tx: tx.append(draft(x="a" * 20_000)).seq))
except StoreError as error:
    failed = str(error)
ledger.close()
print(json.dumps([acknowledged, failed, ledger.broken]))
"""


def test_a_file_that_may_not_grow_stops_the_ledger_and_loses_nothing(sqlite_world: World) -> None:
    world = sqlite_world
    with _child(LIMITED, world) as child:
        assert child.stdout is not None
        acknowledged, failed, broken = json.loads(child.stdout.read())
    assert len(acknowledged) > 5
    assert "disk I/O error" in failed
    assert "the store failed" in broken
    assert world.state() == acknowledged
    world.assert_honest()


def _child(script: str, world: World) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments(world)],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"},
    )
