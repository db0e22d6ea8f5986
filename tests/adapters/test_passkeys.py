from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from webauthn.helpers import bytes_to_base64url

from authenticator import AT, UP, UV, Authenticator
from governance.adapters.passkeys import SIZE_LIMIT, Passkeys, RelyingParty
from governance.refusals import FactorRefused

if TYPE_CHECKING:
    from collections.abc import Callable

MADE, ASKED = b"m" * 32, b"a" * 32
PASSKEYS = Passkeys("example.org/twinseal", "http://127.0.0.1:8321")
OPTIONS = PASSKEYS.asked(challenge=ASKED)


@pytest.fixture
def mine() -> Authenticator:
    return Authenticator()


@pytest.fixture
def public(mine: Authenticator) -> dict[str, Any]:
    return PASSKEYS.made("mia", mine.make(PASSKEYS.wanted("mia", challenge=MADE, known=())), challenge=MADE)[0]


@pytest.mark.parametrize(
    ("url", "party", "origins"),
    [
        ("http://127.0.0.1:8321", "localhost", ("http://localhost:8321",)),
        ("http://[::1]:8321", "localhost", ("http://localhost:8321",)),
        ("http://localhost:8321", "localhost", ("http://localhost:8321",)),
        ("https://seal.example.org", "seal.example.org", ("https://seal.example.org",)),
        ("https://seal.example.org:8443", "seal.example.org", ("https://seal.example.org:8443",)),
        ("http://seal.example.org", "", ()),
        ("https://192.0.2.7", "", ()),
        ("https://[2001:db8::1]", "", ()),
        ("https://", "", ()),
    ],
)
def test_whom_passkeys_are_made_for(url: str, party: str, origins: tuple[str, ...]) -> None:
    assert RelyingParty.of(url) == RelyingParty(party, origins)


def test_where_there_can_be_none_every_question_is_refused(mine: Authenticator, public: dict[str, Any]) -> None:
    none = Passkeys("x", "http://seal.example.org")
    for ask in (
        lambda: none.asked(challenge=ASKED),
        lambda: none.wanted("mia", challenge=MADE, known=()),
        lambda: none.made("mia", {}, challenge=MADE),
        lambda: none.verify(public, mine.sign(OPTIONS), challenge=ASKED, count=0),
    ):
        with pytest.raises(FactorRefused, match="https"):
            ask()


def test_what_is_asked_of_a_browser_names_no_person_and_wants_them_verified() -> None:
    wanted = PASSKEYS.wanted("mia", challenge=MADE, known=("YWJj",))
    assert wanted["authenticatorSelection"]["userVerification"] == "required"
    assert wanted["authenticatorSelection"]["residentKey"] == "required"
    assert wanted["attestation"] == "none"
    assert [each["id"] for each in wanted["excludeCredentials"]] == ["YWJj"]
    assert "mia" not in wanted["user"]["id"]
    assert wanted["user"]["id"] != PASSKEYS.wanted("noah", challenge=MADE, known=())["user"]["id"]
    assert OPTIONS["userVerification"] == "required"
    assert OPTIONS["challenge"] == bytes_to_base64url(ASKED)


def test_a_passkey_signs_again_and_again_and_its_count_rises(mine: Authenticator, public: dict[str, Any]) -> None:
    assert PASSKEYS.verify(public, mine.sign(OPTIONS), challenge=ASKED, count=0) == 1
    assert PASSKEYS.verify(public, mine.sign(OPTIONS), challenge=ASKED, count=1) == 2
    assert json.loads(json.dumps(public)) == public


def test_one_that_does_not_count_stays_at_nothing(mine: Authenticator, public: dict[str, Any]) -> None:
    """Passkeys that are synced between devices say 0 for ever."""
    assert PASSKEYS.verify(public, mine.sign(OPTIONS, step=0), challenge=ASKED, count=0) == 0


def _other(made: dict[str, Any], **parts: bytes) -> dict[str, Any]:
    return {**made, "response": {**made["response"], **{k: bytes_to_base64url(v) for k, v in parts.items()}}}


SIGNED: dict[str, Callable[[Authenticator], Any]] = {
    "another challenge": lambda a: a.sign(PASSKEYS.asked(challenge=b"b" * 32)),
    "no challenge": lambda a: a.sign({"challenge": ""}),
    "another origin": lambda a: a.sign(OPTIONS, origin="https://evil.example"),
    "another port": lambda a: a.sign(OPTIONS, origin="http://localhost:8322"),
    "an origin that begins alike": lambda a: a.sign(OPTIONS, origin="http://localhost:8321.evil.example"),
    "within another site's frame": lambda a: a.sign(OPTIONS, crossOrigin=True),
    "below another top": lambda a: a.sign(OPTIONS, topOrigin="https://evil.example"),
    "made, not signed": lambda a: a.sign(OPTIONS, type="webauthn.create"),
    "its person not verified": lambda a: a.sign(OPTIONS, flags=UP),
    "nobody present": lambda a: a.sign(OPTIONS, flags=UV),
    "another relying party": lambda a: Authenticator(party="evil.example", secret=a.secret, id=a.id).sign(OPTIONS),
    "another key under its name": lambda a: Authenticator(id=a.id, user=a.user).sign(OPTIONS),
    "somebody else's handle": lambda a: a.sign(OPTIONS, user=b"u" * 32),
    "a signature over something else": lambda a: _other(a.sign(OPTIONS), signature=b"0" * 70),
    "no signature": lambda a: _other(a.sign(OPTIONS), signature=b""),
    "other authenticator data": lambda a: _other(a.sign(OPTIONS), authenticatorData=b"x" * 37),
    "short authenticator data": lambda a: _other(a.sign(OPTIONS), authenticatorData=b"x"),
    "client data that is no JSON": lambda a: _other(a.sign(OPTIONS), clientDataJSON=b"{"),
    "client data that is a list": lambda a: _other(a.sign(OPTIONS), clientDataJSON=b"[]"),
    "two names": lambda a: {**a.sign(OPTIONS), "rawId": "YWJj"},
    "another type": lambda a: {**a.sign(OPTIONS), "type": "password"},
    "no response": lambda a: {k: v for k, v in a.sign(OPTIONS).items() if k != "response"},
    "a response that is text": lambda a: {**a.sign(OPTIONS), "response": "x"},
    "nothing": lambda _: {},
    "a list": lambda _: [],
    "what is no JSON": lambda _: {"response": b"x"},
    "deep": lambda a: {**a.sign(OPTIONS), "x": json.loads("[" * 900 + "]" * 900)},
    "more than anybody sends": lambda a: {**a.sign(OPTIONS), "x": "x" * SIZE_LIMIT},
}


@pytest.mark.parametrize("lie", [pytest.param(lie, id=name) for name, lie in SIGNED.items() if name != "deep"])
def test_what_was_not_signed_here_now_by_its_person_is_refused(
    mine: Authenticator, public: dict[str, Any], lie: Callable[[Authenticator], Any]
) -> None:
    with pytest.raises(FactorRefused):
        PASSKEYS.verify(public, lie(mine), challenge=ASKED, count=0)
    assert PASSKEYS.verify(public, mine.sign(OPTIONS), challenge=ASKED, count=0) > 0


@pytest.mark.parametrize("count", [1, 2, 2**32 - 1])
def test_a_count_that_does_not_rise_is_a_copys(mine: Authenticator, public: dict[str, Any], count: int) -> None:
    with pytest.raises(FactorRefused, match="count"):
        PASSKEYS.verify(public, mine.sign(OPTIONS), challenge=ASKED, count=count)


def test_another_passkey_of_the_same_person_does_not_stand_in(mine: Authenticator, public: dict[str, Any]) -> None:
    other = Authenticator()
    PASSKEYS.made("mia", other.make(PASSKEYS.wanted("mia", challenge=MADE, known=())), challenge=MADE)
    renamed = {**other.sign(OPTIONS), "id": public["id"], "rawId": public["id"]}
    for answer in (other.sign(OPTIONS), renamed):
        with pytest.raises(FactorRefused):
            PASSKEYS.verify(public, answer, challenge=ASKED, count=0)
    stolen = {**public, "id": bytes_to_base64url(other.id)}
    with pytest.raises(FactorRefused):
        PASSKEYS.verify(stolen, mine.sign(OPTIONS), challenge=ASKED, count=0)


def test_every_flipped_bit_of_a_signature_fails(mine: Authenticator, public: dict[str, Any]) -> None:
    made = mine.sign(OPTIONS)
    assert PASSKEYS.verify(public, made, challenge=ASKED, count=0) == 1
    from webauthn import base64url_to_bytes  # noqa: PLC0415 - beside its only use

    raw = base64url_to_bytes(made["response"]["signature"])
    for place in range(0, len(raw) * 8, 7):
        flipped = bytearray(raw)
        flipped[place // 8] ^= 1 << place % 8
        with pytest.raises(FactorRefused):
            PASSKEYS.verify(public, _other(made, signature=bytes(flipped)), challenge=ASKED, count=0)


MAKING: dict[str, dict[str, Any]] = {
    "another challenge": {"challenge": bytes_to_base64url(b"x" * 32)},
    "another origin": {"origin": "https://evil.example"},
    "within another site's frame": {"crossOrigin": True},
    "signed, not made": {"type": "webauthn.get"},
    "its person not verified": {"flags": UP},
    "nobody present": {"flags": UV},
}


@pytest.mark.parametrize("lie", MAKING.values(), ids=MAKING)
def test_a_passkey_that_was_not_made_here_now_by_its_person_is_refused(lie: dict[str, Any]) -> None:
    wanted = PASSKEYS.wanted("mia", challenge=MADE, known=())
    with pytest.raises(FactorRefused):
        PASSKEYS.made("mia", Authenticator().make(wanted, **lie), challenge=MADE)
    public, count = PASSKEYS.made("mia", Authenticator(count=7).make(wanted), challenge=MADE)
    assert (public["user"], count) == (wanted["user"]["id"], 7)


def test_a_passkey_without_its_key_is_refused(mine: Authenticator) -> None:
    wanted = PASSKEYS.wanted("mia", challenge=MADE, known=())
    bare = _other(mine.make(wanted), attestationObject=b"\xa0")
    for made in (bare, mine.sign({"challenge": wanted["challenge"]}), {"response": {}}):
        with pytest.raises(FactorRefused):
            PASSKEYS.made("mia", made, challenge=MADE)
    assert mine.flags & AT == 0
