"""Decisions: how many a second when many ask at once, and whether a long history makes them slower.

Every one is a push of sixty lines to main by one new signed commit, refused by four eyes after all controls were asked:
a real decision, written down with its facts, that leaves the state as it found it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from governance import gathered
from governance.adapters import settings
from governance.entrypoints.house import House, opened
from governance.receive import Identity, Receiver
from tests.bench.asking import REFUSED, Asking, prepared
from tests.bench.growth import grow, seen
from tests.bench.sizes import Sizes
from tests.bench.table import Figure, Reach, by_turns, progress, timed
from tests.bench.world import AGENT, World


def measure(world: World, sizes: Sizes) -> list[Figure]:
    """Ask the service and the endpoint by turns; then a young and an old ledger."""
    asking = prepared(world)
    world.play.stop()
    copies = [world.copy(name) for name in ("endpoint", "young", "old")]
    world.play.start()
    with _endpoint(world, copies[0]) as endpoint:
        together = _together(world, sizes, asking, endpoint)
    world.play.stop()
    return [together, _flat(sizes, asking, *copies[1:])]


def _together(world: World, sizes: Sizes, asking: Asking, endpoint: Path) -> Figure:
    count, rounds = sizes.requests, sizes.request_rounds
    progress(f"decide: {rounds} times {count} pushes by {sizes.clients} clients, to us and to the endpoint")
    files = []
    for number in range(rounds + 1):
        files.append(world.folder / f"pushes-{number}")
        frames = [frame for push in asking.pushes(count, name=f"together {number}") for frame in push]
        files[-1].write_bytes(b"".join(b"%d\n%b" % (len(frame), frame) for frame in frames))
    sockets = world.folder / "data" / "hook.sock", endpoint
    for socket in sockets:
        _rate(socket, files[rounds], sizes)  # The first pushes find certificates unparsed and caches empty.
    ours, other = by_turns(
        rounds, lambda n: _rate(sockets[0], files[n], sizes), lambda n: _rate(sockets[1], files[n], sizes)
    )
    return Figure(
        id=f"decide.{sizes.clients}", ours=ours, other=other, unit="/s", n=rounds,
        other_name="the same socket, parsing, proving and deciding, with one SQLModel commit per push under one lock",
        reach=Reach("ours/other", 2.0, at_least=True),
        note=f"Each {count} pushes, refused on main after every control",
    )  # fmt: skip


def _rate(socket: Path, frames: Path, sizes: Sizes) -> float:
    command = [sys.executable, "-m", "tests.bench.clients", str(socket), str(frames), str(sizes.clients)]
    said = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    if said["answers"] != {REFUSED: sizes.requests}:
        raise AssertionError(f"expected {REFUSED} {sizes.requests} times, got {said['answers']}")
    return float(sizes.requests / said["seconds"])


@contextmanager
def _endpoint(world: World, env: dict[str, str]) -> Iterator[Path]:
    """Run the endpoint on a copy of the service's data, with a store of its own beside it."""
    socket = world.folder / "endpoint.sock"
    command = [sys.executable, "-m", "tests.bench.endpoint", str(socket), str(world.folder / "endpoint.sqlite")]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE) as running:
        try:
            if running.stdout is None or running.stdout.readline() != b"ready\n":
                raise AssertionError("the endpoint did not start")
            yield socket
        finally:
            running.terminate()


def _flat(sizes: Sizes, asking: Asking, young: dict[str, str], old: dict[str, str]) -> Figure:
    pushes = asking.pushes(sizes.decisions + 1, name="flat")
    with ExitStack() as open_:
        desks = [_Desk(open_.enter_context(opened(settings.load(env)))) for env in (young, old)]
        progress(f"decide: growing ledgers to {sizes.few} and {sizes.many} entries")
        for desk, size in zip(desks, (sizes.few, sizes.many), strict=True):
            desk.seconds(*pushes[-1])
            grow(desk.house.service.ledger, seen(desk.house.look), size=size)
        progress(f"decide: {sizes.decisions} decisions on each")
        few, many = by_turns(
            sizes.decisions, lambda n: desks[0].seconds(*pushes[n]), lambda n: desks[1].seconds(*pushes[n])
        )
    return Figure(
        id="decide.flat", ours=many * 1000, other=few * 1000, unit="ms", n=sizes.decisions,
        other_name=f"the same decision with {sizes.few} entries behind it, not {sizes.many}",
        reach=Reach("ours/other", 1.2), note="From plan to commit, in process, one at a time; signatures proved before",
    )  # fmt: skip


class _Desk:
    """Where one push at a time is decided, in this process."""

    def __init__(self, house: House) -> None:
        self.house = house
        self._receiver = Receiver(house.service)

    def seconds(self, hello: bytes, facts: bytes) -> float:
        """Return how long the push takes to be decided, without what does not depend on the ledger."""
        about, who = gathered.hello(hello), Identity(AGENT, "agent", "file", enforced=False)
        plan = self._receiver.begin(self.house.look, about, "governed", who)
        completed = self._receiver.complete(plan, self._receiver.parse(plan, facts))

        def decide() -> None:
            again = self._receiver.begin(self.house.look, about, "governed", who)
            decided = self._receiver.decide(again, completed).result()
            if REFUSED not in self._receiver.answer(decided).text:
                raise AssertionError(f"expected {REFUSED}, got {decided[0].code}")

        return timed(decide)
