"""A thousand signed commits in one push: what is read and proved of them, against what git and gpg take for that."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from statistics import median

from governance import gathered
from governance.adapters import clock, git
from governance.adapters.sequoia import SequoiaVerifier
from governance.completing import complete
from governance.facts import PushContext
from governance.policy import Kind
from governance.signatures import Registry
from governance.standing import Principal, Roster
from tests.bench.history import line
from tests.bench.sizes import Sizes
from tests.bench.stub import Heard, Stub
from tests.bench.table import Figure, Reach, by_turns, progress, timed
from tests.bench.world import AGENT, EMAIL, World
from tests.keys import registry_of

TOPIC = "refs/heads/topic/large"


def measure(world: World, sizes: Sizes) -> list[Figure]:
    """Push lines of signed commits to a topic branch: once to a stub, to see the parts, then in earnest."""
    count, rounds = sizes.commits, sizes.large_rounds
    progress(f"facts: making {rounds} times {count} signed commits")
    lines = [line(world.work, world.key, count, name=f"large-{n}", base=world.base) for n in range(rounds)]
    progress(f"facts: gathering and proving, against git log --format=%G? over {count} commits")
    return [_facts(world, lines[0], rounds), _pushes(world, lines)]


def _facts(world: World, commits: list[str], rounds: int) -> Figure:
    socket = world.folder / "facts.sock"
    repository = world.recorded("facts", socket)
    with Stub(socket, judge=world.base) as stub:
        for _ in range(rounds):  # Refused, so each is new again, and lies in quarantine.
            world.push(str(repository), commits[-1], TOPIC, good=False)
    proving = _Proving(registry_of([world.key]), len(commits), SequoiaVerifier())
    proving.seconds(stub.heard[0])  # The service has its worker running, too.
    gathering = median(each.gather_s for each in stub.heard)
    proved = median(proving.seconds(each) for each in stub.heard)
    proving.verifier.close()
    return Figure(
        id=f"facts.{len(commits)}", ours=gathering + proved, unit="s", n=rounds,
        other=_by_gpg(world, commits), other_name="git log --format=%G?, a gpg for each commit, once over all of them",
        reach=Reach("other/ours", 15, at_least=True),
        note=f"Gathered by the hook in {gathering:.3f} s, read and proved in {proved:.3f} s",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Proving:
    """What the service does with the facts before it decides: parse, hash, name, verify."""

    registry: Registry
    expected: int
    verifier: SequoiaVerifier

    def seconds(self, heard: Heard) -> float:
        return timed(lambda: self._prove(heard))

    def _prove(self, heard: Heard) -> None:
        hello, found = gathered.hello(heard.hello), gathered.facts(heard.facts)
        refs = tuple(each.ref for each in hello.lines)
        context = PushContext(
            repository="facts", pusher=AGENT, transport="file", enforced=False, received_at=clock.now(), refs=refs
        )
        agent = Principal(AGENT, Kind.AGENT, AGENT, "owner", "", (EMAIL,), ())
        roster = Roster({AGENT: agent})
        facts = complete(found, hello.lines, context, self.verifier, registry=self.registry, roster=roster)
        good = sum(commit.signature.principal == AGENT for commit in facts[0].commits)
        if good != self.expected:
            refused = {commit.signature.code for commit in facts[0].commits}
            raise AssertionError(f"expected {self.expected} commits proved, got {good}: {refused}")


def _by_gpg(world: World, commits: list[str]) -> float:
    env = world.play.environment(AGENT)
    command = [git.program(), "-C", str(world.work), "log", "--format=%G?", commits[-1], f"^{world.base}"]
    said = []
    took = timed(lambda: said.append(subprocess.run(command, env=env, check=True, capture_output=True, text=True)))
    if said[0].stdout != "G\n" * len(commits):
        raise AssertionError(f"expected {len(commits)} good signatures, got {said[0].stdout[:40]!r}")
    return took


def _pushes(world: World, lines: list[list[str]]) -> Figure:
    def pushed(where: str, number: int) -> float:
        return timed(lambda: world.push(where, lines[number][-1], f"{TOPIC}-{number}"))

    governed, bare = world.path("governed"), world.path("bare")
    progress(f"facts: {len(lines)} pushes of {len(lines[0])} commits")
    ours, other = by_turns(len(lines), lambda n: pushed(governed, n), lambda n: pushed(bare, n))
    return Figure(
        id=f"facts.{len(lines[0])}.push_s", ours=ours, other=other, unit="s", n=len(lines),
        other_name="the same push over the file transport, no hooks", reach=Reach("ours", 3),
    )  # fmt: skip
