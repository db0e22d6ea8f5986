from __future__ import annotations

import re

import pytest
from argon2 import PasswordHasher

from governance.adapters.passwords import LEAST, MOST, NOBODY, PARAMETERS, Argon2, hashed
from governance.errors import RequestError

PASSWORD = "correct horse battery staple"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)


def test_a_password_matches_its_own_hash_and_no_other() -> None:
    encoded = hashed(PASSWORD)
    assert encoded != hashed(PASSWORD)
    assert encoded.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    argon2 = Argon2()
    assert argon2.fit(encoded)
    assert argon2.matches(encoded, PASSWORD)
    for other in ("", PASSWORD.upper(), PASSWORD + " ", PASSWORD[:-1], PASSWORD + "\0"):
        assert not argon2.matches(encoded, other)


def test_nobody_has_a_password_that_costs_as_much_to_look_at() -> None:
    argon2 = Argon2()
    assert argon2.fit(NOBODY)
    for guess in ("", "nobody", "twinseal-nobody", NOBODY):
        assert not argon2.matches("", guess)


@pytest.mark.parametrize("length", [0, LEAST - 1, MOST + 1])
def test_what_is_too_short_or_longer_than_anybody_types_is_refused(length: int) -> None:
    with pytest.raises(RequestError) as refused:
        hashed("x" * length)
    assert refused.value.code == "account.password"


@pytest.mark.parametrize("length", [LEAST, MOST])
def test_the_bounds_themselves_are_good(length: int) -> None:
    assert Argon2().matches(hashed("ä" * length), "ä" * length)


def test_no_other_parameters_are_taken() -> None:
    """Cheaper ones would be guessed, dearer ones would be a way to keep us busy."""
    true, argon2 = hashed(PASSWORD), Argon2()
    for old, new in (("m=65536", "m=64"), ("m=65536", "m=4194304"), ("t=3", "t=1"), ("p=4", "p=1"), ("id$", "i$")):
        assert not argon2.fit(true.replace(old, new, 1)), new
    for odd in (CHEAP, "", "x", true + "$x", true.replace("v=19", "v=16"), "$2b$12$" + "x" * 53, "\0", "ä"):
        assert not argon2.fit(odd)
    assert re.search(r"\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$", true)
    assert (PARAMETERS.salt_len, PARAMETERS.hash_len) == (16, 32)
