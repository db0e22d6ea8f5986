"""What we need from the world besides the verifier (`signatures.py`), with the promises each must keep."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from governance.errors import UnavailableError
from governance.refusals import FactorRefused
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


class DrawKeys(Protocol):
    """The keys of the tertiary draw. They lie outside the ledger and its database until their epoch is over."""

    def get(self, epoch: int) -> bytes:
        """Return the key of an epoch; empty where it is lost."""
        ...

    def make(self, epoch: int) -> bytes:
        """Return the key for an epoch that is about to be opened. Durable before it returns.

        One that a crash left behind, or that another replica has just made, is taken.
        """
        ...


class NoKeys:
    """For a service that draws nothing: it has none, and makes none that would last."""

    def get(self, epoch: int) -> bytes:
        """Return nothing."""
        del epoch
        return b""

    def make(self, epoch: int) -> bytes:
        """Return nothing, which opens no epoch."""
        return self.get(epoch)


class PasskeyVerifier(Protocol):
    """Makes and verifies passkeys (WebAuthn) at the public address."""

    @property
    def party(self) -> str:
        """The name that passkeys are made for; empty where there can be none."""
        ...

    def wanted(self, name: str, *, challenge: bytes, known: Iterable[str]) -> dict[str, Any]:
        """Return what a browser is to make a passkey with. `known` are the credentials this person has.

        Raises:
            FactorRefused: There can be none at this address.
        """
        ...

    def asked(self, *, challenge: bytes, known: Iterable[str] = ()) -> dict[str, Any]:
        """Return what a browser is to sign; with one of `known`, or with whichever its person picks.

        Raises:
            FactorRefused: There can be none at this address.
        """
        ...

    def made(self, name: str, credential: Mapping[str, Any], *, challenge: bytes) -> tuple[dict[str, Any], int]:
        """Return what is kept of a new passkey, its credential's `id` among it, and its signature count.

        Raises:
            FactorRefused: It was not made for this challenge, here, by a person whom the authenticator verified.
        """
        ...

    def verify(self, public: Mapping[str, Any], credential: Mapping[str, Any], *, challenge: bytes, count: int) -> int:
        """Return the new signature count of a passkey that signed this challenge, with the user verified.

        `public` is what its enrolment kept, `credential` what the browser sent, `count` the last one known.

        Raises:
            FactorRefused: It did not sign this, or not as it must.
        """
        ...


class NoPasskeys:
    """For a service that has no page to use a passkey on."""

    party = ""

    def wanted(self, name: str, *, challenge: bytes, known: Iterable[str]) -> dict[str, Any]:
        """Refuse."""
        del name, known
        return self.asked(challenge=challenge)

    def asked(self, *, challenge: bytes, known: Iterable[str] = ()) -> dict[str, Any]:
        """Refuse."""
        del challenge, known
        raise FactorRefused("this service takes no passkeys")

    def made(self, name: str, credential: Mapping[str, Any], *, challenge: bytes) -> tuple[dict[str, Any], int]:
        """Refuse."""
        del name
        return {}, self.verify({}, credential, challenge=challenge, count=0)

    def verify(self, public: Mapping[str, Any], credential: Mapping[str, Any], *, challenge: bytes, count: int) -> int:
        """Refuse."""
        del public, credential, challenge, count
        raise FactorRefused("this service takes no passkeys")


class Passwords(Protocol):
    """Compares passwords with their hashes. Slow by intent: never called under the ledger's lock."""

    def fit(self, encoded: str) -> bool:
        """Whether this is an encoded hash of the kind that is kept now."""
        ...

    def matches(self, encoded: str, password: str) -> bool:
        """Whether this is the password. For an empty hash never, after as long a time."""
        ...


class NoPasswords:
    """For a service without accounts."""

    def fit(self, encoded: str) -> bool:
        """Return no."""
        del encoded
        return False

    def matches(self, encoded: str, password: str) -> bool:
        """Return no."""
        del password
        return self.fit(encoded)


class Vault(Protocol):
    """Seals secrets under a key that lies outside the database, each bound to its name."""

    def seal(self, named: str, secret: bytes) -> str:
        """Return a secret sealed, as text."""
        ...

    def open(self, named: str, text: str) -> bytes:
        """Return what was sealed under this name.

        Raises:
            GovernanceError: Sealed under another key or name, altered, or the key is gone.
        """
        ...


class NoVault:
    """For a service without a key-encryption key: it keeps no secret."""

    def seal(self, named: str, secret: bytes) -> str:
        """Refuse: what is not sealed is not kept."""
        del secret
        raise UnavailableError(f"there is no key to seal {named} under")

    def open(self, named: str, text: str) -> bytes:
        """Refuse: there is no key."""
        del text
        raise UnavailableError(f"there is no key that opens {named}")
