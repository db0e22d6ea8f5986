"""Keys as gpg lists them for machines, and whether they are sound enough to enrol. Pure.

Source: GnuPG, doc/DETAILS, "Format of the colon listings", as `--check-sigs` prints it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from governance.errors import EnrolmentError

SMALLEST_RSA = 2048
UNUSABLE = {"r": "revoked", "e": "expired", "i": "invalid", "d": "disabled"}
"""Letters of the validity field that end a key, in words."""

_CURVES = frozenset({"ed25519", "nistp256", "nistp384", "nistp521"})
_RSA = "1"
_STRONG_HASHES = frozenset({"8", "9", "10"})  # SHA-256, SHA-384, SHA-512


@dataclass(slots=True)
class Listed:
    """A primary key or a subkey."""

    validity: str
    bits: int
    algorithm_id: str
    expires: int | None
    capabilities: str
    curve: str
    fingerprint: str = ""
    bound: list[tuple[int, str]] = field(default_factory=list)
    """When each good self-signature was made, and with which hash."""

    @property
    def algorithm(self) -> str:
        """What to call the algorithm."""
        return self.curve or f"algorithm {self.algorithm_id} of {self.bits} bits"

    def check(self) -> None:
        """Refuse a key that is over, or weak, or whose newest binding is."""
        if self.validity in UNUSABLE:
            over = UNUSABLE[self.validity]
            raise EnrolmentError(f"key {self.fingerprint}: expected one in force, got one {over}", code=f"key.{over}")
        strong = self.bits >= SMALLEST_RSA if self.algorithm_id == _RSA else self.curve in _CURVES
        if not strong:
            said = f"expected ed25519, a NIST curve, or RSA of {SMALLEST_RSA} bits, got {self.algorithm}"
            raise EnrolmentError(f"key {self.fingerprint}: {said}", code="key.weak")
        if max(self.bound, default=(0, ""))[1] not in _STRONG_HASHES:
            said = "expected it bound to its certificate with SHA-256 or better"
            raise EnrolmentError(f"key {self.fingerprint}: {said}; make it anew, or renew its expiry", code="key.weak")


def read_listing(text: str) -> tuple[list[Listed], list[str]]:
    """Return the keys, primary first, and the user ids that stand."""
    keys: list[Listed] = []
    user_ids: list[str] = []
    for line in text.splitlines():
        row = line.split(":")
        if row[0] in {"pub", "sub"}:
            curve = row[16] if len(row) > 16 else ""  # noqa: PLR2004 - a field number
            capabilities = "".join(letter for letter in row[11] if letter.islower())
            keys.append(Listed(row[1], int(row[2]), row[3], int(row[6]) if row[6] else None, capabilities, curve))
        elif row[0] == "fpr" and keys and not keys[-1].fingerprint:
            keys[-1].fingerprint = row[9]
        elif row[0] == "uid" and row[1] not in UNUSABLE:
            user_ids.append(re.sub(r"\\x([0-9a-f]{2})", lambda match: chr(int(match[1], 16)), row[9]))
        elif row[0] == "sig" and row[1] == "!" and row[12] == keys[0].fingerprint:
            keys[-1].bound.append((int(row[5]), row[15]))
    return keys, user_ids
