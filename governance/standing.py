"""What the ledger says, as far as one decision needs it: who is enrolled, what was signed off, what is frozen.

Loaded under the ledger lock, so that nothing decides on what may have moved. Values only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from governance.debt import Debt
from governance.draws import Drawn
from governance.gating import Feature
from governance.leases import Leases
from governance.limits import Usage
from governance.policy import Kind, Policy
from governance.stops import Freeze, Veto


@dataclass(frozen=True, slots=True)
class Principal:
    """Someone who may act: an agent, a person or a service. Keys and tokens are theirs, elsewhere."""

    name: str
    kind: Kind
    role: str
    operator: str
    """The human who runs or delegated it; a person is their own operator."""
    model_family: str = ""
    emails: tuple[str, ...] = ()
    delegates: tuple[str, ...] = ()
    """Principals that may sign what this one wrote (recorded by the owner)."""
    retired: bool = False


@dataclass(frozen=True, slots=True)
class Roster:
    """Everyone enrolled. Retired principals stay, so that what they wrote still has a name."""

    principals: Mapping[str, Principal]

    def get(self, name: str) -> Principal | None:
        """Return the principal of that name, retired or not."""
        return self.principals.get(name)

    def active(self) -> tuple[Principal, ...]:
        """Return those who may act now."""
        return tuple(p for p in self.principals.values() if not p.retired)

    def by_email(self, email: str) -> str:
        """Return whose address this is, or an empty string. Addresses are unique, compared in lower case."""
        return next((p.name for p in self.principals.values() if email in p.emails), "")

    def humans(self) -> tuple[Principal, ...]:
        """Return the people who may act now."""
        return tuple(p for p in self.active() if p.kind is Kind.HUMAN)


@dataclass(frozen=True, slots=True)
class SignOff:
    """One signed answer about one patch set, with everything it binds."""

    seq: int
    principal: str
    approves: bool
    repository: str
    target: str
    head: str
    base: str
    tree: str
    diff_digest: str
    policy_digest: str
    expires_at: int
    withdrawn: bool = False
    spent: bool = False
    """Used by a landing, or reserved for one that is under way."""
    key_revoked: bool = False
    """Whether the key that signed it has been revoked since."""
    settled: int = 0
    """Of a rejection: the entry of the decision that set it aside; 0 for none."""
    debt_through: int = 0
    """The newest entry of the unreviewed debt that it was given with; 0 where it was given with none."""


@dataclass(frozen=True, slots=True)
class ChangeStanding:
    """An open change, at the patch set whose head is about to land."""

    number: int
    patch_set: int
    ref: str
    target: str
    head: str
    contributors: tuple[str, ...] = ()
    """Everyone who pushed, wrote or delegated any patch set of it."""
    sign_offs: tuple[SignOff, ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """All of it, for one ref update."""

    policy: Policy
    roster: Roster
    landed: str = ""
    """The recorded value of this ref; empty where the ledger knows none."""
    topic_of: tuple[str, ...] = ()
    """For a topic with an open change: its contributors; nobody else moves it."""
    change: ChangeStanding | None = None
    proposed: ChangeStanding | None = None
    """The open change that a push for review names, at its current patch set."""
    freezes: tuple[Freeze, ...] = ()
    reserved: bool = False
    """Whether another push under way holds this ref."""
    debt: Debt | None = None
    leases: Leases | None = None
    usage: Usage | None = None
    vetoes: tuple[Veto, ...] = ()
    drawn: Drawn | None = None
    override: int = 0
    """The entry of the override in force for this change; 0 for none."""
    feature: Feature | None = None
    canary: int = 0
    """The entry of the canary that this holds; 0 for none."""
    newcomers: frozenset[str] = frozenset()
    """Who was enrolled so lately that they count only beside somebody who was not."""
    third: tuple[str, ...] = ()
    """Why a third approver is needed; empty where two are enough."""
    signed_off: tuple[str, ...] = ()
    """Whose approvals count, once `four_eyes` found that there are enough: others build on its answer."""
    refused: bool = False
    """Whether `four_eyes` objects; likewise."""

    def approvals(self) -> tuple[SignOff, ...]:
        """Return the approvals that let this land; none before `four_eyes` found enough, or where none are needed."""
        given = self.change.sign_offs if self.change is not None else ()
        return tuple(one for one in given if one.approves and one.principal in self.signed_off)
