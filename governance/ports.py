"""What we need from the world besides the verifier (`signatures.py`), with the promises each must keep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from governance.signatures import CertificateInfo


@dataclass(frozen=True, slots=True)
class Watch:
    """What one look at hooks and configuration found."""

    faults: tuple[str, ...]
    found: str
    """Digest of what is there, right or wrong; empty where we could not look."""


class Clock(Protocol):
    """The time, read once per question."""

    def __call__(self) -> int:
        """Return milliseconds since the epoch, UTC. May jump; the ledger's own time does not go back."""
        ...


class CertificateReader(Protocol):
    """Reads public keys for enrolment."""

    def __call__(self, data: bytes, *, at: int) -> CertificateInfo:
        """Return what a certificate holds, judged at Unix time `at`.

        Raises:
            EnrolmentError: Anything that must not be enrolled.
        """
        ...
