"""What we need from the world besides the verifier (`signatures.py`), with the promises each must keep."""

from __future__ import annotations

from collections.abc import Iterable
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


@dataclass(frozen=True, slots=True)
class Merged:
    """What git makes of two commits by itself: a tree, or the paths it could not merge."""

    tree: str
    conflicts: tuple[str, ...] = ()


class Yard(Protocol):
    """A repository at a path, as the lander works on it: as the git user, with the repository's own hooks in force."""

    def tip(self, path: str, ref: str) -> str:
        """Return the value of a ref, empty where it does not exist."""
        ...

    def contains(self, path: str, head: str, tip: str) -> bool:
        """Whether the tip is the head or one of its ancestors."""
        ...

    def merge(self, path: str, tip: str, head: str) -> Merged:
        """Merge two commits as the hook will, without touching a ref."""
        ...

    def store(self, path: str, commit: bytes) -> str:
        """Keep a commit, still unreferenced; return its name."""
        ...

    def gather(self, path: str, request: str) -> bytes:
        """Return what the hook's own code gathers; `request` as `twinseal_hook.landing` reads it.

        Raises:
            FactsError: It could not, or would not.
        """
        ...

    def reserve(self, path: str, handle: str, lines: Iterable[tuple[str, str, str]]) -> None:
        """Write the reservation under which the ref may move: whole, or not at all."""
        ...

    def move(self, path: str, handle: str, line: tuple[str, str, str]) -> None:
        """Move a ref under a reservation, from exactly the old value; durable when this returns.

        Raises:
            FactsError: It did not move, or nobody knows.
        """
        ...

    def clear(self, path: str, handle: str) -> None:
        """Remove a reservation that is over, if it is there."""
        ...


class LanderKey(Protocol):
    """The lander's own signing key: made where it is used, and kept there."""

    def make(self, name: str, email: str) -> bytes:
        """Make a key and return its certificate."""
        ...

    def sign(self, data: bytes, fingerprint: str) -> bytes:
        """Return an armored detached signature by exactly this key."""
        ...
