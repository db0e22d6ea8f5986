"""What goes into the ledger: every kind of entry, and the shape of its data.

The entry is the truth; state tables and reports read only what stands here. A kind, once used, keeps its
meaning for good; a new meaning is a new kind.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from audit.entry import Actor, Draft
from governance.policy import PROPOSALS
from governance.verdict import Outcome

if TYPE_CHECKING:
    from governance.decision import Decision, RefDecision
    from governance.facts import UpdateFacts

MESSAGE_LIMIT = 400
"""Characters of a verdict's message kept in the facts document; the codes say the rest."""


class Kind(StrEnum):
    """Every kind of entry. *subject.deed*; never renamed, never reused."""

    GENESIS = "ledger.genesis"
    PRINCIPAL_ADDED = "principal.added"
    PRINCIPAL_INVITED = "principal.invited"
    PRINCIPAL_RETIRED = "principal.retired"
    KEY_ENROLLED = "key.enrolled"
    KEY_ROTATED = "key.rotated"
    KEY_REVOKED = "key.revoked"
    TOKEN_ISSUED = "token.issued"  # noqa: S105 - the name of a kind
    TOKEN_REVOKED = "token.revoked"  # noqa: S105 - the name of a kind
    REPOSITORY_ADDED = "repository.added"
    REPOSITORY_ADOPTED = "repository.adopted"
    BASELINE_RECORDED = "baseline.recorded"
    REPOSITORY_MODE_SET = "repository.mode_set"
    REPOSITORY_REMOVED = "repository.removed"
    MAINTENANCE_BEGUN = "maintenance.begun"
    MAINTENANCE_ENDED = "maintenance.ended"
    PUSH_DECIDED = "push.decided"
    PUSH_APPLIED = "push.applied"
    PUSH_RELEASED = "push.released"
    LANDING_ASKED = "landing.asked"
    LANDING_REFUSED = "landing.refused"
    SIGN_OFF_GIVEN = "sign_off.given"
    SIGN_OFF_WITHDRAWN = "sign_off.withdrawn"
    REFS_DRIFTED = "refs.drifted"
    FREEZE_LIFTED = "freeze.lifted"
    CONTINUITY_CHECKED = "continuity.checked"
    CONTINUITY_LAPSE = "continuity.lapse"
    REQUEST_REFUSED = "request.refused"
    FREEZE_IMPOSED = "freeze.imposed"
    VETO_CAST = "veto.cast"
    VETO_LIFTED = "veto.lifted"
    LOCK_REQUESTED = "lock.requested"
    LOCK_GRANTED = "lock.granted"
    LOCK_RELEASED = "lock.released"
    LIMIT_RAISED = "limit.raised"
    DRAW_EPOCH_OPENED = "draw.epoch_opened"
    DRAW_EPOCH_REVEALED = "draw.epoch_revealed"
    TERTIARY_GIVEN = "tertiary.given"
    OVERRIDE_ASKED = "override.asked"
    OVERRIDE_SIGNED = "override.signed"
    OVERRIDE_REVIEWED = "override.reviewed"
    GATE_STARTED = "gate.started"
    GATE_EVIDENCE = "gate.evidence"
    GATE_ASKED = "gate.asked"
    GATE_ADVANCED = "gate.advanced"
    MESSAGE_SENT = "message.sent"
    MESSAGE_CHECKED = "message.checked"
    MESSAGE_OVERDUE = "message.overdue"
    DECISION_RAISED = "decision.raised"
    DECISION_SIGNED = "decision.signed"
    DECISION_CLOSED = "decision.closed"
    DECISION_AWAITED = "decision.awaited"
    DECISION_CONFIRMED = "decision.confirmed"
    DECISION_HELD = "decision.held"
    DECISION_DISOWNED = "decision.disowned"
    CANARY_PLANTED = "canary.planted"
    CANARY_REVEALED = "canary.revealed"
    FINDING_RECORDED = "finding.recorded"
    LOCK_ASKED = "lock.asked"
    LOCK_COSIGNED = "lock.cosigned"
    FACTOR_ENROLLED = "factor.enrolled"
    FACTOR_REMOVED = "factor.removed"
    FACTOR_RESET = "factor.reset"
    PROMPT_OPENED = "prompt.opened"
    PROMPT_APPROVED = "prompt.approved"
    PROMPT_DENIED = "prompt.denied"
    ALERT_RAISED = "alert.raised"
    NOTICE_CLOSED = "notice.closed"
    ACCOUNT_CONTACT = "account.contact"
    ACCOUNT_SET = "account.set"
    SESSION_OPENED = "session.opened"
    SESSION_CLOSED = "session.closed"
    SESSION_REFUSED = "session.refused"
    REPORT_ISSUED = "report.issued"
    INTEGRITY_CHECKED = "integrity.checked"


TEXT_LIMIT = 200
"""Characters of a path or a reason that an entry keeps."""

DRIFT_LIMIT = 30
"""Drifted refs that an entry names one by one; it says how many there are. With the longest names they fit into it:
a drift that could not be recorded would freeze nothing."""

CHECKPOINTS = "refs/ledger/checkpoints"
"""Where the ledger's checkpoints are shown. It moves by itself: it is about the ledger, and not in it."""

PINS = "refs/changes/"
"""Where patch sets are kept: `<change>/<patch set>`. Nobody pushes there."""

SERVICE = Actor(id="twinseal", kind="service", key="")
"""Who writes what nobody asked for: reconciling, releasing."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """What an allowed push consumes and starts, written down before anything moves."""

    handle: str
    """receive-pack's process id and start time: what names its reservation."""
    reserve: tuple[tuple[str, str, str], ...] = ()
    """(old, new, ref) lines that git may now move, pins of patch sets among them."""
    spend: tuple[int, ...] = ()
    opens: tuple[Mapping[str, object], ...] = ()
    landed: tuple[tuple[str, int], ...] = ()
    """(ref, change number) that this push would land."""
    abandoned: tuple[tuple[str, int], ...] = ()
    noted: Mapping[str, object] = dataclasses.field(default_factory=dict)
    """What the rooms of the controls keep of this decision, allowed or not: members of the entry's data."""


def decided(
    decision: Decision,
    effects: Effects,
    *,
    actor: Actor,
    repository: str,
    document: Mapping[str, object],
) -> Draft:
    """Return the entry of one decision. `document` names the facts it was made on, by digest.

    In a repository that is only observed, a refusal that reserves something was let through.
    """
    context = decision.refs[0].update.push
    data: dict[str, object] = {
        "allowed": decision.allowed,
        "code": decision.code,
        "transport": context.transport,
        "enforced": context.enforced,
        "policy": decision.policy_digest,
        "facts": dict(document),
        "handle": effects.handle,
        "refs": [[ref.update.old, ref.update.new, ref.update.ref] for ref in decision.refs],
        "verdicts": [_answers(ref) for ref in decision.refs],
        "signers": [signers(ref.update) for ref in decision.refs],
        **effects.noted,
    }
    if context.observed:
        data |= {"observed": True, "let_through": bool(effects.reserve) and not decision.allowed}
    if decision.allowed or (context.observed and effects.reserve):
        data |= {
            "reserve": [list(line) for line in effects.reserve],
            "spend": list(effects.spend),
            "opens": [dict(opened) for opened in effects.opens],
            "landed": [list(pair) for pair in effects.landed],
            "abandoned": [list(pair) for pair in effects.abandoned],
        }
    return Draft(kind=Kind.PUSH_DECIDED, actor=actor, repo=repository, subject=decision.refs[0].update.ref, data=data)


def _answers(ref: RefDecision) -> list[str]:
    """Return the reasons of those controls that had something to say; all of them stand in the facts document.

    A hundred refs must fit into one entry, with a dozen controls.
    """
    return [verdict.reason for verdict in ref.verdicts if verdict.outcome is not Outcome.NOT_APPLICABLE]


def signers(update: UpdateFacts) -> list[list[object]]:
    """Return [fingerprint, objects signed] of each enrolled key that signed a commit or the tag of an update.

    What a key has landed is found by these; the facts document knows the objects by name.
    """
    signed = [commit.signature for commit in update.commits] + ([update.tag.signature] if update.tag else [])
    found = Counter(signature.fingerprint for signature in signed if not signature.code and signature.fingerprint)
    return [[fingerprint, count] for fingerprint, count in sorted(found.items())]


def applied(data: Mapping[str, Any], seq: int, moved: Iterable[tuple[str, str, str]], *, repository: str) -> Draft:
    """Return the entry that says which of a decision's reserved lines git has carried out.

    `data` is the decision's own; what it opens, lands or abandons follows the refs that moved. What was pushed for
    review moves no branch: its pin does.
    """
    lines = [list(line) for line in moved]
    refs = {line[2] for line in lines}
    done = {
        "decision": seq,
        "moved": lines,
        "opens": [[o["change"], o["patch_set"], o["title"]] for o in data["opens"] if opened_by(o) in refs],
        "landed": [number for ref, number in data["landed"] if ref in refs],
        "abandoned": [number for ref, number in data["abandoned"] if ref in refs],
    }
    if data.get("let_through"):
        done["let_through"] = True
    return Draft(kind=Kind.PUSH_APPLIED, actor=SERVICE, repo=repository, subject=str(seq), data=done)


def opened_by(opened: Mapping[str, Any]) -> str:
    """Return the ref whose move opens a patch set: its topic, or its pin where it was pushed for review."""
    return pin(opened) if str(opened["ref"]).startswith(PROPOSALS) else str(opened["ref"])


def pin(opened: Mapping[str, Any]) -> str:
    """Return the ref that keeps a patch set, so that no force push can unmake what was reviewed."""
    return f"{PINS}{opened['change']}/{opened['patch_set']}"


def released(seq: int, lines: Iterable[tuple[str, str, str]], *, repository: str, landed: bool) -> Draft:
    """Return the entry that frees what a push reserved and did not use; its refs were read and had not moved.

    `landed` says that the protected ref did move, so that the sign-offs it spent stay spent.
    """
    data = {"decision": seq, "lines": [list(line) for line in lines], "landed": landed}
    return Draft(kind=Kind.PUSH_RELEASED, actor=SERVICE, repo=repository, subject=str(seq), data=data)


def drifted(refs: Iterable[tuple[str, str, str]], *, repository: str) -> Draft:
    """Return the entry of refs that moved behind our back: (ref, recorded, found). It freezes the repository."""
    found = [[legible(text) for text in line] for line in refs]
    names = ", ".join(line[0] for line in found[:3])
    reason = f"{len(found)} refs moved behind our back: {names}"[:MESSAGE_LIMIT]
    lines = found[:DRIFT_LIMIT]
    return Draft(
        kind=Kind.REFS_DRIFTED,
        actor=SERVICE,
        repo=repository,
        subject=names,
        data={"refs": lines, "count": len(found), "reason": reason},
    )


def let_through(
    code: str, message: str, lines: Sequence[tuple[str, str, str]], *, actor: Actor, repository: str, handle: str
) -> Draft:
    """Return the entry of a push that could not be judged, let through because its repository is only observed."""
    moves = [list(line) for line in lines]
    nothing: dict[str, object] = {"spend": [], "opens": [], "landed": [], "abandoned": [], "verdicts": []}
    data = nothing | {
        "allowed": False,
        "code": code,
        "message": message[:MESSAGE_LIMIT],
        "enforced": False,
        "observed": True,
        "let_through": True,
        "handle": handle,
        "refs": moves,
        "reserve": moves,
    }
    return Draft(kind=Kind.PUSH_DECIDED, actor=actor, repo=repository, subject=lines[0][2], data=data)


def refused_early(code: str, message: str, lines: Sequence[str], *, actor: Actor, repository: str) -> Draft:
    """Return the entry of an attempt that never got as far as facts: probing is not free (table L-09)."""
    data = {"code": code, "message": legible(message, MESSAGE_LIMIT)}
    # As they came: a name may hold what should never have been sent, and then it can be erased.
    asked = {"lines": "\n".join(legible(line) for line in lines[:20])} if lines else {}
    return Draft(Kind.REQUEST_REFUSED, actor, repository, "push", data, asked)


def facts_document(decision: Decision, *, single_person: bool) -> bytes:
    """Return the facts and full verdicts of a decision, as kept beside the ledger by digest.

    ASCII JSON: a path that is not UTF-8 stays readable back, byte for byte.
    """
    refs = [_ref(ref) for ref in decision.refs]
    plain = {"v": 1, "push": decision.refs[0].update.push, "refs": refs, "single_person": single_person}
    # Not asdict, which copies every value first: this is under the ledger lock, where everybody waits.
    return json.dumps(plain, separators=(",", ":"), sort_keys=True, default=_named).encode("ascii")


def _ref(ref: RefDecision) -> dict[str, object]:
    verdicts = [
        {"control": v.control, "outcome": v.outcome, "reason": v.reason, "message": v.message[:MESSAGE_LIMIT]}
        for v in ref.verdicts
    ]
    return {"facts": _update(ref.update), "verdicts": verdicts}


def _update(update: UpdateFacts) -> dict[str, object]:
    named = _named(update)
    del named["push"]
    return named


def _named(fact: Any) -> dict[str, object]:  # noqa: ANN401 - any dataclass; anything else is a TypeError
    return {f.name: getattr(fact, f.name) for f in dataclasses.fields(fact)}


def legible(text: str, limit: int = TEXT_LIMIT) -> str:
    """Return text that an entry can hold: no lone surrogate, no NUL, and cut to `limit`."""
    return text.encode("utf-8", "replace").decode().replace("\0", "?")[:limit]
