"""The shape of every kind of entry, as registered in the ledger: who verifies it offline needs none of our code.

A kind whose data gains, loses or changes a member gets the next version here, and the service registers it on its next
start. `ledger.*` belongs to the ledger itself; the genesis entry may say anything.
"""

from __future__ import annotations

from audit.kinds import Kind as Shaped
from audit.kinds import Kinds
from governance.record import Kind

_STATED = {"statement": "object"}
_OUTCOME = {"spend?": "list", "opens?": "list", "landed?": "list", "abandoned?": "list", "reserve?": "list"}

_NOTED = {
    "small?": "list",
    "debt?": "list",
    "cleared?": "list",
    "lease?": "object",
    "draws?": "list",
    "override?": "whole",
    "canary?": "whole",
}
"""What the rooms of the controls keep of a decision (`noting.noted`)."""

_SHAPES: dict[Kind, dict[str, str]] = {
    Kind.PRINCIPAL_ADDED: {
        "principal": "object", "enrolment": "object", "key": "object", "used": "text", "proof?": "object", **_STATED,
    },
    Kind.PRINCIPAL_INVITED: {"enrolment": "object", **_STATED},
    Kind.PRINCIPAL_RETIRED: {"principal": "text", **_STATED},
    Kind.KEY_ENROLLED: {"principal": "text", "key": "object", "enrolment": "text", "proof": "object"},
    Kind.KEY_ROTATED: {"principal": "text", "key": "object", "replaces": "text", "proof": "object", **_STATED},
    Kind.KEY_REVOKED: {"fingerprint": "text", "reason": "text", **_STATED},
    Kind.TOKEN_ISSUED: {
        "id": "text", "digest": "text", "principal": "text", "repository": "text", "expires_at": "whole",
        "scope?": "text", "replaces?": "text", **_STATED,
    },
    Kind.TOKEN_REVOKED: {"id": "text", **_STATED},
    Kind.REPOSITORY_ADDED: {
        "name": "text", "id": "text", "path": "text", "git_uid": "whole", "advisory": "bool", "refs": "list",
        "host?": "text", "mode?": "text", "statement?": "object",
    },
    Kind.REPOSITORY_ADOPTED: {"baseline": "object", "also": "list", "reason": "text", **_STATED},
    Kind.BASELINE_RECORDED: {"adopted": "whole", "refs": "list"},
    Kind.REPOSITORY_MODE_SET: {"mode": "text", "unreviewed": "whole", **_STATED},
    Kind.REPOSITORY_REMOVED: {"reason": "text", **_STATED},
    Kind.MAINTENANCE_BEGUN: {"refs": "whole"},
    Kind.MAINTENANCE_ENDED: {
        "begun": "whole", "ok": "bool", "said": "text", "drifted": "whole", "before?": "whole", "after?": "whole",
    },
    Kind.PUSH_DECIDED: {
        "allowed": "bool", "code": "text", "enforced": "bool", "handle": "text", "refs": "list", "verdicts": "list",
        "transport?": "text", "policy?": "text", "facts?": "object", "signers?": "list", "message?": "text",
        "observed?": "bool", "let_through?": "bool", **_OUTCOME, **_NOTED,
    },
    Kind.PUSH_APPLIED: {
        "decision": "whole", "moved": "list", "opens": "list", "landed": "list", "abandoned": "list",
        "let_through?": "bool",
    },
    Kind.PUSH_RELEASED: {"decision": "whole", "lines": "list", "landed": "bool"},
    Kind.LANDING_ASKED: {
        "change": "whole", "patch_set": "whole", "head": "text", "target": "text", "token": "text", **_STATED,
    },
    Kind.LANDING_REFUSED: {"asked": "whole", "change": "whole", "code": "text", "message": "text"},
    Kind.SIGN_OFF_GIVEN: {
        "verdict": "text", "binding": "object", "expires_at": "whole", "single_person": "bool", **_STATED,
    },
    Kind.SIGN_OFF_WITHDRAWN: {"change": "whole", **_STATED},
    Kind.REFS_DRIFTED: {"refs": "list", "count": "whole", "reason": "text"},
    Kind.FREEZE_LIFTED: {
        "freeze": "whole", "remediation": "text", "refs": "list", "unreviewed": "list", "scope?": "text", **_STATED,
    },
    Kind.CONTINUITY_CHECKED: {"hooks": "text", "outdated": "whole"},
    Kind.CONTINUITY_LAPSE: {
        "since": "whole", "until": "whole", "faults": "list", "hooks": "text", "refs": "list", "taken": "list",
        "observed": "bool", "freezes": "bool", "reason": "text",
    },
    Kind.REQUEST_REFUSED: {"code": "text", "message": "text", "lines?": "list"},
    Kind.FREEZE_IMPOSED: {
        "scope": "text", "value": "text", "repository": "text", "reason": "text", "expires_at": "whole",
        "trigger": "text", "counted?": "list", "statement?": "object",
    },
    Kind.VETO_CAST: {
        "kind": "text", "name": "text", "number": "whole", "head": "text", "diff_digest": "text", "reason": "text",
        **_STATED,
    },
    Kind.VETO_LIFTED: {"veto": "whole", "how": "text", "reason": "text", **_STATED},
    Kind.LOCK_REQUESTED: {
        "scope": "text", "files": "list", "lines": "whole", "minutes": "whole", "token": "text", **_STATED,
    },
    Kind.LOCK_GRANTED: {"scope": "text", "request": "whole", "principal": "text", "ends_at": "whole", "passed": "list"},
    Kind.LOCK_RELEASED: {
        "scope": "text", "request": "whole", "token": "whole", "why": "text", "statement?": "object",
    },
    Kind.LIMIT_RAISED: {
        "role": "text", "action": "text", "hour": "whole", "day": "whole", "until": "whole", **_STATED,
    },
    Kind.DRAW_EPOCH_OPENED: {
        "epoch": "whole", "commitment": "text", "opens_at": "whole", "percent": "whole", "floor_slots": "whole",
    },
    Kind.DRAW_EPOCH_REVEALED: {"epoch": "whole", "key": "text", "reason": "text"},
    Kind.TERTIARY_GIVEN: {
        "change": "whole", "patch_set": "whole", "diff_digest": "text", "verdict": "text", "reason": "text",
        "author": "text", "approvers": "list", **_STATED,
    },
    Kind.OVERRIDE_ASKED: {
        "change": "whole", "patch_set": "whole", "head": "text", "reason": "text", "expires_at": "whole", **_STATED,
    },
    Kind.OVERRIDE_SIGNED: {"override": "whole", "as": "text", "stands": "bool", **_STATED},
    Kind.OVERRIDE_REVIEWED: {
        "override": "whole", "change": "whole", "verdict": "text", "reason": "text", "complete": "bool", **_STATED,
    },
    Kind.GATE_STARTED: {"feature": "text", "row": "text", **_STATED},
    Kind.GATE_EVIDENCE: {
        "feature": "text", "stage": "text", "head": "text", "digest": "text", "note": "text", "by": "object",
        "row": "text", "undoes": "bool", **_STATED,
    },
    Kind.GATE_ASKED: {
        "feature": "text", "stage": "text", "head": "text", "evidence": "list", "row": "text", **_STATED,
    },
    Kind.GATE_ADVANCED: {
        "feature": "text", "stage": "text", "head": "text", "evidence": "list", "asked": "whole", "by": "text",
        "reviewers": "whole", "row": "text", **_STATED,
    },
    Kind.MESSAGE_SENT: {
        "to": "list", "type": "text", "digest": "text", "size": "whole", "change": "whole", "expects": "text",
        "reply_to": "whole", "answers": "bool", "due_at": "whole", "role": "text", "body?": "text",
        "statement?": "object",
    },
    Kind.MESSAGE_CHECKED: {
        "registered": "whole", "files": "whole", "missing": "list", "changed": "list", "unknown": "whole",
        "digest": "text", **_STATED,
    },
    Kind.MESSAGE_OVERDUE: {"message": "whole", "type": "text", "expects": "text", "from": "text", "to": "list"},
    Kind.DECISION_RAISED: {
        "kind": "text", "question": "text", "options": "list", "role": "text", "row": "text", "expires_at": "whole",
        "change": "whole", "about": "object", "critical?": "bool", **_STATED,
    },
    Kind.DECISION_SIGNED: {
        "decision": "whole", "verdict": "text", "reason": "text", "role": "text", "prompt?": "whole", **_STATED,
    },
    Kind.DECISION_CLOSED: {
        "decision": "whole", "outcome": "text", "row": "text", "by": "list", "reason": "text", "settles": "list",
        "statement?": "object",
    },
    Kind.DECISION_AWAITED: {
        "decision": "whole", "to": "text", "approved_in": "list", "sent": "list", "expires_at": "whole",
    },
    Kind.DECISION_CONFIRMED: {
        "decision": "whole", "awaited": "whole", "channel": "text", "how": "text", "statement?": "object",
    },
    Kind.DECISION_HELD: {"decision": "whole", "awaited": "whole", "to": "text", "sent": "list"},
    Kind.DECISION_DISOWNED: {
        "decision": "whole", "awaited": "whole", "channel": "text", "how": "text", "freeze": "whole",
        "statement?": "object",
    },
    Kind.CANARY_PLANTED: {"marks": "list", **_STATED},
    Kind.CANARY_REVEALED: {
        "planted": "whole", "canary": "object", "salt": "text", "change": "whole", "answers": "list", **_STATED,
    },
    Kind.FINDING_RECORDED: {
        "found": "list", "reviews": "whole", "people": "whole", "questions": "whole", "spent": "text", "power": "text",
        "until": "whole", **_STATED,
    },
    Kind.LOCK_ASKED: {
        "scope": "text", "deed": "text", "request": "whole", "token": "whole", "minutes": "whole", "reason": "text",
        "row": "text", **_STATED,
    },
    Kind.LOCK_COSIGNED: {
        "scope": "text", "asked": "whole", "deed": "text", "request": "whole", "token": "whole", "by": "text",
        "ends_at": "whole", "row": "text", **_STATED,
    },
    Kind.FACTOR_ENROLLED: {
        "factor": "text", "principal": "text", "kind": "text", "label": "text", "how": "text", "counts_from": "whole",
        "public": "object", "step": "whole", "count": "whole", "recovery": "list", "redeemed": "text",
        "used": "object", "statement?": "object",
    },
    Kind.FACTOR_REMOVED: {
        "factor": "text", "principal": "text", "kind": "text", "used": "object", "statement?": "object",
    },
    Kind.FACTOR_RESET: {"principal": "text", "factors": "list", **_STATED},
    Kind.PROMPT_OPENED: {
        "for": "text", "statements": "list", "shown": "text", "digest": "text", "acts": "list", "needs": "whole",
        "single_person": "bool", "expires_at": "whole",
    },
    Kind.PROMPT_APPROVED: {
        "prompt": "whole", "by": "text", "factor": "text", "step": "whole", "count": "whole", "channel": "text",
        "complete": "bool", "single_person": "bool",
    },
    Kind.PROMPT_DENIED: {"prompt": "whole", "by": "text", "reason": "text"},
    Kind.ALERT_RAISED: {"severity": "text", "code": "text", "message": "text", "do": "text", "statement?": "object"},
    Kind.NOTICE_CLOSED: {
        "notices": "list", "channel": "text", "to": "text", "outcome": "text", "attempts": "whole", "key": "text",
        "said": "text",
    },
    Kind.ACCOUNT_CONTACT: {"channel": "text", "set": "bool", **_STATED},
    Kind.ACCOUNT_SET: {"principal": "text", "digest": "text", **_STATED},
    Kind.SESSION_OPENED: {
        "principal": "text", "session": "text", "expires_at": "whole", "how": "text", "factor": "text",
        "step": "whole", "count": "whole", "challenge": "text",
    },
    Kind.SESSION_CLOSED: {"principal": "text", "session": "text", "reason": "text"},
    Kind.SESSION_REFUSED: {"principal": "text", "code": "text"},
    Kind.REPORT_ISSUED: {
        "report": "text", "day": "text", "zone": "text", "number": "whole", "digest": "text", "previous": "text",
        "since": "whole", "until": "whole", "first": "whole", "upto": "whole", "about": "whole", "size": "whole",
        "root": "text", "checkpoint": "text", "statement?": "object",
    },
    Kind.INTEGRITY_CHECKED: {"what": "text", "size": "whole"},
}  # fmt: skip

VERSIONS = {Kind.PUSH_DECIDED: 2, Kind.FREEZE_LIFTED: 2, Kind.TOKEN_ISSUED: 2, Kind.DECISION_SIGNED: 2}
"""Kinds whose shape has changed since they were first registered."""

KINDS = Kinds({kind.value: Shaped(VERSIONS.get(kind, 1), shape) for kind, shape in _SHAPES.items()})
