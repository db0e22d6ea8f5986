"""Attacks on SSH keys and signatures, by number of the attack table (K), each beside its honest twin."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from governance.adapters.sequoia import SequoiaVerifier
from governance.adapters.ssh_keys import inspect_ssh
from governance.adapters.verifying import EitherVerifier
from governance.errors import DeniedError, EnrolmentError
from governance.objects import parse_commit, parse_tag
from governance.people import keys
from governance.people.statements import Desk, compose, parse
from governance.refusals import SignatureRefused
from governance.signatures import EnrolledKey, Purpose, possession_challenge, register
from governance.standing import Roster
from keys import commit_bytes, key_of, with_signature, write_object
from signature_cases import AFTER, AT, BEFORE, CREATED, DAY, ENDED, TREE, Scene
from ssh_forge import SshKey, armored, craft, dearmored, ed
from ssh_judges import answer, git_says, signer

if TYPE_CHECKING:
    from pathlib import Path

ANA, EVE = ed("ana"), ed("eve")


def repository(folder: Path) -> Path:
    subprocess.run(["git", "init", "-q", "--bare", str(folder / "git")], check=True)
    return folder / "git"


def signed(key: SshKey, *, author: str = "Ana <ana@example.org>", when: int = BEFORE) -> bytes:
    raw = commit_bytes(TREE, author=author, when=when)
    return with_signature(raw, craft(key, raw))


def test_k_04_a_key_past_its_end_cannot_sign_under_a_date_from_before_it(tmp_path: Path) -> None:
    over, forged, honest = ANA.enrolled(at=CREATED, expires=ENDED), signed(ANA), signed(ANA, when=AFTER)
    assert answer(forged, register([over]), at=AT) == "signature.key_expired"
    # Git believes the date that the commit claims, and only that date; so it is the liar whom it accepts.
    git = repository(tmp_path)
    assert [git_says(git, Scene(raw, (over,))) for raw in (forged, honest)] == ["G", "U"]
    # The twins: the same commit while the key was good, and a key that still is.
    assert answer(forged, register([over]), at=ENDED - 1) == ""
    assert answer(forged, register([ANA.enrolled(at=CREATED, expires=AT + 1)]), at=AT) == ""


def test_k_05_what_was_received_in_time_stays_verified_after_the_key_is_revoked() -> None:
    over = register([ANA.enrolled(at=CREATED, revoked_at=ENDED)])
    assert [answer(signed(ANA), over, at=at) for at in (ENDED - 1, ENDED)] == ["", "signature.key_revoked"]


def test_k_15_a_pattern_that_makes_anyone_of_the_company_anyone_else_has_no_place_here(tmp_path: Path) -> None:
    git = repository(tmp_path)
    raw = signed(EVE)  # The author says Ana.
    oid = write_object(git, raw)
    signers = git / "wild"
    signers.write_text(signer(EVE.enrolled(), "*@example.org"))
    command = ["git", "-C", str(git), "-c", f"gpg.ssh.allowedSignersFile={signers}", "log", "-1", "--format=%G?", oid]
    assert subprocess.run(command, capture_output=True, check=True).stdout.strip() == b"G"
    # Here a key is one principal's, whatever its comment says, and a pattern cannot be enrolled.
    everyone = register([ANA.enrolled(), EVE.enrolled()])
    commit = parse_commit(raw)
    proved = EitherVerifier(SequoiaVerifier()).verify(commit.payload, commit.signature, everyone, at=AT)
    assert everyone[proved.key].principal == "eve"
    assert answer(raw, register([ANA.enrolled()])) == "signature.unknown_key"
    with pytest.raises(EnrolmentError) as caught:
        inspect_ssh(signer(EVE.enrolled(), "*@example.org").encode(), at=AT)
    assert caught.value.code == "key.unreadable"
    assert inspect_ssh(EVE.line.encode(), at=AT).fingerprint == EVE.fingerprint


def proved(
    about_of: SshKey, proof: bytes, *, ends: int | None = None, principal: str = "ana", nonce: str = "n1"
) -> str:
    """Return whose key it becomes with this proof, or the code of the refusal."""
    about = inspect_ssh(about_of.line.encode(), at=AT).until(ends, at=AT)
    try:
        key = keys.proved(
            about,
            proof.decode(),
            origin="log",
            principal=principal,
            nonce=nonce,
            verifier=EitherVerifier(SequoiaVerifier()),
            at=AT,
        )
    except EnrolmentError as refused:
        return refused.code
    return key.principal


def test_k_18_another_persons_public_key_cannot_be_enrolled_as_mine(tmp_path: Path) -> None:
    def proof(by: SshKey, *, namespace: str = "twinseal", of: SshKey = ANA, **change: str) -> bytes:
        fields = {"principal": "ana", "fingerprint": of.fingerprint, "nonce": "n1", **change}
        return by.sign(possession_challenge("log", **fields), tmp_path, namespace=namespace)

    no = "key.not_possessed"
    assert proved(ANA, proof(ANA)) == "ana"
    assert proved(ANA, proof(EVE)) == no
    assert proved(ANA, proof(ANA), principal="eve") == no
    assert proved(ANA, proof(ANA, nonce="n0")) == no
    assert proved(ANA, proof(ANA, of=EVE)) == no
    assert proved(ANA, proof(ANA, namespace="git")) == no
    assert proved(ANA, proof(ANA, namespace="file")) == no
    assert proved(ANA, b"") == no
    # What a key signs to open a session (RFC 4252) is framed otherwise; it proves nothing here.
    assert proved(ANA, armored(dearmored(proof(ANA))[6:])) == no


def test_k_18_nobody_on_the_way_puts_off_the_end_of_a_key(tmp_path: Path) -> None:
    text = possession_challenge("log", principal="ana", fingerprint=ANA.fingerprint, nonce="n1", ends=AT + 100)
    proof = ANA.sign(text, tmp_path, namespace="twinseal")
    assert proved(ANA, proof, ends=AT + 100) == "ana"
    assert proved(ANA, proof, ends=AT + 101) == "key.not_possessed"
    assert proved(ANA, proof) == "key.not_possessed"


class Nobody:
    """A ledger that has acted on nothing yet."""

    def execute(self, *_: object) -> Nobody:
        return self

    def fetchone(self) -> None:
        return None


def desk_says(signature: bytes, text: bytes, key: EnrolledKey) -> str:
    from governance.policy import Kind  # noqa: PLC0415 - this helper alone
    from governance.standing import Principal  # noqa: PLC0415 - this helper alone

    roster = Roster({"ana": Principal("ana", Kind.HUMAN, "owner", "ana")})
    desk = Desk("log", AT * 1000, roster, register([key]), EitherVerifier(SequoiaVerifier()))
    try:
        return desk.accept(Nobody(), parse(text.decode(), signature.decode()), type_="sign_off", caller="ana")[0].name
    except DeniedError as refused:
        return refused.code


def test_a_signature_that_git_was_given_is_no_statement_and_no_statements_is_a_commits(tmp_path: Path) -> None:
    text = compose("sign_off", log="log", by="ana", at=AT * 1000, nonce="n", body={"verdict": "approve"})
    statement, as_git = (ANA.sign(text, tmp_path, namespace=name) for name in ("twinseal", "git"))
    assert desk_says(statement, text, ANA.enrolled()) == "ana"
    # Who has a tool that signs whatever git hands it has no sign-off by it.
    assert desk_says(as_git, text, ANA.enrolled()) == "signature.namespace"
    raw = commit_bytes(TREE)
    registry = register([ANA.enrolled()])
    assert answer(with_signature(raw, ANA.sign(raw, tmp_path)), registry) == ""
    assert answer(with_signature(raw, ANA.sign(raw, tmp_path, namespace="twinseal")), registry) == "signature.namespace"


def test_a_kind_of_signature_cannot_be_passed_off_as_the_other(tmp_path: Path) -> None:
    raw, pgp = commit_bytes(TREE), key_of("ana")
    registry = register([ANA.enrolled(), pgp.enrolled("bob")])
    ours, theirs = ANA.sign(raw, tmp_path), pgp.sign(raw)
    assert [answer(with_signature(raw, one), registry, at=AT + DAY) for one in (ours, theirs)] == ["", ""]
    swapped = ours.replace(b"SSH SIGNATURE", b"PGP SIGNATURE"), theirs.replace(b"PGP SIGNATURE", b"SSH SIGNATURE")
    for one in swapped:
        assert answer(with_signature(raw, one), registry, at=AT + DAY).startswith("signature.")


def test_a_tag_is_signed_by_ssh_and_its_signature_is_no_commits(tmp_path: Path) -> None:
    tag = b"object %s\ntype commit\ntag v1\ntagger Ana <ana@example.org> 1 +0000\n\nx\n" % (b"1" * 40)
    registry = register([ANA.enrolled()])
    signature = ANA.sign(tag, tmp_path)
    found = parse_tag(tag + signature)
    assert (found.payload, found.problems) == (tag, ())
    assert (
        EitherVerifier(SequoiaVerifier()).verify(found.payload, found.signature, registry, at=AT).key == ANA.fingerprint
    )
    assert answer(with_signature(commit_bytes(TREE), signature), registry) == "signature.bad"
    with pytest.raises(SignatureRefused):
        EitherVerifier(SequoiaVerifier()).verify(
            tag, (signature + b"signed by everybody\n"), registry, at=AT, purpose=Purpose.OBJECT
        )
