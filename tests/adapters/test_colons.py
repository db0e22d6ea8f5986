from __future__ import annotations

import pytest

from governance.adapters.colons import read_listing
from governance.errors import EnrolmentError

MINE, OTHER = "A" * 40, "B" * 40
PUB = "pub:-:255:22:AAAAAAAAAAAAAAAA:1000:2000::-:::scSC:::::ed25519:::0:"
FPR = f"fpr:::::::::{MINE}:"
UID = r"uid:-::::1000::0000::Ana \x3aB\x3a <ana@example.org>::::::::::0:"


def signature(*, good: str = "!", made: int = 1000, by: str = MINE, hashed: int = 8) -> str:
    return f"sig:{good}::22:{by[:16]}:{made}::::Ana:13x::{by}:::{hashed}:"


def fault(*lines: str, pub: str = PUB) -> str:
    (key,), _ = read_listing("\n".join([pub, FPR, UID, *lines]))
    try:
        key.check()
    except EnrolmentError as error:
        return error.code
    return ""


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        ("", [signature()]),
        ("", [signature(hashed=2, made=999), signature()]),
        ("key.weak", []),
        ("key.weak", [signature(hashed=2)]),
        ("key.weak", [signature(hashed=1)]),
        ("key.weak", [signature(), signature(hashed=2, made=1001)]),
        ("key.weak", [signature(good="-")]),
        ("key.weak", [signature(good="%")]),
        ("key.weak", [signature(good="?")]),
        ("key.weak", [signature(by=OTHER)]),
        ("key.weak", [signature(hashed=2), signature(by=OTHER, made=1001)]),
        ("key.weak", [signature(hashed=2), signature(good="-", made=1001)]),
        ("", [signature(), signature(by=OTHER, made=1001, hashed=2)]),
        ("", [signature(), signature(good="-", made=1001, hashed=2)]),
    ],
)
def test_a_key_is_as_strong_as_its_own_newest_good_signature(code: str, lines: list[str]) -> None:
    assert fault(*lines) == code


@pytest.mark.parametrize(
    ("pub", "code"),
    [
        (PUB.replace("pub:-:", "pub:r:"), "key.revoked"),
        (PUB.replace("pub:-:", "pub:e:"), "key.expired"),
        (PUB.replace("pub:-:", "pub:i:"), "key.invalid"),
        (PUB.replace("pub:-:", "pub:u:"), ""),
        (PUB.replace("ed25519", "nistp384"), ""),
        (PUB.replace("ed25519", "secp256k1"), "key.weak"),
        (PUB.replace("255:22", "2048:1").replace("ed25519", ""), ""),
        (PUB.replace("255:22", "2047:1").replace("ed25519", ""), "key.weak"),
        (PUB.replace("255:22", "4096:17").replace("ed25519", ""), "key.weak"),
        (PUB.replace("255:22", "4096:16").replace("ed25519", ""), "key.weak"),
    ],
)
def test_a_key_that_is_over_or_weak_is_refused(pub: str, code: str) -> None:
    assert fault(signature(), pub=pub) == code


def test_a_listing_says_who_what_and_until_when() -> None:
    sub = PUB.replace("pub:-", "sub:-").replace("scSC", "s").replace(":2000:", "::")
    revoked = UID.replace("uid:-", "uid:r")
    text = "\n".join(["tru::1:1:0:3:1:5", PUB, FPR, UID, revoked, sub, FPR.replace("A", "B"), signature()])
    (primary, subkey), user_ids = read_listing(text)
    assert (primary.fingerprint, primary.expires, primary.capabilities) == (MINE, 2000, "sc")
    assert (subkey.fingerprint, subkey.expires, subkey.capabilities) == (OTHER, None, "s")
    assert (primary.bound, subkey.bound) == ([], [(1000, "8")])
    assert user_ids == ["Ana :B: <ana@example.org>"]
