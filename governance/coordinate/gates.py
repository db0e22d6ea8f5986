"""Start a feature, give evidence, ask to advance, co-sign: signed statements, run in the writer.

A gate is passed in two steps: the orchestrator asks, naming the evidence; the librarian co-signs exactly that request.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from audit.entry import Actor, Draft
from audit.transaction import Transaction
from governance import gating
from governance.approvers import Contributors, excluded_because
from governance.coordinate.table import alone, asked_by, copies, exact, granted, not_frozen, worded
from governance.errors import ConflictError, DeniedError, NotFoundError, RequestError
from governance.gating import PEER, TWO, Evidence, Feature
from governance.parameters import STAGES
from governance.people.acts import accepted
from governance.people.statements import Statement
from governance.people.tokens import Caller
from governance.policy import Kind as PrincipalKind
from governance.policy import Policy, Profile
from governance.record import Kind
from governance.service import Service
from governance.standing import Principal
from governance.state import gating as rows
from governance.state import read, stops
from governance.state.fold import Tx

NAME = re.compile(r"[a-z0-9-]{1,40}")
OID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
DIGEST = re.compile(r"[0-9a-f]{64}")
ORDERED = {
    "order": "no gate can be skipped",
    "passed": "this gate is passed for this commit",
    "other_commit": "the gates after GREEN are about the commit that GREEN was passed for",
}
"""Why evidence is not taken, in words."""


def start(service: Service, caller: Caller, statement: Statement, repository: str) -> dict[str, Any]:
    """Begin a feature, before its first gate."""

    def command(tx: Transaction, who: Principal, actor: Actor) -> dict[str, Any]:
        exact(statement.body, {"feature": str}, repository, code="gates")
        name = statement.body["feature"]
        if not NAME.fullmatch(name):
            raise RequestError("a feature is named by 1 to 40 of a-z, 0-9 and hyphens", code="gates.name")
        row = alone(service.under_lock.policy(tx), "gate-start", who)
        not_frozen(tx, repository, [who.name], code="gates", at=tx.now)
        if rows.feature(tx, repository, name) is not None:
            raise ConflictError(f"{repository} has a feature {name} already", code="gates.taken")
        data = {"feature": name, "row": row, "statement": statement.kept()}
        entry = tx.append(Draft(Kind.GATE_STARTED.value, actor, repository, name, data))
        return {"feature": name, "stage": STAGES[0], "by": who.name, "entry": entry.seq}

    return accepted(service, caller, statement, "gate.start", command)


def evidence(service: Service, caller: Caller, statement: Statement, repository: str) -> dict[str, Any]:
    """Sign that a stage is reached for one commit, with the digest of what shows it."""

    def command(tx: Transaction, who: Principal, actor: Actor) -> dict[str, Any]:
        fields = {"feature": str, "stage": str, "commit": str, "digest": str, "note": str}
        body = statement.body
        exact(body, fields, repository, code="gates")
        feature, stage, commit = _feature(tx, repository, body["feature"]), body["stage"], body["commit"]
        if stage not in STAGES or not OID.fullmatch(commit) or not DIGEST.fullmatch(body["digest"]):
            said = f"a stage of {', '.join(STAGES)}, a whole object name, and a SHA-256 in hex"
            raise RequestError(said, code="gates.malformed")
        note = worded(body["note"], code="gates")
        policy = service.under_lock.policy(tx)
        row = alone(policy, f"gate-{stage.lower()}", who)
        not_frozen(tx, repository, [who.name], code="gates", at=tx.now)
        _takes(tx, feature, stage, commit, who)
        if stage == PEER:
            _may_review(tx, service, repository, commit, who)
        data = {
            "feature": feature.name, "stage": stage, "head": commit, "digest": body["digest"], "note": note,
            "by": {"role": who.role, "operator": who.operator, "human": who.kind is PrincipalKind.HUMAN},
            "row": row, "undoes": stage in dict(feature.passed), "statement": statement.kept(),
        }  # fmt: skip
        entry = tx.append(Draft(Kind.GATE_EVIDENCE.value, actor, repository, feature.name, data))
        lacks = _lacks(tx, policy, feature, stage, commit)
        return {"feature": feature.name, "stage": stage, "by": who.name, "lacks": lacks, "entry": entry.seq}

    return accepted(service, caller, statement, "gate.evidence", command)


def advance(service: Service, caller: Caller, statement: Statement, repository: str) -> dict[str, Any]:
    """Ask that a feature passes the gate it stands at, on the evidence named."""

    def command(tx: Transaction, who: Principal, actor: Actor) -> dict[str, Any]:
        fields = {"feature": str, "stage": str, "commit": str, "evidence": list}
        body = statement.body
        exact(body, fields, repository, code="gates")
        policy = service.under_lock.policy(tx)
        ruling = asked_by(policy, "gate-advance", who)
        feature = _feature(tx, repository, body["feature"])
        _enough(tx, policy, feature, body)
        _no_two_hats(tx, feature, body["stage"], who)
        _nobody_frozen(tx, policy, feature, body, who.name)
        data = {"feature": feature.name, "stage": body["stage"], "head": body["commit"], "evidence": body["evidence"]}
        data |= {"row": ruling.row, "statement": statement.kept()}
        entry = tx.append(Draft(Kind.GATE_ASKED.value, actor, repository, feature.name, data))
        return {"feature": feature.name, "stage": body["stage"], "by": who.name, "asked": ruling.said} | {
            "entry": entry.seq
        }

    return accepted(service, caller, statement, "gate.advance", command)


def cosign(service: Service, caller: Caller, statement: Statement, repository: str) -> dict[str, Any]:
    """Co-sign one request to advance: then, and only then, the gate is passed."""

    def command(tx: Transaction, who: Principal, actor: Actor) -> dict[str, Any]:
        body = statement.body
        exact(body, {"feature": str, "asked": int, "stage": str, "commit": str}, repository, code="gates")
        policy, roster = service.under_lock.policy(tx), service.under_lock.roster(tx)
        feature = _feature(tx, repository, body["feature"])
        asked = rows.asked(tx, repository, feature.name)
        if asked is None or tuple(asked[n] for n in ("entry", "stage", "commit")) != (
            body["asked"], body["stage"], body["commit"],
        ):  # fmt: skip
            raise ConflictError("this is not what is asked for now", code="gates.moved")
        asker = roster.get(asked["by"])
        if asker is None or asker.retired:
            raise ConflictError(f"{asked['by']}, who asked, is retired", code="gates.moved")
        if copies(who, asker):
            raise DeniedError(f"{asker.name} asked; somebody else co-signs", code="gates.own_request")
        ruling = granted(policy, "gate-advance", asker.role, [who])
        if not ruling.allowed:
            said = f"{who.name} ({who.role}) is no co-signature: the row {ruling.row!r} asks for {ruling.said}"
            raise DeniedError(said, code="gates.co_signature")
        seqs = [int(seq) for seq in asked["evidence"].split(",")]
        _enough(tx, policy, feature, {**body, "evidence": seqs})
        _no_two_hats(tx, feature, asked["stage"], who)
        _nobody_frozen(tx, policy, feature, asked, who.name, asker.name)
        needed = reviewers(tx, repository, asked["commit"]) if asked["stage"] == PEER else 0
        data = {
            "feature": feature.name, "stage": asked["stage"], "head": asked["commit"], "evidence": seqs,
            "asked": asked["entry"], "by": asker.name, "reviewers": needed, "row": ruling.row,
            "statement": statement.kept(),
        }  # fmt: skip
        entry = tx.append(Draft(Kind.GATE_ADVANCED.value, actor, repository, feature.name, data))
        return {"feature": feature.name, "stage": asked["stage"], "by": who.name, "entry": entry.seq}

    return accepted(service, caller, statement, "gate.cosign", command)


def shown(tx: Tx, repository: str, name: str, policy: Policy) -> dict[str, Any]:
    """Return a feature: what it has passed, what the next gate lacks, its evidence, what waits for a co-signature."""
    feature = _feature(tx, repository, name)
    could = _could(tx, policy, feature)
    # Of the next gate, the commit that most has been seen of: nobody turns it to another by a word alone.
    best = max((each for each in could if each["stage"] == feature.stage), key=_seen, default=None)
    return {
        "feature": name, "stage": feature.stage, "commit": best["commit"] if best else feature.commit,
        "passed": [{"stage": stage, "commit": of} for stage, of in feature.passed],
        "lacks": best["lacks"] if best else "evidence" if feature.stage else "",
        "counts": best["counts"] if best else [], "could": could, "evidence": rows.given(tx, repository, name),
        "asked": rows.asked(tx, repository, name),
    }  # fmt: skip


def _could(tx: Tx, policy: Policy, feature: Feature) -> list[dict[str, Any]]:
    """Return each stage and commit that there is evidence of and that could be asked for: what counts, what lacks."""
    given = rows.evidence(tx, feature.repository, feature.name)
    found: dict[tuple[str, str], list[int]] = {}
    for each in given:
        if not gating.why_not(feature, each.stage, each.commit):
            found.setdefault((each.stage, each.commit), []).append(each.seq)
    return [
        {"stage": stage, "commit": commit, "counts": seqs, "lacks": _lacks(tx, policy, feature, stage, commit)}
        for (stage, commit), seqs in found.items()
    ]


def _seen(could: Mapping[str, Any]) -> tuple[bool, int, int]:
    return not could["lacks"], len(could["counts"]), -could["counts"][0]


def reviewers(tx: Tx, repository: str, commit: str) -> int:
    """Return how many reviewers PEER takes for a commit: one where it is under review and below the threshold."""
    about = read.about(tx, repository, commit)
    return 1 if about is not None and not about["reasons"] else TWO


def _feature(tx: Tx, repository: str, name: str) -> Feature:
    found = rows.feature(tx, repository, name) if NAME.fullmatch(name) else None
    if found is None:
        raise NotFoundError(f"{repository} has no feature of that name", code="gates.unknown")
    return found


def _takes(tx: Transaction, feature: Feature, stage: str, commit: str, who: Principal) -> None:
    why = gating.why_not(feature, stage, commit)
    if why:
        said = f"{feature.name} is at {feature.stage or 'its end'}: {ORDERED[why]}"
        raise ConflictError(said, code=f"gates.{why}", mend=f"twinseal gate status {feature.name}")
    given = [each for each in rows.evidence(tx, feature.repository, feature.name) if each.stage == stage]
    if any(each.by == who.name and each.commit == commit for each in given):
        raise ConflictError(f"{who.name} has given evidence of {stage} for this commit", code="gates.given")


def _may_review(tx: Transaction, service: Service, repository: str, commit: str, who: Principal) -> None:
    """Refuse a review of what is not under review, or by somebody who had a part in it."""
    about = read.about(tx, repository, commit)
    if about is None:
        said = f"{commit[:12]} is no head of a change here; PEER is about a change under review"
        raise ConflictError(said, code="gates.no_change")
    roster, policy = service.under_lock.roster(tx), service.under_lock.policy(tx)
    names = frozenset(about["contributors"])
    why = excluded_because(who, Contributors(names, ()), roster, profile=policy.profile)
    if why:
        raise DeniedError(why, code="gates.not_eligible")


def _given(tx: Tx, feature: Feature, stage: str, commit: str) -> list[Evidence]:
    found = rows.evidence(tx, feature.repository, feature.name)
    return [each for each in found if (each.stage, each.commit) == (stage, commit)]


def _lacks(tx: Tx, policy: Policy, feature: Feature, stage: str, commit: str) -> str:
    return _lacking(tx, policy, feature, stage, commit, _given(tx, feature, stage, commit))


def _lacking(tx: Tx, policy: Policy, feature: Feature, stage: str, commit: str, given: Sequence[Evidence]) -> str:
    needed = reviewers(tx, feature.repository, commit) if stage == PEER else TWO
    return gating.lacks(stage, given, reviewers=needed, distinct_operators=policy.profile is Profile.TEAM)


def _enough(tx: Transaction, policy: Policy, feature: Feature, body: Mapping[str, Any]) -> None:
    """Refuse to pass a gate, or one again for another commit, by anything but all its evidence, where it is enough."""
    stage, commit = body["stage"], body["commit"]
    why = gating.why_not(feature, stage, commit) if stage in STAGES else "order"
    if why:
        said = f"{feature.name} stands at {feature.stage or 'its end'}: {ORDERED[why]}"
        raise ConflictError(said, code=f"gates.{why}")
    if [each.seq for each in _given(tx, feature, stage, commit)] != body["evidence"]:
        said = "the evidence is not what you were shown: some is missing, stale, or about another commit"
        raise ConflictError(said, code="gates.moved", mend=f"twinseal gate status {feature.name}")
    veto = next((v for v in stops.of_feature(tx, feature.repository, feature.name) if v.of_gate(stage)), None)
    if veto is not None:
        raise ConflictError(f"{veto.name} is {veto.said}", code="gates.vetoed", mend=veto.mend)
    lacks = _lacks(tx, policy, feature, stage, commit)
    if lacks:
        raise ConflictError(f"{stage} lacks {lacks}", code="gates.evidence")


def _nobody_frozen(tx: Transaction, policy: Policy, feature: Feature, about: Mapping[str, Any], *names: str) -> None:
    """Refuse a gate that somebody frozen asks for or signs, or that lacks evidence without theirs.

    What others have shown is enough if it is: by evidence of their own nobody keeps a gate shut.
    """
    not_frozen(tx, feature.repository, names, code="gates", at=tx.now)
    stage, commit = about["stage"], about["commit"]
    gave = _given(tx, feature, stage, commit)
    frozen = [each.by for each in gave if stops.parties(tx, feature.repository, [each.by], at=tx.now)]
    if frozen and _lacking(tx, policy, feature, stage, commit, [each for each in gave if each.by not in frozen]):
        not_frozen(tx, feature.repository, frozen, code="gates", at=tx.now)


def _no_two_hats(tx: Transaction, feature: Feature, stage: str, who: Principal) -> None:
    given = rows.evidence(tx, feature.repository, feature.name)
    if any(each.by == who.name and each.stage == stage for each in given):
        said = f"{who.name} has given evidence of {stage}; somebody else advances and co-signs it"
        raise DeniedError(said, code="gates.two_hats")
