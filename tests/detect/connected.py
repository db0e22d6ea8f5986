"""Where the simulations meet the rules they try: whoever asks for sign-off of debt, and whoever draws."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from governance import debt, draws
from governance.debt import UNDER_WAY, Added, Owed
from governance.policy import Policy
from governance.policy_text import load

POLICIES = Path(__file__).parents[2] / "policies"


@cache
def shipped() -> Policy:
    """Return the policy that ships, its numbers as they are."""
    texts = [(POLICIES / name).read_bytes() for name in ("policy.yaml", "roles.yaml")]
    return load(*texts, policy_name="policy.yaml", roles_name="roles.yaml")


THRESHOLD = shipped().four_eyes.lines


@dataclass(frozen=True, slots=True)
class Landing:
    """One landing below the threshold that nobody reviewed."""

    operator: str
    path: str
    lines: int
    at: int


@dataclass
class Slicer:
    """What is owed after each landing; `asked` says whether this one must be signed off, with all of what is owed."""

    policy: Policy = field(default_factory=shipped)
    owed: list[Owed] = field(default_factory=list)
    seq: int = 0
    """Of the last entry."""

    def asked(self, landing: Landing) -> bool:
        """Return whether it is stopped; where it is not, it lands and is owed."""
        people, operators = (landing.operator,), (landing.operator,)
        one = Owed(UNDER_WAY, landing.path, people, operators, landing.lines, landing.at)
        if debt.over(self.owed, Added((one,), people, people), self.policy):
            return True
        self.seq += 1
        self.owed.append(Owed(self.seq, landing.path, people, operators, landing.lines, landing.at))
        return False

    def reviewed(self, landing: Landing) -> None:
        """Land something else that was signed off: it clears nothing that was not bound to it."""
        self.seq += 1
        self.owed = list(debt.cleared(self.owed, {(landing.operator,): self.seq}))


def selected(key: bytes, slot: int, percent: int) -> bool:
    """Return whether the landing of this slot is drawn for a tertiary review."""
    return draws.selected(key, "owner", slot, percent=percent, floor_slots=0)
