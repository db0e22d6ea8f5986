"""Passkeys that are being made: a terminal asks for one, a browser makes it, and the terminal's statement enrols it.

What joins the two is a secret that the terminal shows, good for ten minutes and once. In memory: a restart means
asking again, and nothing is enrolled before the person's own key has signed which passkey it is.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from governance.errors import ConflictError, NotFoundError, RequestError
from governance.people import factors
from governance.people.principals import secret_digest


def factor_of(credential: object) -> str:
    """Return the name of the factor that a passkey is, by its credential's id as browsers write it; empty for none."""
    if not isinstance(credential, str):
        return ""
    try:
        raw = base64.urlsafe_b64decode(credential.encode("ascii") + b"=" * (-len(credential) % 4))
    except ValueError:
        return ""
    return factors.identifier(raw) if raw else ""


OFFER_MS = 10 * 60 * 1000
MOST, MOST_EACH = 500, 3


@dataclass
class Offer:
    """One passkey to be made. `public` is what it turned out to be; empty until then."""

    id: str
    principal: str
    challenge: bytes
    expires_at: int
    public: Mapping[str, Any] = field(default_factory=dict)
    count: int = 0


class Offers:
    """Every offer that is open, by the digest of its secret."""

    def __init__(self) -> None:
        self._open: dict[str, Offer] = {}

    def give(self, principal: str, secret: str, challenge: bytes, *, now: int) -> Offer:
        """Open an offer for a person; a fourth of theirs takes the place of the oldest.

        Raises:
            RequestError: Too many are open, of all.
        """
        self._open = {key: offer for key, offer in self._open.items() if offer.expires_at > now}
        own = [key for key, offer in self._open.items() if offer.principal == principal]
        for key in own[: max(0, len(own) + 1 - MOST_EACH)]:
            del self._open[key]
        if len(self._open) >= MOST:
            raise RequestError("too many passkeys are being made; try again in a minute", code="passkey.busy")
        digest = secret_digest(secret)
        offer = Offer(digest[:12], principal, challenge, now + OFFER_MS)
        self._open[digest] = offer
        return offer

    def shown(self, secret: str, *, now: int) -> Offer:
        """Return the offer that a browser holds the secret of.

        Raises:
            NotFoundError: There is none, any more.
        """
        offer = self._open.get(secret_digest(secret))
        if offer is None or offer.expires_at <= now:
            said = "this address is unknown, used or older than ten minutes"
            raise NotFoundError(said, code="passkey.offer", mend="Ask again: twinseal passkey enroll")
        return offer

    def made(self, secret: str, public: Mapping[str, Any], count: int, *, now: int) -> Offer:
        """Note which passkey was made. It is made once: whoever comes second finds it done.

        Raises:
            NotFoundError: There is no such offer.
            ConflictError: One was made already.
        """
        offer = self.shown(secret, now=now)
        if offer.public:
            raise ConflictError("a passkey was made at this address already", code="passkey.made")
        offer.public, offer.count = dict(public), count
        return offer

    def of(self, principal: str, identifier: str, *, now: int) -> Offer:
        """Return a person's own offer, by its public id, for the terminal that waits.

        Raises:
            NotFoundError: They have none by that id.
        """
        for offer in self._open.values():
            if (offer.principal, offer.id) == (principal, identifier) and offer.expires_at > now:
                return offer
        raise NotFoundError("that passkey was not made in time", code="passkey.offer", mend="twinseal passkey enroll")

    def end(self, offer: Offer) -> None:
        """Forget an offer: its passkey was enrolled, or is not wanted."""
        self._open = {key: one for key, one in self._open.items() if one is not offer}
