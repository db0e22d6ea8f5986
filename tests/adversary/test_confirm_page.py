"""The page that confirms critical decisions: who may say a word there, about what, and what a look at it does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from adversary.card import Case, attack
from builders import asking_policy
from playing import Ground, Repository
from tabs import Holder, Tab

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EVIL = "https://evil.example"


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """A service that can send no codes, whose people have passkeys and approve decisions with them."""
    folder = tmp_path_factory.mktemp("f")
    made = Ground(folder / "g", policy=asking_policy(folder / "policy", "account", "decision", "factor"))
    yield made
    made.assert_sound()
    made.close()


@pytest.fixture(scope="module")
def owner(ground: Ground) -> Holder:
    return Holder(ground.owner)


@pytest.fixture
def place(ground: Ground, tmp_path: Path) -> Iterator[Repository]:
    made = ground.govern(tmp_path)
    yield made
    ground.forget(made)


def awaiting(place: Repository, owner: Holder) -> int:
    """Raise a critical decision, approve it with the passkey, in a browser; return its number."""
    path, who = f"/repositories/{place.name}/decisions", place.ground
    said = {"repository": place.name, "kind": "architecture", "question": "Move the wall?", "options": [], "change": 0}
    number = int(who["dev-a"].say("decision.raise", path, said, repository=place.name).done["decision"])
    said = {"repository": place.name, "decision": number, "verdict": "approve", "reason": "looked at it"}
    signed = owner.member.signed("decision.sign", said)
    token = owner.member.tokens[place.name]
    assert who.ask("POST", path, signed, token=token).code == "factor.needed"
    owner.approve(owner.prompt(signed))
    assert who.ask("POST", path, signed, token=token).done["outcome"] == "awaits"
    return number


def state(place: Repository, owner: Holder, number: int) -> str:
    found = owner.member.get(f"/repositories/{place.name}/decisions/{number}", repository=place.name)
    return str(found.body["state"])


def last(ground: Ground) -> tuple[str, str]:
    """Return who was refused last, and with which code."""
    found = ground.entries("request.refused")[-1]
    return found["actor"]["id"], found["data"]["code"]


@attack("X-WORD-07")
def test_what_was_approved_in_the_browser_is_not_confirmed_there(
    case: Case, place: Repository, owner: Holder, ground: Ground
) -> None:
    number, tab = awaiting(place, owner), owner.log_in()
    page = tab.get("/confirm")
    assert f"Decision {number} of {place.name}" in page.text
    assert "Yes, I approved this" not in page.text
    fields = {"csrf": page.field("csrf"), "decision": str(number), "word": "yes"}
    refused = tab.post("/confirm", fields)
    assert (refused.status, "the same channel does not confirm it" in refused.text) == (409, True)
    assert last(ground) == ("owner", "two_channels.same_channel")
    case._saw("two_channels.same_channel", recorded=True)
    assert state(place, owner, number) == "awaits confirmation"
    frozen = tab.post("/confirm", fields | {"word": "fraud"})
    assert "Everything is frozen" in frozen.text
    assert state(place, owner, number) == "rejected"
    case.twin(frozen)
    for freeze in ground.owner.get("/freezes").body["items"]:
        said = {"freeze": freeze["seq"], "repository": "", "remediation": "it was this test, as it should"}
        assert ground.owner.say("freeze.lift", f"/freezes/{freeze['seq']}/thaw", said).status == 200


@attack("T-09")
def test_only_the_pages_own_form_says_a_word(case: Case, place: Repository, owner: Holder) -> None:
    number, tab = awaiting(place, owner), owner.log_in()
    fields = {"csrf": tab.get("/confirm").field("csrf"), "decision": str(number), "word": "fraud"}
    case.turned_away(tab.post("/confirm", fields, Origin=EVIL, Sec_Fetch_Site="cross-site"), "browser.other_origin")
    case.turned_away(tab.post("/confirm", fields | {"csrf": "0" * 64}), "browser.csrf")
    case.turned_away(Tab(place.ground).post("/confirm", fields), "login.first")
    for method in ("GET", "HEAD"):
        for path in (f"/confirm?decision={number}&word=fraud", "/confirm?answer=FRAUD-MFRGGZDF"):
            assert tab.ask(method, path).status in {200, 405}
    for wrong in ({"word": "no"}, {"decision": "x"}, {"answer": "FRAUD"}, {"decision": "9" * 40}):
        assert tab.post("/confirm", fields | wrong).status == 403
    assert state(place, owner, number) == "awaits confirmation"
    assert place.ground.owner.get("/freezes").body["items"] == []
    case.twin(tab.get("/confirm"))


@attack("X-WORD-03")
def test_another_person_says_nothing_there(case: Case, place: Repository, owner: Holder, ground: Ground) -> None:
    number = awaiting(place, owner)
    mia = Holder(ground.enroll("mia", role="human"))
    tab = mia.log_in()
    page = tab.get("/confirm")
    assert "Nothing awaits your word" in page.text
    for word in ("yes", "fraud"):
        fields = {"csrf": page.field("csrf"), "decision": str(number), "word": word}
        assert tab.post("/confirm", fields).status == 404
        assert last(ground) == ("mia", "two_channels.none")
    refused = tab.post("/confirm", {"csrf": page.field("csrf"), "answer": "YES-MFRGGZDF"})
    assert (refused.status, last(ground)) == (403, ("mia", "two_channels.code"))
    case._saw("two_channels.none", recorded=True)
    assert state(place, owner, number) == "awaits confirmation"
    case.twin(owner.log_in().get("/confirm"))
