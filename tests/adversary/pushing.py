"""A small service that is pushed to without git: facts are made here; decision, standing and entry are real.

A plan is made once for each pusher, before anything is over: what is shown here is refused under the lock, not early.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from adversary.card import Seen
from builders import MAIN, OLD, REPOSITORY, ZERO, a_change, a_commit, a_push, oid
from governance.errors import RequestError
from governance.gathered import Hello, Line
from governance.receive import Identity, Plan, Receiver
from limit_world import LimitWorld
from lock_world import LockWorld

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from governance.decision import Decision


class Pushing(LockWorld):
    """Who pushes, to main or to topics, and what was decided."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.receiver = Receiver(self.service)
        self.tips = {MAIN: OLD}
        self.plans: dict[str, Plan] = {}
        self.entry = 0

    def plan(self, by: str) -> Plan:
        """Return a push of somebody's that has begun."""
        if by not in self.plans:
            who = Identity(by, "agent", "http", enforced=True)
            with self.service.read() as tx:
                self.plans[by] = self.receiver.begin(tx, Hello("r1", "", (), (), 1, 1), REPOSITORY, who)
        return self.plans[by]

    def push(
        self,
        by: str = "dev-a",
        *paths: str,
        refs: tuple[str, ...] = (MAIN,),
        token: int = 0,
        lines: int = 10,
        size: int = 0,
        at: int = 0,
    ) -> Decision:
        """Push one commit of somebody's own to each ref, and apply it where it is allowed."""
        self.count += 1
        with self.service.read() as tx:
            plan = self.receiver.again(tx, self.plan(by))
        facts = []
        options = (f"twinseal.lock={token}",) if token else ()
        context = replace(plan.context, received_at=at or self.last(), refs=refs, options=options)
        for ref in refs:
            name, old = f"{ref} {self.count}", self.tips.get(ref, ZERO)
            net = tuple(
                a_change(path, lines, size=size, new=oid(f"{name} {path}")) for path in paths or ("src/app.py",)
            )
            commit = a_commit(name, author=by, changes=net, parents=(self.tips[MAIN],))
            update = a_push(net, ref=ref, old=old, new=oid(name), commits=(commit,), base=self.tips[MAIN])
            facts.append(replace(update, push=context, bases=(self.tips[MAIN],)))
        hello = Hello("r1", "", tuple(Line(f.old, f.new, f.ref) for f in facts), options, self.count, self.count)
        decision, _, self.entry = self.receiver.decide(
            replace(plan, hello=hello, context=context), tuple(facts)
        ).result()
        if decision.allowed:
            self.applied(self.entry)
            self.tips |= {f.ref: f.new for f in facts}
        return decision

    def last(self) -> int:
        """Return the time as the receiver reads it."""
        return max(self.now, self.rows("select ts from ledger_head")[0][0])

    def recorded(self, entry: int) -> dict[str, Any]:
        return self.bodies("seq=?", entry)[0]


class LimitedPushing(Pushing, LimitWorld):
    """The same, where everything may be tried three times an hour."""


class WorldCase(Seen):
    """What one test has seen of an attack on a small service."""

    def __init__(self, world: Pushing) -> None:
        super().__init__()
        self._world = world

    def refused(self, decision: Decision, code: str) -> None:
        """The push was refused with this code, and so it is recorded."""
        assert decision.code == code, decision.code
        data = self._world.recorded(self._world.entry)["data"]
        self._saw(code, recorded=(data["allowed"], data["code"]) == (False, code))
        assert self.seen["recorded"], data

    @contextlib.contextmanager
    def refuses(self, code: str) -> Iterator[None]:
        """What is asked here is refused with this code, and so it is recorded."""
        with pytest.raises(RequestError) as caught:
            yield
        assert caught.value.code == code, caught.value.code
        last = self._world.bodies("kind='request.refused'")[-1]
        self._saw(code, recorded=last["data"]["code"] == code)
        assert self.seen["recorded"], last

    def passes(self, decision: Decision) -> None:
        """The honest way: it lands."""
        assert decision.allowed, decision.code
        self.went_well()

    def went_well(self) -> None:
        """The honest way went through."""
        self.seen["twin"] = True


def case_of(request: pytest.FixtureRequest, world: Pushing) -> WorldCase:
    """Return the case of a test that is marked with its attacks."""
    made = WorldCase(world)
    ids = [each for mark in request.node.iter_markers("attack") for each in mark.args]
    request.node.user_properties.append(("attack", (ids, made.seen)))
    return made
