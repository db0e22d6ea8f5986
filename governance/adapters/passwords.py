"""Passwords: argon2id with the second recommended parameters of RFC 9106, section 4 (64 MiB, three passes, four lanes).

OWASP asks for 19 MiB and two passes at least. One verification takes some 180 ms of processor time on the machine that
the figures of README.md come from, and 64 MiB; how many run at once is for whoever calls to bound.
"""

from __future__ import annotations

import secrets

from argon2 import Parameters, PasswordHasher, Type, extract_parameters
from argon2.exceptions import Argon2Error, InvalidHashError

from governance.errors import RequestError

PARAMETERS = Parameters(
    type=Type.ID, version=19, salt_len=16, hash_len=32, time_cost=3, memory_cost=65536, parallelism=4
)
LEAST, MOST = 12, 256
"""Characters of a password. NIST SP 800-63B asks for eight where a second factor stands beside it."""
NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$dHdpbnNlYWwtbm9ib2R5cw$MGIKOn4xvBqIUdTnWvI7Rn2Fh4fFvYzJmXb7cWv3a0o"
"""The hash of no password that anybody knows: what is checked for a name that has none, to take as long."""

_HASHER = PasswordHasher.from_parameters(PARAMETERS)


def hashed(password: str) -> str:
    """Return the encoded hash of a new password, under a salt of its own.

    Raises:
        RequestError: It is too short, or longer than anybody types.
    """
    if not LEAST <= len(password) <= MOST:
        said = f"a password has {LEAST} to {MOST} characters; this one has {len(password)}"
        raise RequestError(said, code="account.password")
    return _HASHER.hash(password.encode(), salt=secrets.token_bytes(PARAMETERS.salt_len))


class Argon2:
    """What the service asks of passwords; it never makes a hash, and never keeps a password."""

    def fit(self, encoded: str) -> bool:
        """Whether this is an encoded hash with exactly our parameters: neither cheap to guess nor dear to check."""
        try:
            found = extract_parameters(encoded)
        except InvalidHashError:
            return False
        return found == PARAMETERS

    def matches(self, encoded: str, password: str) -> bool:
        """Whether this is the password; compared in constant time. An empty hash takes as long, and never matches."""
        try:
            return bool(_HASHER.verify(encoded or NOBODY, password.encode("utf-8", "surrogatepass")[: 4 * MOST]))
        except (Argon2Error, InvalidHashError):
            return False
