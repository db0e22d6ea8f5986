"""What one decision needs to know, loaded under the ledger lock.

Every room of `state` that a control asks has a line here, and none is asked twice.
"""

from __future__ import annotations

from governance import options
from governance.facts import UpdateFacts, diff_digest, names
from governance.gating import Feature
from governance.policy import PROPOSALS, Policy
from governance.ports import DrawKeys
from governance.review import changes
from governance.standing import ChangeStanding, Roster, Standing
from governance.state import attempts, canaries, debts, draws, gating, leases, overrides, read, stops, tenure
from governance.state.fold import Tx
from governance.stops import Veto


def standing(tx: Tx, update: UpdateFacts, policy: Policy, roster: Roster, keys: DrawKeys) -> Standing:
    """Return everything that the controls ask about one ref update. Call under the lock."""
    repository, ref = update.push.repository, update.ref
    change = _change(tx, update, policy)
    lands = policy.is_protected(ref)
    feature = _feature(tx, update, policy)
    named = options.read(update.push.options).change if ref.startswith(PROPOSALS) else 0
    return Standing(
        policy=policy,
        roster=roster,
        landed=read.ref_value(tx, repository, ref),
        change=change,
        proposed=read.open_change(tx, repository, named) if named else None,
        topic_of=changes.contributors_of(tx, repository, ref) if policy.is_topic(ref) else (),
        freezes=stops.freezes(tx, repository, at=update.push.received_at),
        reserved=read.reserved(tx, repository, ref),
        leases=leases.standing(tx, update, policy),
        usage=attempts.standing(tx, update, policy, roster),
        debt=debts.standing(tx, update, policy, roster, earlier=change.contributors if change else None),
        drawn=draws.standing(tx, update, change, roster, keys) if lands else None,
        override=overrides.standing(tx, update, change, policy) if lands else 0,
        feature=feature,
        third=canaries.third(tx, change.contributors, update.push.received_at) if lands and change else (),
        newcomers=_newcomers(tx, update, policy) if lands and change else frozenset(),
        vetoes=_vetoes(tx, update, change, feature) if lands else (),
        canary=canaries.reserved(tx, lambda: names(update)) if lands else 0,
    )


def _change(tx: Tx, update: UpdateFacts, policy: Policy) -> ChangeStanding | None:
    """Return the open change that would land, or that is proposed already."""
    repository = update.push.repository
    if update.carried is not None:
        found = read.open_change(tx, repository, update.carried.change, also=update.diff_digest)
        same = found is not None and (found.head, found.target) == (update.carried.head, update.ref)
        return found if same else None
    target = policy.proposed_for(update.ref) or (update.ref if policy.is_protected(update.ref) else "")
    return read.change_at(tx, repository, update.new, target=target) if target else None


def _feature(tx: Tx, update: UpdateFacts, policy: Policy) -> Feature | None:
    """Return the feature that this would land for, where the ref asks for gates."""
    if not any(gated.ref.matches(update.ref) for gated in policy.controls.gates.required):
        return None
    named = options.read(update.push.options).feature
    head = update.carried.head if update.carried is not None else update.new
    return gating.standing(tx, update.push.repository, named=named, head=head)


def _newcomers(tx: Tx, update: UpdateFacts, policy: Policy) -> frozenset[str]:
    days = policy.controls.approval.probation_days
    return tenure.newcomers(tx, days=days, now=update.push.received_at)


def _vetoes(tx: Tx, update: UpdateFacts, change: ChangeStanding | None, feature: Feature | None) -> tuple[Veto, ...]:
    """Return the vetoes of what would land: of the change, its difference, its commits, its feature's gates."""
    carried = update.carried
    digests = (update.diff_digest, *((diff_digest(carried.net),) if carried else ()))
    heads = [commit.oid for commit in update.commits] + ([carried.head] if carried else [])
    number = change.number if change else 0
    repository = update.push.repository
    gates = stops.of_feature(tx, repository, feature.name) if feature is not None else ()
    return (*stops.vetoes(tx, repository, number=number, digests=digests, heads=heads), *gates)
