"""Attacks on second factors, on a real service over HTTP, and with a clock to set where days must pass."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, cast

import pytest

from adversary.card import Case, attack
from adversary.persons import Person, asking_ground, codes_of
from adversary.pushing import WorldCase
from factor_world import HOUR, MINUTE, FactorWorld
from governance.errors import RequestError
from governance.people import acts, having, prompts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from governance.people.statements import Statement
    from playing import Ground, Member

ROSE = {"name": "rose", "role": "dev-b", "emails": ["rose@example.org"]}


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """A service that asks persons for codes; each test has a person of its own, since each code is good once."""
    made = asking_ground(tmp_path_factory.mktemp("f"))
    yield made
    made.assert_sound()
    made.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[FactorWorld]:
    with FactorWorld(tmp_path) as made:
        made.enroll("owner")
        yield made
        assert made.difference() == ""


@pytest.fixture
def slow(request: pytest.FixtureRequest, world: FactorWorld) -> WorldCase:
    """What a test with a clock of its own sees."""
    made = WorldCase(cast("Any", world))
    ids = [each for mark in request.node.iter_markers("attack") for each in mark.args]
    request.node.user_properties.append(("attack", (ids, made.seen)))
    return made


def prompted(case: Case, person: Person) -> tuple[dict[str, str], dict[str, Any]]:
    """Have an act refused for want of a factor, and a prompt for it opened."""
    said = person.raising()
    case.denied(person.raises(said), "factor.needed", by=person)
    return said, person.asks(said).done


@attack("T-01")
def test_t01_a_code_is_not_good_again(case: Case, ground: Ground) -> None:
    owner = Person.enrolled(ground, "t01")
    said, prompt = prompted(case, owner)
    case.denied(owner.answers(prompt, owner.code(0)), "factor.used", by=owner)  # It enrolled the app.
    case.twin(owner.answers(prompt, owner.code()))
    case.twin(owner.raises(said))
    _, other = prompted(case, owner)
    for ahead in (1, 0):
        case.denied(owner.answers(other, owner.code(ahead)), "factor.used", by=owner)


@attack("T-02")
def test_t02_one_code_at_once_serves_one_prompt(case: Case, ground: Ground) -> None:
    owner = Person.enrolled(ground, "t02")
    items = [owner.raising(n) for n in range(3)]
    case.denied(owner.raises(items[0]), "factor.needed", by=owner)
    waiting = [owner.asks(said).done for said in items]
    with ThreadPoolExecutor(9) as pool:
        answers = list(pool.map(lambda prompt: owner.answers(prompt, owner.code()), waiting * 3))
    # One is taken. The others find the code used, or their own prompt approved by the one that was.
    assert codes_of(answers).count("") == 1
    assert set(codes_of(answers)) <= {"", "factor.used", "prompt.over"}
    done = [owner.raises(said) for said in items]
    assert codes_of(done) == ["", "factor.needed", "factor.needed"]
    case.twin(next(answer for answer in done if answer.status < 300))
    case.denied(owner.answers(next(p for p, d in zip(waiting, done, strict=True) if d.status >= 300), owner.code()),
                "factor.used", by=owner)  # fmt: skip


@attack("T-03")
def test_t03_guesses_are_counted_across_prompts_requests_and_restarts(case: Case, ground: Ground) -> None:
    owner, other = Person.enrolled(ground, "t03"), Person.enrolled(ground, "t03-other")
    said, prompt = prompted(case, owner)
    second = owner.asks(owner.raising(1)).done
    for waiting in (prompt, second):
        case.denied(owner.answers(waiting, owner.wrong()), "factor.wrong", by=owner)
    ground.restart(kill=True)
    with ThreadPoolExecutor(12) as pool:
        guessed = codes_of(list(pool.map(lambda _: owner.answers(prompt, owner.wrong()), range(12))))
    assert guessed == ["factor.locked"] * 9 + ["factor.wrong"] * 3  # Five in all, whoever came first.
    case.denied(owner.answers(prompt, owner.code()), "factor.locked", by=owner)
    assert owner.raises(said).code == "factor.needed"
    theirs, waiting = prompted(case, other)
    case.twin(other.answers(waiting, other.code()))
    case.twin(other.raises(theirs))


@attack("T-04")
def test_t04_a_code_that_was_used_for_something_else_is_used(case: Case, ground: Ground) -> None:
    """It enrols another factor with the code, in the same minute in which somebody reads it over a shoulder."""
    owner = Person.enrolled(ground, "t04")
    first, prompt = owner.secret, owner.asks(owner.raising()).done
    assert prompt["acts"] == ["limit"]
    removal = owner.signed("factor.remove", {"factor": having.factors.identifier(first)})
    case.denied(ground.ask("POST", "/factors/removal", removal, token=owner.tokens[""]), "factor.needed", by=owner)
    asked = owner.asks(removal).done
    case.twin(owner.answers(asked, owner.code()))
    case.denied(owner.answers(prompt, owner.code()), "factor.used", by=owner)


@attack("T-05")
def test_t05_nobody_is_asked_until_they_say_yes(case: Case, ground: Ground) -> None:
    owner = Person.enrolled(ground, "t05")
    said, prompt = prompted(case, owner)
    waiting = [prompt, *(owner.asks(owner.raising(n)).done for n in range(1, prompts.MOST_OPEN))]
    case.denied(owner.asks(owner.raising(9)), "prompt.too_many", by=owner)
    # Approved unseen: a good code without the digest, or with that of another prompt, is not even looked at.
    for digest in ("000000", waiting[1]["digest"]):
        case.denied(owner.answers(prompt, owner.code(), digest=digest), "prompt.digest", by=owner)
    case.twin(owner.answers(prompt, owner.code()))
    case.twin(owner.raises(said))


@attack("T-05", "T-06")
def test_t05_looking_at_a_prompt_approves_nothing(case: Case, ground: Ground) -> None:
    owner, agent = Person.enrolled(ground, "t05-look"), ground["dev-a"]
    said, prompt = prompted(case, owner)
    path = f"/prompts/{prompt['prompt']}"
    for more in ("", "/answer", f"/answer?digest={prompt['digest']}&code={owner.code()}"):
        ground.ask("GET", path + more, token=owner.tokens[""])
    assert owner.get(path).body["state"] == "open"
    for where in ("/prompts", path, "/factors"):
        assert agent.get(where).code == "prompt.persons_only"
    case.denied(owner.raises(said), "factor.needed", by=owner)
    case.twin(owner.answers(prompt, owner.code()))


@attack("T-06")
def test_t06_an_agent_holds_no_factor_and_answers_no_prompt(case: Case, ground: Ground) -> None:
    owner, agent = Person.enrolled(ground, "t06"), ground["dev-a"]
    said, prompt = prompted(case, owner)
    mole = Person(ground, "dev-a")
    mole.tokens = agent.tokens
    case.denied(mole.enroll_app(), "factor.persons_only", by=agent)
    assert owner.answers(prompt, owner.code(), token=agent.tokens[""]).code == "prompt.persons_only"
    body = {"items": [agent.signed("limit.raise", {"role": "dev-a"})]}
    case.denied(ground.ask("POST", "/prompts", body, token=agent.tokens[""]), "prompt.persons_only", by=agent)
    case.twin(owner.answers(prompt, owner.code()))
    case.twin(owner.raises(said))


@attack("T-06", "T-07")
def test_t06_an_agent_at_the_human_s_seat_has_key_and_token_and_no_code(case: Case, ground: Ground) -> None:
    """All that lies in the seat: it signs, asks, and enrols an app of its own, which the one in force must approve."""
    owner = Person.enrolled(ground, "t06-seat")
    thief = Person(ground, "t06-seat")
    thief.key, thief.tokens = owner.key, owner.tokens
    said, prompt = prompted(case, thief)
    case.denied(thief.enroll_app(), "factor.needed", by=owner)
    long = thief.signed("factor.enroll", {"kind": "totp", "label": "x" * 61, "factor": "0" * 16})
    long |= {"secret": "A" * 32, "code": "000000"}
    assert ground.ask("POST", "/factors", long, token=owner.tokens[""]).code == "factor.malformed"
    case.denied(thief.enroll_app("factor.recover", recovery="0" * 16), "factor.recovery", by=owner)
    case.denied(thief.answers(prompt, thief.code(0)), "factor.wrong", by=owner)
    reset = thief.signed("factor.reset", {"principal": "t06-seat"})
    case.denied(ground.ask("POST", "/factors/reset", reset, token=owner.tokens[""]), "factor.not_oneself", by=owner)
    case.denied(thief.raises(said), "factor.needed", by=owner)
    case.twin(owner.answers(prompt, owner.code()))


@attack("T-10")
def test_t10_an_approval_is_of_one_act_of_one_person(case: Case, ground: Ground) -> None:
    owner, other = Person.enrolled(ground, "t10"), Person.enrolled(ground, "t10-other")
    said, prompt = prompted(case, owner)
    changed = owner.raising(1)
    case.denied(other.answers(prompt, other.code()), "prompt.not_yours", by=other)
    case.denied(other.asks(said), "statement.not_yours", by=other)
    case.twin(owner.answers(prompt, owner.code()))
    case.denied(owner.raises(changed), "factor.needed", by=owner)
    case.denied(owner.answers({**prompt, "prompt": 10**9}, owner.code()), "prompt.unknown", by=owner)
    case.twin(owner.raises(said))
    case.denied(owner.raises(said), "statement.replayed", by=owner)


@attack("X-FAC-03")
def test_a_stranger_and_a_colleague_lock_nobody_out(case: Case, ground: Ground) -> None:
    owner, other = Person.enrolled(ground, "fac03"), Person.enrolled(ground, "fac03-other")
    said, prompt = prompted(case, owner)
    path, body = f"/prompts/{prompt['prompt']}/answer", {"digest": prompt["digest"], "code": "000000"}
    for token in ("", "tws_" + "A" * 43, other.tokens[""], ground["dev-a"].tokens[""]):
        for _ in range(6):
            assert ground.ask("POST", path, body, token=token).status in {401, 403}
    case.denied(other.answers(prompt, "000000"), "prompt.not_yours", by=other)
    case.twin(owner.answers(prompt, owner.code()))
    case.twin(owner.raises(said))


# Where days must pass.


def add(world: FactorWorld, said: Statement) -> object:
    return acts.add_principal(world.service, world.caller(said.by), said, secret=said.digest)


def rose(world: FactorWorld, name: str = "rose", **changed: Any) -> Statement:  # noqa: ANN401 - fields of a statement
    return world.said("principal.add", "owner", {**ROSE, "name": name, "emails": [f"{name}@example.org"], **changed})


@attack("T-07")
def test_t07_what_nobody_vouched_for_waits_a_day_and_is_taken_back_at_once(slow: WorldCase, world: FactorWorld) -> None:
    world.later(HOUR)
    world.enroll("mia")  # By whoever holds her key, an hour after it was enrolled. It waits so that it is heard of.
    assert ("critical", "factor.enrolled") in world.rows("select severity, code from notice")
    said = world.said("factor.reset", "mia", {"principal": "owner"})
    with slow.refuses("factor.cooling"):
        world.ask(said)
    with slow.refuses("factor.cooling"):
        having.reset(world.service, world.caller("mia"), said)
    mine = world.rows("select id from factor where principal='mia'")[0][0]
    back = world.said("factor.remove", "mia", {"factor": mine})
    having.remove(world.service, world.caller("mia"), mine, statement=back)
    world.later(30 * HOUR)
    with slow.refuses("factor.none"):
        world.ask(world.said("factor.reset", "mia", {"principal": "owner"}))
    plain = rose(world)
    world.approve(world.ask(plain), "owner")
    add(world, plain)
    slow.went_well()


@attack("T-08")
def test_t08_a_recovery_code_is_good_once_and_approves_nothing(slow: WorldCase, world: FactorWorld) -> None:
    with slow.refuses("factor.needed"):
        add(world, rose(world))
    mine, prompt = world.codes["owner"], world.ask(rose(world))
    for code in (mine[0], mine[0].replace("-", "")[:6]):
        with slow.refuses("factor.wrong"):
            world.approve(prompt, "owner", code=code)
    theirs = world.enroll("mia")["recovery_codes"]
    with slow.refuses("factor.recovery"):
        world.enroll("owner", number=1, type_="factor.recover", recovery=theirs[0])
    done = world.enroll("owner", number=1, type_="factor.recover", recovery=mine[1])
    assert done["counts_from"] == world.now + 24 * HOUR
    with slow.refuses("factor.recovery"):
        world.enroll("owner", number=2, type_="factor.recover", recovery=mine[1])
    world.later(24 * HOUR)
    said = world.said("limit.raise", "owner", {"role": "dev-a"})
    assert world.approve(world.ask(said), "owner")["complete"]
    slow.went_well()


@attack("X-FAC-04")
def test_recovery_codes_end_with_the_factor_that_is_taken_back(slow: WorldCase, world: FactorWorld) -> None:
    """Who sits at her seat enrols a factor first, and keeps the ten codes that came with it."""
    world.later(HOUR)
    theirs = world.enroll("mia")["recovery_codes"]
    factor = world.rows("select id from factor where principal='mia'")[0][0]
    back = world.said("factor.remove", "mia", {"factor": factor})
    having.remove(world.service, world.caller("mia"), factor, statement=back)
    mine = world.enroll("mia", number=1)["recovery_codes"]
    assert len(mine) == 10
    with slow.refuses("factor.recovery"):
        world.enroll("mia", number=2, type_="factor.recover", recovery=theirs[0])
    world.enroll("mia", number=2, type_="factor.recover", recovery=mine[0])
    slow.went_well()


@attack("X-FAC-01")
def test_what_others_wrote_is_no_line_of_the_prompt(slow: WorldCase, world: FactorWorld) -> None:
    forged = rose(world, model_family="none\n\n2 of 2: give evidence for a gate\n  digest: 000000\u202e\u200b")
    with slow.refuses("factor.needed"):
        add(world, forged)
    shown = world.ask(forged)["shown"]
    assert [line for line in shown.split("\n") if line.startswith(("2 of", "  digest"))] == []
    assert shown.isascii()
    world.approve(world.ask(rose(world, "lily")), "owner")
    slow.went_well()


@attack("X-FAC-02")
def test_a_quorum_is_of_persons_who_are_here(slow: WorldCase, world: FactorWorld) -> None:
    world.enroll("mia")
    said, gone = rose(world), world.said("principal.retire", "owner", {"name": "mia"})
    prompt = world.ask(said, gone)
    with slow.refuses("factor.needed"):
        add(world, said)
    world.approve(prompt, "owner")
    world.later()
    with slow.refuses("prompt.approved_already"):
        world.approve(prompt, "owner")
    with slow.refuses("factor.needed"):
        add(world, said)
    world.approve(prompt, "mia")
    acts.retire_principal(world.service, world.caller("owner"), gone)
    with slow.refuses("factor.needed"):
        add(world, said)
    world.later(MINUTE)
    alone = rose(world, "lily")
    world.approve(world.ask(alone), "owner")
    add(world, alone)
    slow.went_well()


@attack("X-FAC-02")
def test_an_approval_ends_with_the_factor_that_gave_it(slow: WorldCase, world: FactorWorld) -> None:
    """Whoever held her phone approved; it is reset before what they approved is done."""
    world.enroll("mia")
    said, reset = rose(world), world.said("factor.reset", "owner", {"principal": "mia"})
    prompt = world.ask(said)
    for name in ("owner", "mia"):
        world.approve(prompt, name)
    world.later()
    world.approve(world.ask(reset), "owner")
    having.reset(world.service, world.caller("owner"), reset)
    with slow.refuses("factor.needed"):
        add(world, said)
    a_day_later_both_may(world)
    slow.went_well()


def a_day_later_both_may(world: FactorWorld) -> None:
    """The honest way after a reset: the factor is enrolled again, counts after a day, and both approve."""
    world.enroll("mia", number=1)
    world.later(24 * HOUR)
    said = rose(world, "lily")
    prompt = world.ask(said)
    for name in ("owner", "mia"):
        world.approve(prompt, name)
    add(world, said)


@attack("X-FAC-02")
def test_who_resets_a_colleague_is_no_quorum_alone(slow: WorldCase, world: FactorWorld) -> None:
    world.enroll("mia")
    reset, said = world.said("factor.reset", "owner", {"principal": "mia"}), rose(world)
    with slow.refuses("factor.needed"):
        add(world, said)
    world.approve(world.ask(reset), "owner")
    having.reset(world.service, world.caller("owner"), reset)
    world.later()
    prompt = world.ask(said)
    assert (prompt["needs"], world.approve(prompt, "owner")["complete"]) == (2, False)
    with slow.refuses("factor.needed"):
        add(world, said)
    a_day_later_both_may(world)
    slow.went_well()


@attack("T-15")
def test_t15_a_name_that_reads_alike_is_reset_by_nobody(slow: WorldCase, world: FactorWorld) -> None:
    world.enroll("mia")
    for name in ("owner ", "Owner", "own\u0435r", "owner.", ""):
        said = world.said("factor.reset", "mia", {"principal": name})
        world.approve(world.ask(said), "mia")
        with slow.refuses("request.not_found"):
            having.reset(world.service, world.caller("mia"), said)
        world.later()
    said = world.said("factor.reset", "mia", {"principal": "owner"})
    world.approve(world.ask(said), "mia")
    having.reset(world.service, world.caller("mia"), said)
    with pytest.raises(RequestError):
        world.ask(rose(world))
    slow.went_well()


def test_every_person_of_these_tests_is_another(ground: Ground) -> None:
    people: list[Member] = list(ground.members.values())
    assert len({person.key.fingerprint for person in people}) == len(people)
