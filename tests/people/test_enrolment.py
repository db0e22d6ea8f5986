from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from audit.entry import Draft
from governance.adapters.sequoia import SequoiaVerifier
from governance.errors import ConflictError, EnrolmentError, NotFoundError, RequestError
from governance.people import enrolment, keys, tokens
from governance.people.enrolment import CHALLENGE_MS, MOST_CHALLENGES, Challenges, Enrolment
from governance.people.principals import secret_digest
from governance.record import SERVICE, Kind
from governance.signatures import CertificateInfo, SubKey, possession_challenge
from keys import Key, key_of
from service_world import LOG, SECRET, ServiceWorld

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FRESH = key_of("fresh")
TOKEN, _ = tokens.fresh("f" * 43)
PROFILE = {"name": "fern", "emails": ["fern@example.org"]}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ServiceWorld]:
    """A service that has begun, with nobody enrolled."""
    with ServiceWorld(tmp_path, people=()) as made:
        yield made
        assert made.difference() == ""


INVITED = "qa-a's secret"


@pytest.fixture
def staffed(tmp_path: Path) -> Iterator[ServiceWorld]:
    """A service where everybody is enrolled and qa-a is invited to bring another key."""
    with ServiceWorld(tmp_path) as made:
        made.append(an_invitation("qa-a", INVITED, until=made.now + 1000))
        yield made
        assert made.difference() == ""


def an_invitation(name: str, secret: str, *, until: int) -> Draft:
    data = {"digest": secret_digest(secret), "principal": name, "expires_at": until}
    return Draft(Kind.PRINCIPAL_INVITED, SERVICE, "", name, {"enrolment": data, "statement": {}})


def about(key: Key) -> CertificateInfo:
    return CertificateInfo(key.fingerprint, "ed25519", (), (SubKey(key.signing, None),), key.certificate)


def an_attempt(*, key: Key = FRESH, by: str = "fern", signer: Key | None = None, **changed: Any) -> Enrolment:  # noqa: ANN401 - a field
    text = possession_challenge(LOG, principal=by, fingerprint=key.fingerprint, nonce="nonce")
    proof = (signer or key).sign(text).decode()
    return replace(Enrolment(SECRET, about(key), "nonce", proof, PROFILE), **changed)


def enrol(world: ServiceWorld, attempt: Enrolment) -> tuple[str, str, int]:
    return enrolment.enroll(world.service, attempt, token=TOKEN)


def test_the_first_owner_comes_in_with_the_secret_and_a_proved_key(world: ServiceWorld) -> None:
    name, fingerprint, entry = enrol(world, an_attempt())

    assert (name, fingerprint) == ("fern", FRESH.fingerprint)
    assert world.kinds()[-2:] == ["principal.added", "token.issued"]
    assert entry == len(world.kinds()) - 1
    assert world.rows("select role, kind, operator from principal where name='fern'") == [("owner", "human", "fern")]
    with world.service.read() as tx:
        assert tokens.authenticate(tx, "fern", TOKEN, now=world.now).principal == "fern"


REFUSED = [
    ("a proof by another key", {"signer": key_of("qa-a")}, EnrolmentError, "key.not_possessed"),
    ("a proof for another principal", {"by": "dev-a"}, EnrolmentError, "key.not_possessed"),
    ("a proof of another nonce", {"nonce": "other"}, EnrolmentError, "key.not_possessed"),
    ("a proof that is no signature", {"proof": "trust me"}, EnrolmentError, "key.not_possessed"),
    ("a proof that is no ASCII", {"proof": "ß"}, EnrolmentError, "key.not_possessed"),
    ("no name", {"profile": {}}, RequestError, "principal.name"),
    ("no address", {"profile": {"name": "fern"}}, RequestError, "principal.email"),
]  # fmt: skip


@pytest.mark.parametrize(("changed", "error", "code"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_an_attempt_that_differs_in_one_thing_is_refused_recorded_and_uses_nothing_up(
    world: ServiceWorld, changed: dict[str, Any], error: type[RequestError], code: str
) -> None:
    with pytest.raises(error) as refused:
        enrol(world, an_attempt(**changed))
    assert refused.value.code == code
    assert world.kinds()[-1] == "request.refused"
    assert world.rows("select used_seq from enrolment") == [(None,)]
    assert enrol(world, an_attempt())


def test_who_is_invited_comes_in_with_a_key_that_is_nobody_s_yet(staffed: ServiceWorld) -> None:
    def attempt(key: Key) -> Enrolment:
        return an_attempt(key=key, by="qa-a", secret=INVITED, profile={})

    for taken in ("qa-a", "dev-b"):
        with pytest.raises(ConflictError) as refused:
            enrol(staffed, attempt(key_of(taken)))
        assert refused.value.code == "key.taken"
        assert staffed.kinds()[-1] == "request.refused"
    assert enrol(staffed, attempt(FRESH))[:2] == ("qa-a", FRESH.fingerprint)
    assert staffed.signers("kind='key.enrolled'") == [FRESH.fingerprint]


def test_of_several_secrets_for_the_first_owner_one_makes_an_owner(world: ServiceWorld) -> None:
    world.append(an_invitation("", "another secret", until=world.now + 1000))
    enrol(world, an_attempt())
    entries = world.kinds()
    second = {"key": key_of("second"), "by": "moss", "profile": {"name": "moss", "emails": ["moss@example.org"]}}

    with pytest.raises(NotFoundError):
        enrol(world, an_attempt(secret="another secret", **second))
    assert world.kinds() == entries
    assert world.rows("select name from principal") == [("fern",)]


GUESSES = {"another": "guessed", "none": "", "its digest": secret_digest(SECRET), "a space more": f"{SECRET} "}


@pytest.mark.parametrize("secret", GUESSES.values(), ids=GUESSES)
@pytest.mark.parametrize("how", [{}, {"proof": "trust me"}], ids=["proved", "not proved"])
def test_a_stranger_s_guess_is_refused_and_is_not_worth_an_entry(
    world: ServiceWorld, secret: str, how: dict[str, Any]
) -> None:
    entries = world.kinds()
    with pytest.raises(NotFoundError) as refused:
        enrol(world, an_attempt(secret=secret, **how))

    assert refused.value.code == "enrolment.secret"
    assert world.kinds() == entries
    assert enrol(world, an_attempt())


def test_a_secret_opens_once(world: ServiceWorld) -> None:
    enrol(world, an_attempt())
    second = an_attempt(key=key_of("second"), profile={"name": "moss", "emails": ["moss@example.org"]}, by="moss")

    entries = world.kinds()
    with pytest.raises(NotFoundError):
        enrol(world, second)
    assert world.kinds() == entries


def test_a_secret_is_too_old_after_its_time(world: ServiceWorld) -> None:
    world.now += 1000
    with pytest.raises(NotFoundError):
        enrol(world, an_attempt())


def test_a_key_whose_signing_part_is_enrolled_is_taken_under_another_primary(staffed: ServiceWorld) -> None:
    stolen = replace(about(FRESH), signing_keys=(SubKey(key_of("qa-a").signing, None),))
    with pytest.raises(ConflictError), staffed.service.read() as tx:
        keys.free(tx, stolen)


def test_a_key_as_recorded_is_the_key_as_enrolled() -> None:
    key = FRESH.enrolled("fern")
    kept = keys.recorded(key)

    assert base64.b64decode(str(kept["certificate"])) == FRESH.certificate
    assert kept["subkeys"] == [[FRESH.signing, None]]


def test_a_proof_of_possession_is_for_this_service_only() -> None:
    text = possession_challenge("example.org/other", principal="fern", fingerprint=FRESH.fingerprint, nonce="n")
    proof = FRESH.sign(text).decode()

    def proved(origin: str) -> object:
        verifier = SequoiaVerifier()
        return keys.proved(
            about(FRESH), proof, origin=origin, principal="fern", nonce="n", verifier=verifier, at=4_102_444_800
        )

    assert proved("example.org/other")
    with pytest.raises(EnrolmentError):
        proved(LOG)


def test_a_certificate_has_a_largest_size(world: ServiceWorld) -> None:
    with pytest.raises(EnrolmentError) as refused:
        enrolment.inspected(world.service, b"x" * (enrolment.CERTIFICATE_LIMIT + 1))
    assert refused.value.code == "key.too_large"


CHALLENGES = [
    ("an unknown nonce", "other", "F", 0),
    ("a nonce for another key", "n", "G", 0),
    ("a nonce that is too old", "n", "F", CHALLENGE_MS),
]


@pytest.mark.parametrize(("nonce", "key", "later"), [row[1:] for row in CHALLENGES], ids=[row[0] for row in CHALLENGES])
def test_a_nonce_is_good_for_its_key_and_five_minutes(nonce: str, key: str, later: int) -> None:
    open_ = Challenges()
    open_.give("n", "F", now=0)
    with pytest.raises(EnrolmentError) as refused:
        open_.take(nonce, key, now=later)
    assert refused.value.code == "key.challenge"
    Challenges({"n": ("F", CHALLENGE_MS)}).take("n", "F", now=CHALLENGE_MS - 1)


def test_a_nonce_is_used_once() -> None:
    open_ = Challenges()
    open_.give("n", "F", now=0)
    open_.take("n", "F", now=1)
    with pytest.raises(EnrolmentError):
        open_.take("n", "F", now=1)


def test_too_many_nonces_are_refused_until_some_are_too_old() -> None:
    open_ = Challenges()
    for number in range(MOST_CHALLENGES):
        open_.give(str(number), "F", now=0)
    with pytest.raises(RequestError) as refused:
        open_.give("more", "F", now=CHALLENGE_MS - 1)
    assert refused.value.code == "enrolment.busy"
    assert open_.give("more", "F", now=CHALLENGE_MS) == "more"
