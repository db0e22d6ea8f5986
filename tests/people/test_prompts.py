from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from builders import REPOSITORY, a_policy
from factor_world import MINUTE, FactorWorld
from governance.errors import ConflictError, DeniedError, FactorError, NotFoundError, RequestError
from governance.people import acts, prompts, showing, totp
from governance.policy_text import describe, from_meaning
from governance.review import acts as review
from governance.review import changes
from governance.state import read

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from governance.people.statements import Statement

ROSE = {"name": "rose", "role": "dev-b", "emails": ["rose@example.org"]}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[FactorWorld]:
    with FactorWorld(tmp_path) as made:
        made.enroll("owner")
        yield made
        assert made.difference() == ""


def rose(world: FactorWorld, name: str = "rose", by: str = "owner") -> Statement:
    return world.said("principal.add", by, {**ROSE, "name": name, "emails": [f"{name}@example.org"]})


def add(world: FactorWorld, said: Statement) -> object:
    return acts.add_principal(world.service, world.caller(said.by), said, secret=said.digest)


def code_of(world: FactorWorld, prompt: dict[str, object], by: str, **more: str) -> str:
    with pytest.raises(RequestError) as caught:
        world.approve(prompt, by, **more)
    return caught.value.code


def test_several_statements_are_approved_together(world: FactorWorld) -> None:
    said = [rose(world, name) for name in ("rose", "lily", "ivy")]
    prompt = world.ask(*said)
    assert [digest for digest, _ in prompt["statements"]] == [each.digest for each in said]
    world.approve(prompt, "owner")
    for each in said:
        add(world, each)
    with pytest.raises(RequestError) as caught:
        world.ask(said[0], said[0])
    assert caught.value.code == "prompt.malformed"


def test_two_persons_approve_where_two_hold_a_factor(world: FactorWorld) -> None:
    world.enroll("mia")
    said = rose(world)
    prompt = world.ask(said)
    assert (prompt["needs"], prompt["single_person"]) == (2, False)
    assert not world.approve(prompt, "owner")["complete"]
    assert code_of(world, prompt, "owner") == "prompt.approved_already"
    with pytest.raises(DeniedError) as caught:
        add(world, said)
    assert caught.value.code == "factor.needed"
    assert world.approve(prompt, "mia")["complete"]
    add(world, said)


def test_two_others_are_no_quorum_without_the_one_who_says_it(world: FactorWorld) -> None:
    world.enroll("mia")
    prompt = world.ask(rose(world))
    assert not world.approve(prompt, "mia")["complete"]
    assert world.approve(prompt, "owner")["complete"]


def test_a_second_person_since_the_prompt_was_opened_is_needed_too(world: FactorWorld) -> None:
    said = rose(world)
    world.approve(world.ask(said), "owner")
    world.enroll("mia")
    with pytest.raises(DeniedError) as caught:
        add(world, said)
    assert caught.value.code == "factor.needed"


def test_nobody_else_answers_what_is_for_one(world: FactorWorld) -> None:
    world.enroll("mia")
    prompt = world.ask(world.said("limit.raise", "owner", {"role": "dev-a"}))
    assert code_of(world, prompt, "mia") == "prompt.not_yours"
    with world.service.read() as tx:
        assert [p["prompt"] for p in prompts.pending_for(tx, "owner", world.now)] == [prompt["prompt"]]
        assert prompts.pending_for(tx, "mia", world.now) == []
        assert len(prompts.pending(tx, world.now)) == 1


def test_the_digest_is_typed_back(world: FactorWorld) -> None:
    prompt = world.ask(rose(world))
    assert code_of(world, prompt, "owner", typed="000000") == "prompt.digest"
    spaced = f" {prompt['digest'][:3].upper()}-{prompt['digest'][3:]} ".replace("0", "O").replace("1", "l")
    assert world.approve(prompt, "owner", typed=spaced)["complete"]


def test_nobody_is_asked_for_what_is_refused_anyway(world: FactorWorld) -> None:
    taken = rose(world, "owner")
    with pytest.raises(ConflictError):
        add(world, taken)
    assert world.kinds()[-1] == "request.refused"


def test_what_waits_for_a_factor_has_done_nothing(world: FactorWorld) -> None:
    before, said = world.kinds(), rose(world)
    with pytest.raises(DeniedError) as caught:
        add(world, said)
    assert caught.value.code == "factor.needed"
    assert world.kinds() == [*before, "request.refused"]
    with world.service.read() as tx:
        assert read.roster(tx).get("rose") is None
    assert world.ledger.run(world.service.under_lock.roster).get("rose") is None
    world.approve(world.ask(said), "owner")
    add(world, said)
    assert world.ledger.run(world.service.under_lock.roster).get("rose") is not None


def test_a_digest_differs_with_a_statement_and_with_a_word() -> None:
    assert prompts.short("a", ["1"]) != prompts.short("a", ["2"]) != prompts.short("b", ["1"])
    assert len(prompts.short("a", [])) == prompts.DIGEST_CHARACTERS


def test_a_prompt_runs_out_and_so_does_its_approval(world: FactorWorld) -> None:
    said = rose(world)
    prompt = world.ask(said)
    world.approve(prompt, "owner")
    world.later(5 * MINUTE)
    with pytest.raises(DeniedError) as caught:
        add(world, said)
    assert caught.value.code == "factor.needed"
    late = world.ask(rose(world, "lily"))
    world.later(5 * MINUTE)
    assert code_of(world, late, "owner") == "prompt.over"
    with world.service.read() as tx:
        assert prompts.shown(tx, late["prompt"], at=world.now)["state"] == "expired"


def test_a_denied_prompt_is_over(world: FactorWorld) -> None:
    world.enroll("mia")
    prompt = world.ask(rose(world))
    done = prompts.deny(world.service, world.caller("mia"), prompt["prompt"], "that was not you")
    assert (done["state"], done["complete"]) == ("denied", False)
    assert code_of(world, prompt, "owner") == "prompt.over"
    with pytest.raises(ConflictError):
        prompts.deny(world.service, world.caller("owner"), prompt["prompt"], "")


def test_nobody_is_tired_out(world: FactorWorld) -> None:
    waiting = [world.ask(rose(world, f"rose{n}")) for n in range(prompts.MOST_OPEN)]
    with pytest.raises(DeniedError) as caught:
        world.ask(rose(world, "lily"))
    assert caught.value.code == "prompt.too_many"
    for each in waiting:
        prompts.deny(world.service, world.caller("owner"), each["prompt"], "")
    world.ask(rose(world, "ivy"))
    world.later(5 * MINUTE)
    for n in range(2):
        prompts.deny(world.service, world.caller("owner"), world.ask(rose(world, f"daisy{n}"))["prompt"], "")
    with pytest.raises(DeniedError, match="6 of this hour"):
        world.ask(rose(world, "lily"))
    world.later(60 * MINUTE)
    world.ask(rose(world, "lily"))


def test_a_statement_that_could_not_be_acted_on_opens_no_prompt(world: FactorWorld) -> None:
    forged = world.said("principal.add", "owner", ROSE, signer="dev-a")
    with pytest.raises(DeniedError):
        world.ask(forged)
    stale = world.said("principal.add", "owner", ROSE, at=world.now - 11 * MINUTE)
    with pytest.raises(DeniedError):
        world.ask(stale)
    with pytest.raises(RequestError) as caught:
        world.ask(world.said("veto.cast", "owner", {}))
    assert caught.value.code == "prompt.needless"
    with pytest.raises(DeniedError) as nobody:
        world.ask(rose(world, by="mia"))
    assert nobody.value.code == "factor.none"
    assert world.rows("select count(*) from prompt") == [(0,)]


def test_what_is_asked_has_a_number(world: FactorWorld) -> None:
    with pytest.raises(NotFoundError):
        prompts.answer(
            world.service, world.caller("owner"), 9999, typed="x", proof=prompts.factors.Code("1"), channel="terminal"
        )


def test_a_retired_approver_counts_no_more(world: FactorWorld) -> None:
    world.enroll("mia")
    said, gone = rose(world), world.said("principal.retire", "owner", {"name": "mia"})
    prompt = world.ask(said, gone)
    world.approve(prompt, "owner")
    world.approve(prompt, "mia")
    acts.retire_principal(world.service, world.caller("owner"), gone)
    with pytest.raises(DeniedError) as caught:
        add(world, said)
    assert caught.value.code == "factor.needed"


def test_a_sign_off_shows_the_change_whole(world: FactorWorld) -> None:
    world.enroll("mia")
    world.applied(world.open_change())
    with world.service.read() as tx:
        bound = changes.shown(tx, REPOSITORY, 1, policy=world.policy)["binding"]
    said = world.said("sign_off", "mia", {"verdict": "approve", "binding": bound})
    with pytest.raises(DeniedError) as caught:
        review.sign_off(world.service, world.caller("mia"), said, REPOSITORY)
    assert caught.value.code == "factor.needed"
    prompt = world.ask(said)
    for part in (
        "Prune the roses",
        "dev-a (agent, dev-a, run by owner)",
        "refs/heads/main",
        world.policy.digest,
        "risk",
    ):
        assert part in prompt["shown"]
    # Who may not read in a repository reads no prompt about it in the ledger either.
    assert [entry["repo"] for entry in world.bodies("kind='prompt.opened'")] == [REPOSITORY]
    world.approve(prompt, "mia")
    assert review.sign_off(world.service, world.caller("mia"), said, REPOSITORY)["verdict"] == "approve"
    # Refused for want of a factor and then done is one attempt, not two.
    assert world.rows("select count(*) from attempt where action='peer_review'") == [(1,)]
    reject = world.said("sign_off", "mia", {"verdict": "reject", "binding": bound})
    assert review.sign_off(world.service, world.caller("mia"), reject, REPOSITORY)["verdict"] == "reject"


def test_a_prompt_is_about_one_repository(world: FactorWorld) -> None:
    said = [
        world.said("repository.mode", "owner", {"repository": "garden"}),
        world.said("repository.adopt", "owner", {"name": "shed"}),
    ]
    with pytest.raises(RequestError) as caught:
        world.ask(*said)
    assert caught.value.code == "prompt.malformed"
    assert world.ask(said[0], rose(world))["acts"] == ["repository", "roster"]


def test_what_others_wrote_cannot_look_like_ours(world: FactorWorld) -> None:
    body = {**ROSE, "model_family": "x\npolicy: 0\u202e", "emails": ["rose@example.org"]}
    shown = world.ask(world.said("principal.add", "owner", body))["shown"]
    assert "\\npolicy: 0\\u202e" in shown
    assert "\u202e" not in shown
    named = {**ROSE, "what the ledger knows of it": "x", "enrols: an agent, as dev-b\n": "", "about: mia (human": "y"}
    lines = [line.strip() for line in world.ask(world.said("principal.add", "owner", named))["shown"].split("\n")]
    assert '"what the ledger knows of it": x' in lines
    assert '"about: mia (human": y' in lines
    ours, theirs = lines.index("what the ledger knows of it:"), lines.index("what the statement says, whole:")
    assert lines[ours + 1 : theirs] == ["enrols: an agent, as dev-b"]


def test_of_a_statement_nothing_is_cut_off(world: FactorWorld) -> None:
    emails = [f"rose{n}@example.org" for n in range(400)]
    shown = world.ask(world.said("principal.add", "owner", {**ROSE, "emails": [*emails, "mallory@example.org"]}))[
        "shown"
    ]
    assert len(shown) > showing.VALUE_LIMIT
    assert all(email in shown for email in (*emails, "mallory@example.org"))


def test_what_is_too_much_to_read_is_not_asked(world: FactorWorld) -> None:
    body = {f"field{n}": "z" * 300 for n in range(48)}
    said = [world.said("principal.add", "owner", body, nonce=str(n)) for n in range(4)]
    with pytest.raises(RequestError) as caught:
        world.ask(*said)
    assert caught.value.code == "prompt.too_large"
    escaped = {f"field{n}": "\u202e" * 300 for n in range(8)}
    assert world.ask(world.said("principal.add", "owner", escaped))["needs"] == 1
    assert world.ask(world.said("principal.add", "owner", {"refs": {"\\" * n: "" * 40 for n in range(1, 50)}}))


def test_a_passkey_signs_for_one_prompt_and_one_person(world: FactorWorld) -> None:
    numbers = [world.ask(rose(world, name))["prompt"] for name in ("rose", "lily")]
    with world.service.read() as tx:
        found = {prompts.challenge_of(tx, "log", n, who) for n in numbers for who in ("owner", "mia")}
    assert len(found) == 4
    assert {len(each) for each in found} == {32}


def test_a_wrong_code_is_counted_in_the_transaction_that_looked_at_it(world: FactorWorld) -> None:
    prompt = world.ask(rose(world))
    for _ in range(2):
        with pytest.raises(FactorError):
            world.approve(prompt, "owner", code="000000")
    assert world.rows("select number from factor_failure where principal='owner' order by number") == [(1,), (2,)]
    assert totp.step_of(world.apps["owner"], "12345", now=world.now) is None


def test_an_older_policy_asks_for_everything_and_keeps_its_digest() -> None:
    said = describe(a_policy())
    del said["second_factor"]
    old = from_meaning(said)
    assert "second_factor" in describe(old)
    assert from_meaning(describe(replace(old))).controls.second_factor.quorum == 2
    assert old.digest != from_meaning(describe(old)).digest
