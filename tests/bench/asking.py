"""Pushes ready to be asked about: gathered once by the real hook, then each made another by a new signed commit."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from governance.adapters import git
from tests.bench.history import line, signed
from tests.bench.stub import Heard, Stub
from tests.bench.world import MAIN, World

LINES = 60
"""Changed in one commit: more than lands unseen, so that every control has its say and the answer is no."""
REFUSED = "four_eyes.no_change"


@dataclass(frozen=True, slots=True)
class Asking:
    """One push, and what it takes to make others like it."""

    world: World
    repository: str
    base: str
    tree: str
    heard: Heard

    def pushes(self, count: int, *, name: str) -> list[tuple[bytes, bytes]]:
        """Return hello and facts of so many pushes, each of one new commit with a good signature."""
        return [self._push(f"{name} {number}\n") for number in range(count)]

    def _push(self, message: str) -> tuple[bytes, bytes]:
        raw = signed(self.world.key, self.tree, self.base, message=message)
        new = hashlib.sha1(b"commit %d\0%b" % (len(raw), raw), usedforsecurity=False).hexdigest()
        hello, facts = json.loads(self.heard.hello), json.loads(self.heard.facts)
        hello |= {"repository": self.repository, "lines": [f"{self.base} {new} {MAIN}"]}
        about: dict[str, Any] = next(iter(facts["commits"].values()))
        facts["commits"] = {new: about | {"raw": raw.decode("latin-1")}}
        facts["refs"][0] |= {"new": new, "commits": [new]}
        return json.dumps(hello).encode(), json.dumps(facts).encode()


def prepared(world: World) -> Asking:
    """Let the hook gather what a change of sixty lines is, on top of what has landed."""
    governed = world.folder / "governed.git"
    base = git.refs(governed)[MAIN][0]
    commit = line(world.work, world.key, 1, name="asking", base=base, lines=LINES)[0]
    socket = world.folder / "asking.sock"
    repository = world.recorded("asking", socket, tip=base)
    # Asked in earnest first: before it answers, the service has recorded what landed until now.
    world.push(world.path("governed"), commit, MAIN, good=False)
    with Stub(socket, judge=base) as stub:
        world.push(str(repository), commit, MAIN, good=False)
    conf = dict(row.split(" ", 1) for row in (governed / "twinseal" / "conf").read_text().splitlines())
    tree = git.run(world.work, "rev-parse", f"{commit}^{{tree}}").decode().strip()
    return Asking(world, conf["repository"], base, tree, stub.heard[0])
