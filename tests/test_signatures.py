from __future__ import annotations

import pickle

import pytest

from governance.errors import EnrolmentError
from governance.signatures import (
    MAX_AHEAD,
    REFUSALS,
    EnrolledKey,
    SignatureRefused,
    SubKey,
    possession_challenge,
    register,
    standing_of,
)
from keys import key_of

ANA, BOB = key_of("ana"), key_of("bob")
AT = 1_000_000
KEY = EnrolledKey("P", "ana", b"", (SubKey("S", AT + 100), SubKey("T", None)), enrolled_at=AT - 100)


def judged(key: EnrolledKey, *, issuer: str = "S", created: int = AT, at: int = AT) -> str:
    try:
        assert standing_of(register([key]), issuer, created=created, at=at) is key
    except SignatureRefused as refused:
        return refused.code
    return ""


def revoked(at: int) -> EnrolledKey:
    return EnrolledKey(KEY.fingerprint, KEY.principal, KEY.certificate, KEY.subkeys, KEY.enrolled_at, at)


@pytest.mark.parametrize(
    ("code", "got"),
    [
        ("", judged(KEY)),
        ("", judged(KEY, issuer="T", at=AT + 10**9)),
        ("signature.unknown_key", judged(KEY, issuer="P")),
        ("signature.unknown_key", judged(KEY, issuer="s")),
        ("signature.unknown_key", judged(KEY, issuer="")),
        ("", judged(KEY, at=AT - 100)),
        ("signature.key_not_yet", judged(KEY, at=AT - 101)),
        ("", judged(KEY, at=AT + 99)),
        ("signature.key_expired", judged(KEY, at=AT + 100)),
        ("signature.key_expired", judged(KEY, at=AT + 100, created=AT)),
        ("", judged(revoked(AT + 1))),
        ("signature.key_revoked", judged(revoked(AT))),
        ("signature.key_revoked", judged(revoked(AT), created=AT - 50)),
        ("signature.key_revoked", judged(revoked(0))),
        ("", judged(KEY, created=AT + MAX_AHEAD)),
        ("signature.future", judged(KEY, created=AT + MAX_AHEAD + 1)),
        ("", judged(KEY, created=0)),
    ],
)
def test_a_key_is_judged_at_receive_time_whatever_the_signature_claims(code: str, got: str) -> None:
    assert got == code


def test_a_registry_names_every_pinned_key_and_only_those() -> None:
    registry = register([ANA.enrolled(), BOB.enrolled()])
    assert {name: key.principal for name, key in registry.items()} == {ANA.signing: "ana", BOB.signing: "bob"}


def test_a_fingerprint_in_the_registry_that_the_enrolment_did_not_pin_is_unknown() -> None:
    with pytest.raises(SignatureRefused, match=BOB.signing):
        standing_of({BOB.signing: ANA.enrolled()}, BOB.signing, created=AT, at=AT)


def test_two_enrolments_of_one_key_are_refused() -> None:
    with pytest.raises(EnrolmentError, match="expected one enrolment, got two, of ana and of eve"):
        register([ANA.enrolled(), ANA.enrolled("eve")])


def test_an_enrolment_without_a_signing_key_is_refused() -> None:
    with pytest.raises(EnrolmentError, match="expected a signing key, got none"):
        register([EnrolledKey("P", "ana", b"", (), 0)])


@pytest.mark.parametrize("code", REFUSALS)
def test_a_refusal_has_a_sentence_and_crosses_processes(code: str) -> None:
    refused = pickle.loads(pickle.dumps(SignatureRefused(code, "Got x.")))
    assert (refused.code, str(refused)) == (code, f"{REFUSALS[code]} Got x.")
    assert str(SignatureRefused(code)) == REFUSALS[code]
    assert REFUSALS[code].endswith((".", ")."))


def test_a_challenge_binds_everything_on_lines_of_its_own() -> None:
    challenge = possession_challenge("log.example", principal="ana", fingerprint="F", nonce="N")
    assert challenge == b"twinseal possession proof v1\norigin log.example\nprincipal ana\nfingerprint F\nnonce N\n"


@pytest.mark.parametrize("bad", ["", "x\ny", "x\ry", "x\0", "x\u2028y", "x\u202ey"])
@pytest.mark.parametrize("field", ["origin", "principal", "fingerprint", "nonce"])
def test_no_field_of_a_challenge_smuggles_in_a_line(field: str, bad: str) -> None:
    fields = {"origin": "o", "principal": "p", "fingerprint": "f", "nonce": "n", field: bad}
    with pytest.raises(EnrolmentError, match=field):
        possession_challenge(fields.pop("origin"), **fields)
