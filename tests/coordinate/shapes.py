"""The entries of a world have the shapes that the ledger of a service has registered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from governance.kinds import KINDS

if TYPE_CHECKING:
    from service_world import ServiceWorld


def assert_shaped(world: ServiceWorld) -> None:
    """Every entry about gates, messages and decisions could be appended, and the tables are what the entries say."""
    for body in world.bodies("kind like 'gate.%' or kind like 'message.%' or kind like 'decision.%'"):
        KINDS.check(body["kind"], body["data"])
    assert world.difference() == ""
