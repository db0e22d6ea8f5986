from __future__ import annotations

import os
import select
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pysequoia
import pytest

from governance.adapters.gnupg_home import KeyHome
from governance.adapters.gnupg_verifier import GnuPGVerifier, inspect
from governance.adapters.openpgp import frame
from governance.adapters.sequoia import SequoiaVerifier
from governance.errors import EnrolmentError, SignatureToolError
from governance.refusals import SignatureRefused
from governance.signatures import SignatureVerifier, SubKey, Verified, register
from keys import commit_bytes, key_of, make_key, registry_of
from signature_cases import AFTER, AT, CREATED, DAY, ENDED, LATER, TREE, Forge, Made, without_unhashed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

RAW = commit_bytes(TREE)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeyHome]:
    with KeyHome(tmp_path_factory.mktemp("keys") / "home") as home:
        yield home


@pytest.fixture(scope="module")
def forge(home: KeyHome) -> Forge:
    return Forge(home.short)


@pytest.mark.parametrize("verifier", [GnuPGVerifier(), SequoiaVerifier()], ids=["gpg", "sequoia"])
def test_a_key_made_here_signs_what_both_verifiers_accept(home: KeyHome, verifier: SignatureVerifier) -> None:
    key = make_key(home, "Jörg Ümlaut", "joerg@example.org")
    enrolled = inspect(key.certificate, at=LATER).enrol("joerg", at=AT)
    proved = verifier.verify(RAW, key.sign(RAW), register([enrolled]), at=LATER)
    assert (proved.fingerprint, proved.key) == (key.fingerprint, key.signing)
    assert inspect(key.certificate, at=LATER).user_ids == ("Jörg Ümlaut <joerg@example.org>",)


def test_the_primary_of_a_key_made_here_cannot_sign(home: KeyHome) -> None:
    info = inspect(home.export_public(home.generate("ana", "ana@example.org")), at=LATER)
    assert info.algorithm == "ed25519"
    assert [key.fingerprint for key in info.signing_keys] != [info.fingerprint]
    assert len(info.signing_keys) == 1


def test_an_expiry_is_on_primary_and_subkey(home: KeyHome) -> None:
    certificate = home.export_public(home.generate("ana", "ana@example.org", expires=AT + 30 * DAY))
    assert [key.expires for key in inspect(certificate, at=LATER).signing_keys] == [AT + 30 * DAY]
    with pytest.raises(EnrolmentError, match="expired"):
        inspect(certificate, at=AT + 31 * DAY)


def test_a_passphrase_is_asked_every_time(home: KeyHome) -> None:
    person = home.generate("Pia", "pia@example.org", passphrase="correct hörse")
    assert frame(home.sign(RAW, person, passphrase="correct hörse")).fits(RAW)
    for wrong in (None, "incorrect"):
        with pytest.raises(SignatureToolError, match=person):
            home.sign(RAW, person, passphrase=wrong)


def test_a_deleted_key_neither_signs_nor_exports_and_can_still_be_revoked(home: KeyHome) -> None:
    fingerprint = home.generate("gone", "gone@example.org")
    certificate = home.export_public(fingerprint)
    home.delete(fingerprint)
    for use in (home.export_public, home.delete, lambda gone: home.sign(RAW, gone)):
        with pytest.raises((EnrolmentError, SignatureToolError), match=fingerprint):
            use(fingerprint)
    assert not pysequoia.Cert.from_bytes(certificate).is_revoked
    for block in (certificate, home.revocation(fingerprint)):
        put = ["gpg", "--homedir", str(home.short), "--batch", "--import"]
        subprocess.run(put, input=block, check=True, capture_output=True)
    with pytest.raises(EnrolmentError, match="revoked"):
        inspect(home.export_public(fingerprint), at=LATER)


def test_there_is_no_revocation_of_an_unknown_key(home: KeyHome) -> None:
    with pytest.raises(EnrolmentError, match="got nothing"):
        home.revocation("0" * 40)


@pytest.mark.parametrize(
    ("name", "email", "passphrase"),
    [
        ("ana\nSubkey-Type: RSA", "ana@example.org", ""),
        ("ana", "ana@example.org\n%commit", ""),
        ("ana <root@example.org>", "ana@example.org", ""),
        ("ana", "<ana@example.org", ""),
        ("", "ana@example.org", ""),
        ("ana", "", ""),
        ("ana", "ana@example.org", "two\nlines"),
    ],
)
def test_no_field_of_a_new_key_smuggles_in_another(home: KeyHome, name: str, email: str, passphrase: str) -> None:
    with pytest.raises(EnrolmentError, match="expected printable text"):
        home.generate(name, email, passphrase=passphrase)


def test_gpg_that_makes_no_key_is_a_broken_tool(home: KeyHome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home._gpg, "gpgbinary", "false")
    with pytest.raises(SignatureToolError, match="made none: it does not say why"):
        home.generate("ana", "ana@example.org")


def test_a_home_that_others_can_read_is_refused(tmp_path: Path) -> None:
    open_home = tmp_path / "open"
    open_home.mkdir(mode=0o750)
    with pytest.raises(EnrolmentError, match=r"mode 0700, got uid .* and mode 0750"):
        KeyHome(open_home)


def test_a_home_behind_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(EnrolmentError, match="expected a directory"):
        KeyHome(tmp_path / "link")


def test_a_new_home_is_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        KeyHome(tmp_path / "new").close()
    finally:
        os.umask(before)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def test_a_home_with_a_long_name_works_and_leaves_nothing_running(tmp_path: Path) -> None:
    long = tmp_path / ("x" * 100)
    with KeyHome(long) as home:
        fingerprint = home.generate("ana", "ana@example.org")
        assert frame(home.sign(RAW, fingerprint)).fits(RAW)
        short = home.short
        assert len(str(short)) < 80
        agent = os.pidfd_open(int(_agent(short).split()[1]))
    assert not short.parent.exists()
    assert select.select([agent], [], [], 10)[0], "the agent is still running"
    os.close(agent)


def test_the_agent_ends_with_the_last_that_uses_the_home(tmp_path: Path) -> None:
    first, second = KeyHome(tmp_path / "home"), KeyHome(tmp_path / "home")
    fingerprint = first.generate("ana", "ana@example.org")
    agent = os.pidfd_open(int(_agent(first.short).split()[1]))
    first.close()
    assert frame(second.sign(RAW, fingerprint)).fits(RAW)
    assert not select.select([agent], [], [], 0)[0]
    second.close()
    second.close()
    assert select.select([agent], [], [], 10)[0], "the agent is still running"
    os.close(agent)


def test_a_home_without_gpg_says_so(tmp_path: Path) -> None:
    with pytest.raises(SignatureToolError, match="/nonexistent/gpg: expected GnuPG"):
        KeyHome(tmp_path / "home", gpg="/nonexistent/gpg")


def _agent(home: Path) -> bytes:
    ask = ["gpg-connect-agent", "--homedir", str(home), "--no-autostart", "GETINFO pid", "/bye"]
    return subprocess.run(ask, capture_output=True, check=False).stdout


def _expired(forge: Forge, *, subkey: bool) -> bytes:
    key = forge.key(subkey=subkey)
    forge.expire(key, only_subkey=subkey)
    return forge.certificate(key)


def _revoked(forge: Forge, *, subkey: bool) -> bytes:
    key = forge.key(subkey=subkey)
    forge.revoke(key, 2, subkey=subkey)
    return forge.certificate(key)


def _cannot_sign(forge: Forge) -> bytes:
    key = forge.key()
    forge.dialogue("--edit-key", key.fingerprint, answers="change-usage\ns\nq\nsave\n", at=CREATED + DAY)
    return forge.certificate(key)


def _damaged(forge: Forge) -> bytes:
    certificate = bytearray(forge.certificate(forge.key()))
    certificate[-8] ^= 1
    return bytes(certificate)


def _fine(forge: Forge) -> bytes:
    return forge.certificate(forge.key(subkey=True))


ENROLMENTS: list[tuple[str, str, Callable[[Forge], bytes]]] = [
    ("fine", "", _fine),
    ("RSA-2048", "", lambda forge: forge.certificate(forge.key(algorithm="rsa2048"))),
    ("P-256", "", lambda forge: forge.certificate(forge.key(algorithm="nistp256"))),
    ("of Sequoia", "", lambda _: key_of("ana").certificate),
    ("RSA-1024", "key.weak", lambda forge: forge.certificate(forge.key(algorithm="rsa1024"))),
    ("DSA", "key.weak", lambda forge: forge.certificate(forge.key(algorithm="dsa1024"))),
    ("a curve that Sequoia lacks", "key.weak", lambda forge: forge.certificate(forge.key(algorithm="secp256k1"))),
    ("bound by SHA-1", "key.weak", lambda forge: forge.certificate(forge.key("--cert-digest-algo", "SHA1"))),
    ("expired", "key.expired", lambda forge: _expired(forge, subkey=False)),
    ("revoked", "key.revoked", lambda forge: _revoked(forge, subkey=False)),
    ("its only signing subkey expired", "key.no_signing", lambda forge: _expired(forge, subkey=True)),
    ("its only signing subkey revoked", "key.no_signing", lambda forge: _revoked(forge, subkey=True)),
    ("not for signing", "key.no_signing", _cannot_sign),
    ("its subkey never agreed", "key.no_signing", lambda forge: without_unhashed(_fine(forge))),
    ("its self-signature damaged", "key.unreadable", _damaged),
    ("secret", "key.secret", lambda forge: forge.gpg("--export-secret-keys", forge.key().fingerprint)),
    ("two of them", "key.not_one", lambda forge: _fine(forge) + _fine(forge)),
    ("not a key", "key.unreadable", lambda _: b"ssh-ed25519 AAAA"),
]


@pytest.mark.parametrize(("name", "code", "build"), ENROLMENTS, ids=[row[0] for row in ENROLMENTS])
def test_only_a_sound_public_certificate_passes_inspection(
    forge: Forge, name: str, code: str, build: Callable[[Forge], bytes]
) -> None:
    certificate = build(forge)
    if not code:
        info = inspect(certificate, at=LATER)
        assert info.signing_keys
        assert info.certificate == certificate
        return
    with pytest.raises(EnrolmentError) as caught:
        inspect(certificate, at=LATER)
    assert caught.value.code == code


def test_inspection_pins_the_signing_keys_that_stand_and_when_they_end(forge: Forge) -> None:
    key = forge.key(subkey=True)
    forge.revoke(key, 2, subkey=True)
    second = forge.add_subkey(key.fingerprint)
    forge.gpg("--quick-set-expire", key.fingerprint, f"seconds={90 * DAY}", at=CREATED + DAY)
    info = inspect(forge.certificate(Made(key.fingerprint, second)), at=LATER)
    assert info.signing_keys == (SubKey(second, CREATED + 91 * DAY),)


def test_a_certificate_renewed_with_a_strong_hash_is_sound_again(forge: Forge) -> None:
    key = forge.key("--cert-digest-algo", "SHA1")
    renew = ["--cert-digest-algo", "SHA256", "--quick-set-expire", key.fingerprint, f"seconds={90 * DAY}"]
    forge.gpg(*renew, at=CREATED + DAY)
    assert inspect(forge.certificate(key), at=LATER).signing_keys == (SubKey(key.signing, CREATED + 91 * DAY),)


def test_inspection_judges_at_the_time_it_is_given(forge: Forge) -> None:
    key = forge.key()
    forge.expire(key)
    certificate = forge.certificate(key)
    assert inspect(certificate, at=ENDED - 10).signing_keys == (SubKey(key.signing, ENDED),)
    with pytest.raises(EnrolmentError):
        inspect(certificate, at=AFTER)


def test_gpg_answers_many_one_by_one() -> None:
    ana = key_of("ana")
    answers = GnuPGVerifier().verify_many([(RAW, ana.sign(RAW)), (RAW, None)], registry_of([ana]), at=LATER)
    assert isinstance(answers[0], Verified)
    assert isinstance(answers[1], SignatureRefused)
    assert answers[1].code == "signature.missing"


def test_a_missing_gpg_is_a_broken_tool_not_a_refusal() -> None:
    ana = key_of("ana")
    with pytest.raises(SignatureToolError, match="expected an answer"):
        GnuPGVerifier(gpg="/nonexistent/gpg").verify(RAW, ana.sign(RAW), registry_of([ana]), at=LATER)


FPR, PRIMARY = "A" * 40, "B" * 40
GOODSIG = "[GNUPG:] GOODSIG AAAAAAAAAAAAAAAA Ana <ana@example.org>"
VALIDSIG = f"[GNUPG:] VALIDSIG {FPR} 2026-01-01 1767225600 0 4 0 22 8 00 {PRIMARY}"


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        ([GOODSIG, VALIDSIG], ""),
        ([], "signature.not_one"),
        ([GOODSIG], "signature.not_one"),
        ([VALIDSIG], "signature.not_one"),
        ([GOODSIG, VALIDSIG, GOODSIG, VALIDSIG], "signature.not_one"),
        ([GOODSIG, VALIDSIG, "[GNUPG:] BADSIG AAAA x"], "signature.bad"),
        ([GOODSIG, VALIDSIG, "[GNUPG:] FAILURE gpg-exit 33554433"], "signature.bad"),
        (["[GNUPG:] ERRSIG x", GOODSIG, VALIDSIG], "signature.bad"),
        (["[GNUPG:] EXPKEYSIG AAAA x", VALIDSIG], "signature.key_expired"),
        (["[GNUPG:] REVKEYSIG AAAA x", VALIDSIG], "signature.key_revoked"),
        (["[GNUPG:] EXPSIG AAAA x", VALIDSIG], "signature.expired"),
        ([GOODSIG, VALIDSIG.replace("A" * 40, "C" * 40)], "signature.other_key"),
        ([GOODSIG, VALIDSIG.replace("B" * 40, "C" * 40)], "signature.other_key"),
        ([GOODSIG, VALIDSIG.replace(" 00 ", " 01 ")], "signature.other_key"),
        ([GOODSIG, "gpg: " + VALIDSIG], "signature.not_one"),
    ],
)
def test_only_status_lines_decide_and_one_word_against_is_enough(
    statuses: list[str], code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "gpg"
    said = "\n".join(statuses)
    script.write_text(f'#!/bin/sh\nwhile [ "$1" != --status-file ]; do shift; done\ncat > "$2" <<"X"\n{said}\nX\n')
    script.chmod(0o700)
    ana = key_of("ana")
    item = (RAW, ana.sign(RAW))
    framed = replace(frame(item[1]), issuer=FPR)
    enrolled = replace(ana.enrolled(), fingerprint=PRIMARY)
    monkeypatch.setattr("governance.adapters.gnupg_verifier.admit", lambda *_, **__: (framed, enrolled))
    verifier = GnuPGVerifier(gpg=str(script))
    if not code:
        assert verifier.verify(*item, {}, at=LATER) == Verified(PRIMARY, FPR, 1767225600)
        return
    with pytest.raises(SignatureRefused) as caught:
        verifier.verify(*item, {}, at=LATER)
    assert caught.value.code == code
