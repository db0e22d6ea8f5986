"""The only list of controls, in the order they are asked. A test compares it with the folder."""

from __future__ import annotations

from functools import lru_cache

from governance.controls._base import Control
from governance.controls.canary import Canary
from governance.controls.four_eyes import FourEyes
from governance.controls.freeze import Freeze
from governance.controls.gates import Gates
from governance.controls.proposals import Proposals
from governance.controls.rate_limits import RateLimits
from governance.controls.ref_rules import RefRules
from governance.controls.signed_commits import SignedCommits
from governance.controls.small_changes import SmallChanges
from governance.controls.tertiary import Tertiary
from governance.controls.unreviewed_debt import UnreviewedDebt
from governance.controls.vetoes import Vetoes
from governance.controls.write_lock import WriteLock
from governance.policy import Policy

__all__ = ["CONTROLS", "Control", "controls_for"]

CONTROLS: tuple[type[Control], ...] = (
    Freeze,
    RefRules,
    RateLimits,
    Proposals,
    SignedCommits,
    Canary,
    Vetoes,
    WriteLock,
    Gates,
    FourEyes,
    UnreviewedDebt,
    SmallChanges,
    Tertiary,
)


@lru_cache(maxsize=8)
def _built(policy: Policy) -> tuple[Control, ...]:
    return tuple(control.of(policy) for control in CONTROLS)


def controls_for(policy: Policy) -> tuple[Control, ...]:
    """Return every control with its parameters from this policy."""
    return _built(policy)
