from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from factor_world import HOUR, MINUTE, STEP, FactorWorld, asking
from governance.errors import ConflictError, DeniedError, FactorError, NotFoundError, RequestError, UnavailableError
from governance.people import acts, factors, having, prompts, rotating, tokens, totp
from governance.people.factors import Assertion, Code
from governance.record import SERVICE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from governance.people.statements import Statement

ROSE = {"name": "rose", "role": "dev-b", "emails": ["rose@example.org"]}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[FactorWorld]:
    with FactorWorld(tmp_path) as made:
        yield made
        assert made.difference() == ""


def add(world: FactorWorld, said: Statement) -> dict[str, object]:
    return acts.add_principal(world.service, world.caller(said.by), said, secret=f"s {said.digest}")


def rose(world: FactorWorld, name: str = "rose") -> Statement:
    return world.said("principal.add", "owner", {**ROSE, "name": name, "emails": [f"{name}@example.org"]})


# A factor.


def test_who_was_guessed_at_is_told_what_they_can_do_without_a_factor(world: FactorWorld) -> None:
    world.enroll("owner")
    prompt = world.ask(rose(world))
    for _ in range(5):
        with pytest.raises(FactorError):
            world.approve(prompt, "owner", code="000000")
    with pytest.raises(FactorError) as locked:
        world.approve(prompt, "owner")
    assert (locked.value.code, locked.value.mend) == ("factor.locked", factors.NOT_YOU)
    mine = "tws_" + "A" * 43
    issued = tokens.issued(mine, principal="owner", repository="", expires_at=world.now + HOUR, actor=SERVICE,
                           statement={})  # fmt: skip
    old = world.service.ledger.run(lambda tx: tx.append(issued)).subject
    said = world.said("token.rotate", "owner", {"id": old})
    assert rotating.rotate_token(world.service, world.caller("owner"), said, token="tws_" + "B" * 43)["replaces"] == old


def test_a_first_factor_counts_at_once_and_one_approval_serves_one_act(world: FactorWorld) -> None:
    done = world.enroll("owner")
    assert (done["how"], done["counts_from"], len(set(done["recovery_codes"]))) == ("first", world.now, 10)
    said = rose(world)
    with pytest.raises(DeniedError) as caught:
        add(world, said)
    assert caught.value.code == "factor.needed"

    prompt = world.ask(said)
    assert (prompt["needs"], prompt["single_person"], prompt["acts"]) == (1, True, ["roster"])
    assert "rose@example.org" in prompt["shown"]
    assert said.digest in prompt["shown"]
    answered = world.approve(prompt, "owner")
    assert (answered["complete"], answered["state"]) == (True, "approved")
    assert add(world, said)["name"] == "rose"

    with pytest.raises(ConflictError) as again:
        add(world, said)
    assert again.value.code == "statement.replayed"
    with pytest.raises(DeniedError) as other:
        add(world, rose(world, "lily"))
    assert other.value.code == "factor.needed"


def test_nothing_secret_stands_in_an_entry(world: FactorWorld) -> None:
    done = world.enroll("owner")
    whole = json.dumps(world.bodies())
    assert world.apps["owner"].hex() not in whole
    assert not any(code in whole for code in done["recovery_codes"])
    (text,) = world.rows("select value from ledger_private where field='secret'")[0]
    name = factors.sealed_name(world.service.log, "owner", done["factor"])
    assert world.service.vault.open(name, text) == world.apps["owner"]
    with pytest.raises(UnavailableError):
        world.service.vault.open(name.replace("owner", "mia"), text)


def tried(world: FactorWorld, drift: int) -> str:
    """Return the code that an answer with the code of another step is refused with; empty where it is good."""
    prompt = world.ask(rose(world, f"rose{world.rows('select count(*) from prompt')[0][0]}"))
    try:
        world.approve(prompt, "owner", code=world.code("owner", drift))
    except FactorError as exc:
        prompts.deny(world.service, world.caller("owner"), prompt["prompt"], "")
        return exc.code
    return ""


def test_a_code_is_good_for_its_step_and_one_either_way_and_once(world: FactorWorld) -> None:
    world.enroll("owner")  # With the code of the step before.
    told = [tried(world, drift) for drift in (-2, -1, 2, 0, 0, 1)]
    assert told == ["factor.wrong", "factor.used", "factor.wrong", "", "factor.used", ""]
    world.later()
    prompt = world.ask(rose(world, "daisy"))
    with pytest.raises(FactorError, match="used before"):
        world.approve(prompt, "owner")  # It was used as the next one.
    world.later()
    assert world.approve(prompt, "owner")["complete"]


def test_an_enrolment_proves_possession(world: FactorWorld) -> None:
    with pytest.raises(RequestError) as caught:
        world.enroll("owner", code="000000")
    assert caught.value.code == "factor.not_proved"
    said = world.said("factor.enroll", "owner", {"kind": "totp", "label": "phone", "factor": "0" * 16})
    with pytest.raises(RequestError) as other:
        world.enroll_as("owner", world.secret("owner"), said)
    assert other.value.code == "factor.other"
    with pytest.raises(RequestError) as short:
        having.app("AAAA", "000000", label="", now=world.now)
    assert short.value.code == "factor.secret"


def test_a_late_first_factor_waits(world: FactorWorld) -> None:
    world.later(16 * MINUTE)
    assert world.enroll("owner")["how"] == "alone"
    with pytest.raises(DeniedError) as caught:
        add(world, rose(world))
    assert caught.value.code == "factor.cooling"
    world.later(24 * HOUR)
    said = rose(world)
    world.approve(world.ask(said), "owner")
    add(world, said)


def test_another_factor_is_approved_by_one_in_force(world: FactorWorld) -> None:
    world.enroll("owner")
    with pytest.raises(DeniedError) as caught:
        world.enroll("owner", number=1)
    assert caught.value.code == "factor.needed"
    second = world.secret("owner", number=1)
    said = world.said(
        "factor.enroll", "owner", {"kind": "totp", "label": "phone", "factor": factors.identifier(second)}
    )
    world.approve(world.ask(said), "owner")
    done = world.enroll_as("owner", second, said)
    assert (done["how"], done["counts_from"], done["recovery_codes"]) == ("another", world.now, [])
    world.later()
    again = world.said("factor.enroll", "owner", dict(said.body), nonce="again")
    world.approve(world.ask(again), "owner")
    with pytest.raises(ConflictError, match="enrolled before"):
        world.enroll_as("owner", second, again)


def test_a_session_enrols_another_with_a_proof_and_removes_with_one(world: FactorWorld) -> None:
    first = world.enroll("owner")
    old = world.apps["owner"]
    with pytest.raises(DeniedError):
        world.enroll_as("owner", world.secret("owner", number=1), None)
    proof = Code(totp.at(old, world.now // STEP))
    done = world.enroll_as("owner", world.secret("owner", number=1), None, proof=proof)
    assert done["how"] == "another"
    with pytest.raises(DeniedError):
        having.remove(world.service, world.caller("owner"), first["factor"])
    with pytest.raises(FactorError, match="used before"):
        having.remove(world.service, world.caller("owner"), first["factor"], proof=proof)
    new = Code(world.code("owner"))
    having.remove(world.service, world.caller("owner"), first["factor"], proof=new)
    assert world.rows("select count(*) from ledger_private where field='secret'") == [(1,)]


# Recovery and reset.


def test_a_recovery_code_approves_nothing_and_lets_a_new_factor_count_later(world: FactorWorld) -> None:
    codes = world.enroll("owner")["recovery_codes"]
    with pytest.raises(FactorError) as wrong:
        world.enroll("owner", number=1, type_="factor.recover", recovery="0000-0000-0000-0000")
    assert wrong.value.code == "factor.recovery"
    done = world.enroll("owner", number=1, type_="factor.recover", recovery=codes[3].upper().replace("-", " "))
    assert (done["how"], done["counts_from"], done["recovery_codes"]) == ("recovered", world.now + 24 * HOUR, [])
    with pytest.raises(FactorError):
        world.enroll("owner", number=2, type_="factor.recover", recovery=codes[3])
    prompt = world.ask(rose(world))
    with pytest.raises(FactorError):
        world.approve(prompt, "owner")  # The new app's: it does not count yet.
    with pytest.raises(FactorError):
        world.approve(prompt, "owner", code=codes[4])


def test_what_does_not_count_yet_is_taken_back_without_a_factor(world: FactorWorld) -> None:
    codes = world.enroll("owner")["recovery_codes"]
    done = world.enroll("owner", number=1, type_="factor.recover", recovery=codes[0])
    said = world.said("factor.remove", "owner", {"factor": done["factor"]})
    having.remove(world.service, world.caller("owner"), done["factor"], statement=said)
    first = world.rows("select id from factor where removed_seq is null")[0][0]
    said = world.said("factor.remove", "owner", {"factor": first})
    with pytest.raises(DeniedError) as caught:
        having.remove(world.service, world.caller("owner"), first, statement=said)
    assert caught.value.code == "factor.needed"


def test_only_another_person_resets_and_then_it_takes_a_day(world: FactorWorld) -> None:
    for name in ("owner", "mia"):
        world.enroll(name)
    own, said = (world.said("factor.reset", by, {"principal": "owner"}) for by in ("owner", "mia"))
    world.approve(world.ask(own), "owner")
    with pytest.raises(DeniedError) as caught:
        having.reset(world.service, world.caller("owner"), own)
    assert caught.value.code == "factor.not_oneself"
    world.approve(world.ask(said), "mia")
    assert having.reset(world.service, world.caller("mia"), said)["principal"] == "owner"
    assert world.rows("select count(*) from ledger_private where field='secret'") == [(1,)]
    done = world.enroll("owner", number=1)
    assert (done["how"], len(done["recovery_codes"])) == ("alone", 10)
    with pytest.raises(DeniedError) as cooling:
        world.ask(rose(world))
    assert cooling.value.code == "factor.cooling"


def test_of_whom_a_quorum_is_counted(world: FactorWorld) -> None:
    for name in ("owner", "mia"):
        world.enroll(name)
    said = world.said("factor.reset", "owner", {"principal": "mia"})
    world.approve(world.ask(said), "owner")
    having.reset(world.service, world.caller("owner"), said)
    for hours, needs in ((0, 2), (23, 2), (1, 1)):
        world.later(hours * HOUR)
        prompt = world.ask(rose(world, f"rose-{hours}"))
        assert prompt["needs"] == needs
        prompts.deny(world.service, world.caller("owner"), prompt["prompt"], "")


def test_agents_hold_no_factor_and_are_asked_for_none(world: FactorWorld) -> None:
    with pytest.raises(DeniedError) as caught:
        world.enroll("dev-a")
    assert caught.value.code == "factor.persons_only"
    with pytest.raises(DeniedError) as opened:
        world.ask(world.said("principal.add", "dev-a", ROSE))
    assert opened.value.code == "prompt.persons_only"
    world.enroll("owner")
    prompt = world.ask(rose(world))
    with pytest.raises(DeniedError) as answered:
        world.approve(prompt, "dev-a", code="123456")
    assert answered.value.code == "prompt.persons_only"
    said = world.said("principal.add", "dev-a", ROSE)
    with pytest.raises(DeniedError) as refused:
        add(world, said)
    assert refused.value.code == "authority.owner_only"


# Lock-out.


def guess(world: FactorWorld, prompt: dict[str, object], times: int) -> list[str]:
    found = []
    for _ in range(times):
        with pytest.raises(FactorError) as caught:
            world.approve(prompt, "owner", code="000000")
        found.append(caught.value.code)
    return found


def test_guessing_ends_after_five_and_after_ten_in_a_day_and_mia_goes_on(world: FactorWorld) -> None:
    for name in ("owner", "mia"):
        world.enroll(name)
    mine = rose(world)
    prompt = world.ask(mine)
    assert guess(world, prompt, 7) == ["factor.wrong"] * 5 + ["factor.locked"] * 2
    with pytest.raises(FactorError) as right:
        world.approve(prompt, "owner")
    assert right.value.code == "factor.locked"
    world.approve(prompt, "mia")
    world.later(15 * MINUTE)
    prompt = world.ask(rose(world, "lily"))
    assert guess(world, prompt, 6) == ["factor.wrong"] * 5 + ["factor.locked"]
    world.later(15 * MINUTE)
    assert guess(world, world.ask(rose(world, "daisy")), 1) == ["factor.locked"]
    world.later(24 * HOUR)
    assert world.approve(world.ask(rose(world, "ivy")), "owner")["approved_by"] == ["owner"]


def test_a_passkey_is_refused_where_no_page_takes_one(world: FactorWorld) -> None:
    world.enroll("owner")
    prompt = world.ask(rose(world))
    by, proof = world.caller("owner"), Assertion({"id": "x"})
    with pytest.raises(FactorError, match="not enrolled"):
        prompts.answer(world.service, by, prompt["prompt"], typed=prompt["digest"], proof=proof, channel="b")


def test_removing_what_nobody_holds(world: FactorWorld) -> None:
    world.enroll("owner")
    said = world.said("factor.remove", "owner", {"factor": "x"})
    world.approve(world.ask(said), "owner")
    with pytest.raises(NotFoundError):
        having.remove(world.service, world.caller("owner"), "x", statement=said)


def test_a_policy_that_leaves_an_act_out_does_not_ask_for_it(tmp_path: Path) -> None:
    with FactorWorld(tmp_path, policy=asking("thaw")) as world:
        assert add(world, rose(world))["name"] == "rose"
        world.enroll("owner")
        with pytest.raises(RequestError) as caught:
            world.ask(rose(world, "lily"))
        assert caught.value.code == "prompt.needless"
        assert world.enroll("owner", number=1)["how"] == "alone"
