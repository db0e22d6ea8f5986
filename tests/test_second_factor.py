"""Which statements of whom need a second factor: one row each, and its look-alike that needs none."""

from __future__ import annotations

import pytest

from builders import a_principal
from factor_world import asking
from governance.parameters import ACTS
from governance.second_factor import Demand, Held, demanded

OWNER, MIA, AGENT = a_principal("owner"), a_principal("mia", "human"), a_principal("dev-a")
TWO = Held(2, own=True)
ASKED = {
    "thaw": ("thaw", {}, "thaw", 2),
    "a freeze lifted": ("freeze.lift", {}, "thaw", 2),
    "a veto lifted": ("veto.lift", {"how": "lift"}, "veto-lift", 1),
    "a veto lifted in an odd way": ("veto.lift", {}, "veto-lift", 1),
    "an override signed": ("override.sign", {}, "override", 1),
    "an override reviewed": ("override.review", {}, "override", 1),
    "a principal": ("principal.add", {}, "roster", 2),
    "an invitation": ("principal.invite", {}, "roster", 2),
    "a retirement": ("principal.retire", {}, "roster", 2),
    "a repository": ("repository.add", {}, "repository", 1),
    "an adoption": ("repository.adopt", {}, "repository", 1),
    "a mode": ("repository.mode", {}, "repository", 1),
    "a removal": ("repository.remove", {}, "repository", 1),
    "a key": ("key.rotate", {}, "key", 1),
    "a limit": ("limit.raise", {}, "limit", 1),
    "evidence to deploy": ("gate.evidence", {"stage": "DEPLOY"}, "deploy", 1),
    "a deployment co-signed": ("gate.cosign", {"stage": "DEPLOY"}, "deploy", 1),
    "a critical decision": ("decision.sign", {"verdict": "approve"}, "decision", 1),
    "a sign-off": ("sign_off", {"verdict": "approve"}, "sign-off", 1),
    "a third review": ("tertiary", {"verdict": "approve"}, "tertiary", 1),
    "a dismissal": ("tertiary", {"verdict": "dismiss"}, "tertiary", 1),
    "a password": ("account.password", {}, "account", 1),
    "a telephone": ("account.contact", {}, "account", 1),
    "another factor": ("factor.enroll", {}, "factor", 1),
    "a factor less": ("factor.remove", {}, "factor", 1),
    "a reset": ("factor.reset", {}, "factor", 1),
}
FREE = {
    "a veto": ("veto.cast", {}),
    "one's own veto withdrawn": ("veto.lift", {"how": "withdraw"}),
    "a freeze": ("freeze.impose", {}),
    "a rejection": ("sign_off", {"verdict": "reject"}),
    "a withdrawal": ("sign_off.withdraw", {}),
    "a block": ("tertiary", {"verdict": "block"}),
    "a decision rejected": ("decision.sign", {"verdict": "reject"}),
    "a key revoked": ("key.revoke", {}),
    "a token revoked": ("token.revoke", {}),
    "other evidence": ("gate.evidence", {"stage": "QA"}),
    "another gate co-signed": ("gate.cosign", {"stage": "QA"}),
    "a message": ("message.send", {}),
    "a verdict of another type": ("tertiary", {"verdict": ["approve"]}),
    "recovering": ("factor.recover", {}),
}


@pytest.mark.parametrize(("type_", "body", "act", "needs"), ASKED.values(), ids=ASKED)
def test_a_person_is_asked(type_: str, body: dict[str, object], act: str, needs: int) -> None:
    for who in (OWNER, MIA):
        assert demanded(asking(), who, type_, body, TWO, decides="architecture") == Demand(act, needs)
    assert demanded(asking(), AGENT, type_, body, TWO, decides="architecture") is None
    others = asking(*set(ACTS) - {act})
    assert demanded(others, OWNER, type_, body, TWO, decides="architecture") is None


@pytest.mark.parametrize(("type_", "body"), FREE.values(), ids=FREE)
def test_a_person_is_not_asked(type_: str, body: dict[str, object]) -> None:
    assert demanded(asking(), OWNER, type_, body, TWO, decides="architecture") is None


def test_every_act_has_a_row() -> None:
    assert {act for _, _, act, _ in ASKED.values()} == set(ACTS)


def test_a_decision_that_need_not_reach_anybody_is_everyday_work() -> None:
    body = {"verdict": "approve"}
    assert demanded(asking(), OWNER, "decision.sign", body, TWO, decides="priorities") is None
    assert demanded(asking(), OWNER, "decision.sign", body, TWO, decides="unheard-of") is not None
    assert demanded(asking(), OWNER, "decision.sign", body, TWO) is not None


@pytest.mark.parametrize(
    ("quorum", "holders", "needs", "single"),
    [(2, 0, 1, True), (2, 1, 1, True), (2, 3, 2, False), (3, 2, 2, False), (1, 3, 1, False)],
)
def test_a_quorum_is_no_more_than_there_are(quorum: int, holders: int, needs: int, single: bool) -> None:  # noqa: FBT001
    found = demanded(asking(quorum=quorum), OWNER, "thaw", {}, Held(holders, own=True))
    assert found == Demand("thaw", needs, single_person=single)


def test_a_first_factor_and_taking_one_back_ask_for_none() -> None:
    none = Held(1, own=False)
    assert demanded(asking(), OWNER, "factor.enroll", {}, none) is None
    assert demanded(asking(), OWNER, "factor.remove", {}, Held(1, own=True, removes=False)) is None
    assert demanded(asking(), OWNER, "factor.reset", {}, none) is not None
