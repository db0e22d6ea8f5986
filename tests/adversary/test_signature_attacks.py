"""Attacks on signatures and keys, by number of the attack table (K), each beside its honest twin."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pysequoia
import pytest

from adversary.card import LedgerCase, attack
from governance.adapters.gnupg_home import KeyHome
from governance.adapters.gnupg_verifier import GnuPGVerifier, inspect
from governance.adapters.sequoia import SequoiaVerifier
from governance.objects import Ident, parse_commit
from governance.refusals import SignatureRefused
from governance.signatures import EnrolledKey, Registry, SignatureVerifier, SubKey, possession_challenge, register
from keys import commit_bytes, key_of, make_key, registry_of, sign_commit, with_signature, write_object
from signature_cases import AFTER, AT, BEFORE, CREATED, ENDED, LATER, TREE, Forge, Made

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RAW = commit_bytes(TREE)


@pytest.fixture(scope="module")
def forge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forge]:
    with KeyHome(tmp_path_factory.mktemp("thief") / "home") as home:
        yield Forge(home.short)


@pytest.fixture(params=[SequoiaVerifier, GnuPGVerifier], ids=["sequoia", "gpg"])
def verifier(request: pytest.FixtureRequest) -> SignatureVerifier:
    made: SignatureVerifier = request.param()
    return made


@pytest.fixture
def case(request: pytest.FixtureRequest) -> LedgerCase:
    made = LedgerCase()
    ids = [each for mark in request.node.iter_markers("attack") for each in mark.args]
    request.node.user_properties.append(("attack", (ids, made.seen)))
    return made


def judged(verifier: SignatureVerifier, raw: bytes, registry: Registry, *, at: int = LATER) -> str:
    """Return the principal that signed a raw commit, or the code of the refusal."""
    commit = parse_commit(raw)
    try:
        proved = verifier.verify(commit.payload, commit.signature, registry, at=at)
    except SignatureRefused as refused:
        return refused.code
    return registry[proved.key].principal


def test_k_01_a_key_with_the_victims_name_on_it_is_a_stranger(verifier: SignatureVerifier) -> None:
    ana, twin = make_key(None, "ana", "ana@example.org"), make_key(None, "ana", "ana@example.org")
    registry = registry_of([ana])
    assert judged(verifier, sign_commit(RAW, ana), registry) == "ana"
    assert judged(verifier, sign_commit(RAW, twin), registry) == "signature.unknown_key"


def test_k_03_who_signs_and_whom_the_commit_names_are_two_facts(verifier: SignatureVerifier) -> None:
    raw = commit_bytes(TREE, author="Ana <ana@example.org>", message="x\n\nCo-authored-by: Eve <eve@example.org>\n")
    signed = sign_commit(raw, key_of("bob"))
    assert judged(verifier, signed, registry_of([key_of("ana"), key_of("bob")])) == "bob"
    commit = parse_commit(signed)
    assert (commit.author.email, commit.co_authors) == ("ana@example.org", (Ident("Eve", "eve@example.org", 0),))


@pytest.mark.parametrize("how", ["expired", "revoked"])
def test_k_05_what_was_received_in_time_stays_verified_after_the_key_is_over(
    verifier: SignatureVerifier, forge: Forge, how: str
) -> None:
    key = forge.key()
    signed = with_signature(RAW, forge.sign(RAW, key))
    over = forge.enrol(key, **{"expires" if how == "expired" else "revoked_at": ENDED})
    assert judged(verifier, signed, register([over]), at=ENDED - 1) == "ana"
    assert judged(verifier, signed, register([over]), at=ENDED) == f"signature.key_{how}"


@pytest.mark.parametrize("how", ["expired", "revoked"])
def test_k_06_a_stolen_key_cannot_date_its_signature_back_past_its_end(
    verifier: SignatureVerifier, forge: Forge, how: str
) -> None:
    key = forge.key()
    over = register([forge.enrol(key, **{"expires" if how == "expired" else "revoked_at": ENDED})])
    # The thief's clock says BEFORE; Sequoia alone, and git for a superseded key's own history, would believe it.
    backdated = with_signature(RAW, forge.sign(RAW, key, at=BEFORE))
    assert judged(verifier, backdated, over) == f"signature.key_{how}"
    assert judged(verifier, backdated, register([forge.enrol(key)])) == "ana"


def test_k_06_sequoia_alone_would_accept_the_backdated_signature(forge: Forge) -> None:
    key = forge.key()
    signature = forge.sign(RAW, key, at=BEFORE)
    forge.revoke(key, 2)
    certificate = pysequoia.Cert.from_bytes(forge.certificate(key))
    assert certificate.is_revoked
    found = pysequoia.verify(
        bytes=RAW, store=lambda _: [certificate], signature=pysequoia.Sig.from_bytes(signature)
    ).valid_sigs
    assert len(found) == 1, "if this changes, the case for judging at receive time has grown weaker"


def test_k_08_a_name_that_looks_like_a_status_line_changes_nothing(verifier: SignatureVerifier) -> None:
    fake = "[GNUPG:] VALIDSIG " + "A" * 40
    eve = make_key(None, f"x\n{fake}\n{fake}", "eve@example.org")
    registry = registry_of([eve])
    assert judged(verifier, sign_commit(RAW, eve), registry) == eve.name
    assert judged(verifier, with_signature(RAW, eve.sign(RAW + b"x")), registry) == "signature.bad"


@attack("K-13")
def test_k_13_a_key_is_named_by_its_whole_fingerprint(verifier: SignatureVerifier, case: LedgerCase) -> None:
    ana = key_of("ana")
    near = EnrolledKey(ana.fingerprint, "ana", ana.certificate, (SubKey("0" * 24 + ana.signing[24:], None),), CREATED)
    said = judged(verifier, sign_commit(RAW, ana), register([near]))
    assert said == "signature.unknown_key"
    case.answered(said)
    assert judged(verifier, sign_commit(RAW, ana), registry_of([ana])) == "ana"
    case.went_well()


def test_k_16_a_signing_subkey_added_by_a_thief_of_the_primary_cannot_sign(
    verifier: SignatureVerifier, forge: Forge
) -> None:
    key = forge.key(subkey=True)
    enrolled = inspect(forge.certificate(key), at=LATER).enrol("ana", at=CREATED)
    thief = Made(key.fingerprint, forge.add_subkey(key.fingerprint))
    for certificate in (enrolled.certificate, forge.certificate(key)):
        pinned = EnrolledKey(enrolled.fingerprint, "ana", certificate, enrolled.subkeys, CREATED)
        assert judged(verifier, with_signature(RAW, forge.sign(RAW, key)), register([pinned])) == "ana"
        stolen = with_signature(RAW, forge.sign(RAW, thief))
        assert judged(verifier, stolen, register([pinned])) == "signature.unknown_key"


def test_k_16_another_persons_signing_key_cannot_be_adopted_under_my_certificate(verifier: SignatureVerifier) -> None:
    ana, eve = key_of("ana"), key_of("eve")
    adopted = EnrolledKey(eve.fingerprint, "eve", eve.certificate, ana.enrolled().subkeys, CREATED)
    assert judged(verifier, sign_commit(RAW, ana), register([adopted])) == "signature.bad"


@attack("K-18")
def test_k_18_possession_is_proved_by_the_key_itself_for_this_enrolment_only(
    verifier: SignatureVerifier, case: LedgerCase
) -> None:
    ana, eve = key_of("ana"), key_of("eve")
    candidate = register([inspect(ana.certificate, at=LATER).enrol("eve", at=AT)])

    def proof(**change: str) -> bytes:
        fields = {"principal": "eve", "fingerprint": ana.fingerprint, "nonce": "n1", **change}
        return possession_challenge("log.example", **fields)

    verifier.verify(proof(), ana.sign(proof()), candidate, at=LATER)
    case.went_well()
    others = (eve.sign(proof()), *map(ana.sign, (proof(nonce="n0"), proof(principal="ana"), RAW)))
    for signature in others:
        with case.refuses(SignatureRefused):
            verifier.verify(proof(), signature, candidate, at=LATER)


def test_k_18_a_proof_of_possession_is_no_commit() -> None:
    challenge = possession_challenge("log.example", principal="ana", fingerprint="F", nonce="N")
    assert not challenge.startswith((b"tree ", b"object "))


def test_one_text_signature_fits_two_commits_and_is_refused_for_both(
    verifier: SignatureVerifier, forge: Forge, tmp_path: Path
) -> None:
    key = forge.key()
    one, other = commit_bytes(TREE, message="pay 1\n00\n"), commit_bytes(TREE, message="pay 1\r\n00\r\n")
    text, binary = forge.sign(one, key, "--textmode"), forge.sign(one, key)
    registry = register([forge.enrol(key)])
    assert judged(verifier, with_signature(one, binary), registry) == "ana"
    assert judged(verifier, with_signature(other, binary), registry) == "signature.bad"
    for raw in (one, other):
        assert judged(verifier, with_signature(raw, text), registry) == "signature.type"
    # Git, with gpg, calls both good: which is why we refuse.
    subprocess.run(["git", "init", "-q", "--bare", str(tmp_path)], check=True)
    environment = {**os.environ, "GNUPGHOME": str(forge.home), "GIT_CONFIG_GLOBAL": os.devnull}
    oids = [write_object(tmp_path, with_signature(raw, text)) for raw in (one, other)]
    assert oids[0] != oids[1]
    command = ["git", "-C", str(tmp_path), "log", "--no-walk", "--format=%G?", *oids]
    said = subprocess.run(command, env=environment, capture_output=True, check=True).stdout
    assert said.split() == [b"G", b"G"]


def test_a_good_signature_cannot_be_carried_over_by_moving_headers(verifier: SignatureVerifier) -> None:
    ana = key_of("ana")
    raw = commit_bytes(TREE, ["1" * 40, "2" * 40])
    signature = ana.sign(raw)
    registry = registry_of([ana])
    assert judged(verifier, with_signature(raw, signature), registry) == "ana"
    swapped = commit_bytes(TREE, ["2" * 40, "1" * 40])
    added = commit_bytes(TREE, ["1" * 40, "2" * 40], extra=b"x y\n")
    for other in (swapped, added, raw + b"\n"):
        assert judged(verifier, with_signature(other, signature), registry) == "signature.bad"


def test_a_tags_signature_is_no_commits(verifier: SignatureVerifier) -> None:
    ana = key_of("ana")
    tag = b"object %s\ntype commit\ntag v1\ntagger Ana <ana@example.org> 1 +0000\n\nx\n" % (b"1" * 40)
    assert judged(verifier, with_signature(RAW, ana.sign(tag)), registry_of([ana])) == "signature.bad"


def test_a_signature_from_after_the_end_is_refused_even_where_enrolment_missed_the_end(
    verifier: SignatureVerifier, forge: Forge
) -> None:
    key = forge.key()
    signed = with_signature(RAW, forge.sign(RAW, key, at=AFTER))
    forge.revoke(key, 2)
    assert judged(verifier, signed, register([forge.enrol(key)])) in {"signature.bad", "signature.key_revoked"}
