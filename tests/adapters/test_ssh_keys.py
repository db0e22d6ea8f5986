from __future__ import annotations

import base64
import subprocess
from typing import TYPE_CHECKING

import pytest

from governance.adapters.ssh_home import SshHome
from governance.adapters.ssh_keys import inspect_ssh, is_ssh, public_key
from governance.adapters.ssh_verifier import SshVerifier
from governance.adapters.ssh_wire import Reader, WireError, string
from governance.adapters.verifying import inspect
from governance.errors import EnrolmentError, SignatureToolError
from governance.signatures import KeyKind, Purpose, SubKey, kind_of, register
from keys import key_of
from signature_cases import AT, DAY
from ssh_forge import CURVES, SshKey, curve, ed, mpint, rsa_of, token

if TYPE_CHECKING:
    from pathlib import Path

GOOD = [("ed25519", ed()), ("RSA-2048", rsa_of()), ("on a token", token()), *((name, curve(name)) for name in CURVES)]


@pytest.mark.parametrize("key", [key for _, key in GOOD], ids=[name for name, _ in GOOD])
def test_a_sound_key_is_named_as_ssh_keygen_names_it(key: SshKey, tmp_path: Path) -> None:
    (tmp_path / "key.pub").write_text(key.line)
    told = subprocess.run(["ssh-keygen", "-l", "-f", str(tmp_path / "key.pub")], capture_output=True, check=True)
    info = inspect(key.line.encode(), at=AT)
    assert info.fingerprint == told.stdout.decode().split()[1]
    assert kind_of(info.fingerprint) is KeyKind.SSH
    assert info.signing_keys == (SubKey(info.fingerprint, None),)
    assert (info.certificate, info.user_ids) == (key.blob, ("ana@example.org",))
    assert info.enrol("ana", at=AT) == key.enrolled(at=AT)


def line(blob: bytes, kind: str = "") -> bytes:
    named = kind or blob[4 : 4 + int.from_bytes(blob[:4], "big")].decode("latin-1")
    return f"{named} {base64.b64encode(blob).decode()} ana".encode()


def rsa_blob(exponent: int, modulus: int) -> bytes:
    return string(b"ssh-rsa") + mpint(exponent) + mpint(modulus)


SECRET = ed().secret
ED, P256 = ed().blob, curve("nistp256").blob
CERTIFICATE = string(b"ssh-ed25519-cert-v01@openssh.com") + ED[15:]
POINT = P256[-65:]
COMPRESSED = P256[:-69] + string(bytes([2 + POINT[-1] % 2]) + POINT[1:33])
OFF_CURVE = P256[:-1] + bytes([P256[-1] ^ 1])
OTHER_CURVE = string(b"ecdsa-sha2-nistp384") + P256[23:]
MODULUS = int.from_bytes(rsa_of().blob[-256:], "big")

REFUSED: list[tuple[str, str, bytes]] = [
    ("RSA-1024", "key.weak", line(rsa_of(1024).blob)),
    ("RSA of exponent 3", "key.weak", line(rsa_of(2048, 3).blob)),
    ("RSA of an even exponent", "key.weak", line(rsa_blob(65538, MODULUS))),
    ("RSA of an enormous exponent", "key.weak", line(rsa_blob(2**33 + 1, MODULUS))),
    ("RSA too large to check", "key.weak", line(rsa_blob(65537, 1 << 16384))),
    ("DSA", "key.weak", line(string(b"ssh-dss") + mpint(5) * 4)),
    ("P-256 on a token", "key.weak", line(string(b"sk-ecdsa-sha2-nistp256@openssh.com") + P256[23:] + string(b"ssh:"))),
    ("a certificate", "key.ssh_certificate", line(CERTIFICATE)),
    ("a secret key", "key.secret", b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"),
    ("an old secret key", "key.secret", b"-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n"),
    ("two of them", "key.unreadable", line(ED) + b"\n" + line(ED) + b"\n"),
    ("options before it", "key.unreadable", b"ssh-rsa,command=x " + line(ED)),
    ("another type than it says", "key.unreadable", line(ED, "ssh-rsa")),
    ("a short point", "key.unreadable", line(ED[:-1])),
    ("bytes after it", "key.unreadable", line(ED + b"x")),
    ("a number in long form", "key.unreadable", line(string(b"ssh-rsa") + string(b"\0\1\0\1") + mpint(MODULUS))),
    ("a negative number", "key.unreadable", line(string(b"ssh-rsa") + string(b"\xff") + mpint(MODULUS))),
    ("a compressed point", "key.unreadable", line(COMPRESSED)),
    ("a point off the curve", "key.unreadable", line(OFF_CURVE)),
    ("a point of another curve", "key.unreadable", line(OTHER_CURVE)),
    ("broken base64", "key.unreadable", b"ssh-ed25519 AAAAC ana"),
    ("nothing", "key.unreadable", b"ssh-ed25519 "),
    ("a bell in the comment", "key.unreadable", line(ED) + b"\a"),
    ("too long", "key.size", line(ED) + b"x" * 20_000),
]


@pytest.mark.parametrize(("name", "code", "data"), REFUSED, ids=[row[0] for row in REFUSED])
def test_no_other_key_passes_inspection(name: str, code: str, data: bytes) -> None:
    assert is_ssh(data)
    with pytest.raises(EnrolmentError, match="key") as caught:
        inspect(data, at=AT)
    assert caught.value.code == code


def test_what_is_no_ssh_key_goes_to_gpg() -> None:
    pgp = key_of("ana")
    assert not is_ssh(pgp.certificate)
    assert inspect(pgp.certificate, at=AT + DAY).fingerprint == pgp.fingerprint
    assert kind_of(pgp.fingerprint) is KeyKind.OPENPGP


def test_an_ssh_key_ends_when_its_holder_says_and_an_openpgp_key_by_its_own_word() -> None:
    info = inspect_ssh(ed().line.encode(), at=AT)
    assert info.until(None, at=AT) == info
    assert info.until(AT + 1, at=AT).enrol("ana", at=AT).subkeys == (SubKey(info.fingerprint, AT + 1),)
    with pytest.raises(EnrolmentError, match=f"expected an end after {AT}, got {AT}") as caught:
        info.until(AT, at=AT)
    assert caught.value.code == "key.expired"
    with pytest.raises(EnrolmentError, match="its certificate says when it ends") as caught:
        inspect(key_of("ana").certificate, at=AT + DAY).until(AT + 2 * DAY, at=AT + DAY)
    assert caught.value.code == "key.ends"


def test_a_reader_names_what_it_misses() -> None:
    with pytest.raises(WireError, match="point: expected 9 bytes, got 2"):
        Reader(b"\0\0\0\x09ab").string("point")
    with pytest.raises(WireError, match="type: expected printable ASCII"):
        Reader(string(b"a\0b")).name("type")


@pytest.fixture
def home(tmp_path: Path) -> SshHome:
    return SshHome(tmp_path / "ssh")


def test_a_key_made_here_signs_for_one_purpose_what_we_verify(home: SshHome) -> None:
    name = home.generate("ana@example.org")
    registry = register([inspect(home.export_public(name), at=AT).enrol("ana", at=AT)])
    signature = home.sign(b"text", name, purpose=Purpose.STATEMENT)
    proved = SshVerifier().verify(b"text", signature, registry, at=AT, purpose=Purpose.STATEMENT)
    assert (proved.key, proved.fingerprint, proved.created) == (name, name, None)
    assert {file.stat().st_mode & 0o777 for file in home.path.iterdir() if not file.suffix} == {0o600}


def test_git_finds_the_key_in_force_under_one_name(home: SshHome) -> None:
    one, two = home.generate("ana@example.org"), home.generate("ana@example.org")
    for name in (one, two, one):
        link = home.use(name)
        assert link == home.current
        assert link.with_suffix(".pub").read_bytes() == home.export_public(name)


def test_a_passphrase_is_asked_by_ssh_keygen_itself(
    home: SshHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asking = tmp_path / "ask"
    asking.write_text("#!/bin/sh\necho 'correct horse'\n")
    asking.chmod(0o700)
    monkeypatch.setenv("SSH_ASKPASS", str(asking))
    monkeypatch.setenv("SSH_ASKPASS_REQUIRE", "force")
    name = home.generate("pia@example.org", passphrase=True)
    assert home.sign(b"text", name, purpose=Purpose.STATEMENT).startswith(b"-----BEGIN SSH SIGNATURE-----")
    asking.write_text("#!/bin/sh\necho 'wrong'\n")
    with pytest.raises(SignatureToolError, match="incorrect passphrase"):
        home.sign(b"text", name, purpose=Purpose.STATEMENT)


def test_what_is_not_there_is_said(home: SshHome, tmp_path: Path) -> None:
    for use in (home.export_public, home.use, lambda name: home.sign(b"", name, purpose=Purpose.STATEMENT)):
        with pytest.raises(EnrolmentError, match=r"expected it in .*, got nothing"):
            use(ed().fingerprint)  # type: ignore[operator]
    with pytest.raises(EnrolmentError, match="printable text, on one line"):
        home.generate("ana\nexample")
    with pytest.raises(SignatureToolError, match=r"expected OpenSSH 8\.2 or later"):
        SshHome(tmp_path / "other", program="/nonexistent/ssh-keygen").generate("ana@example.org")


def test_a_home_that_others_can_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o755)
    (tmp_path / "open").chmod(0o755)
    with pytest.raises(EnrolmentError, match="mode 0700"):
        SshHome(tmp_path / "open")


def test_a_blob_is_read_once() -> None:
    assert public_key(ED) is public_key(bytes(ED))
