"""How a command acts for its seat: find the service, sign a statement with the seat's key, hand it in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from governance.adapters import clock, settings
from governance.adapters.client import Client
from governance.adapters.seat import Seat
from governance.entrypoints import approving, keyring
from governance.errors import DeniedError, SettingsError


def seat() -> Seat:
    """Return this user's seat."""
    return Seat(settings.load().seat)


def url(here: Seat) -> str:
    """Return the service this seat belongs to, or the one the settings name."""
    return str(here.about().get("url") or settings.load().public_url)


def client(repository: str = "") -> Client:
    """Return a client with the token for a repository, or the seat's own."""
    here = seat()
    return Client(url(here), here.token(repository))


def chosen(repository: str) -> str:
    """Return the repository meant: the one named, or the only one this seat holds a token for.

    Raises:
        SettingsError: None was named and there is not exactly one.
    """
    if repository:
        return repository
    found = seat().repositories()
    if len(found) == 1:
        return found[0]
    said = f"which repository? this seat holds tokens for {', '.join(found) or 'none'}"
    raise SettingsError(said, mend="Add --repo NAME.")


@dataclass(frozen=True, slots=True)
class Deed:
    """One statement to sign, and where to hand it in. `extra` goes with it, unsigned."""

    type: str
    path: str
    said: Mapping[str, Any]
    extra: Mapping[str, Any] = field(default_factory=dict)


def act(type_: str, path: str, said: Mapping[str, Any], *, repository: str = "", **extra: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Sign a statement as this seat and hand it in; return the answer."""
    return together([Deed(type_, path, said, extra)], repository=repository)[0]


def together(deeds: Sequence[Deed], *, repository: str = "") -> list[dict[str, Any]]:
    """Sign each statement as this seat, and hand them in, in order; return the answers.

    Where the service wants a second factor, one prompt is opened for all that are left, and the very same statements
    are handed in again once it is approved.

    Raises:
        GovernanceError: As the service refused one; those before it are done.
    """
    here = seat()
    ready = [(deed, *signed(here, deed.type, deed.said)) for deed in deeds]
    handing = Client(url(here), here.token(repository))
    answers: list[dict[str, Any]] = []
    approved = False
    while len(answers) < len(ready):
        deed, statement, signature = ready[len(answers)]
        body = {"statement": statement, "signature": signature, **deed.extra}
        try:
            answers.append(dict(handing.post(deed.path, body)["done"]))
        except DeniedError as exc:
            if approved or exc.code != "factor.needed":
                raise
            left = [{"statement": one, "signature": other} for _, one, other in ready[len(answers) :]]
            approving.approve(Client(url(here), here.token()), left)
            approved = True
    return answers


def signed(here: Seat, type_: str, body: Mapping[str, Any]) -> tuple[str, str]:
    """Return a canonical statement and this seat's signature over it."""
    from governance.people.statements import compose

    raw = compose(
        type_,
        log=here.need("log"),
        by=here.need("principal"),
        at=clock.now(),
        nonce=clock.nonce(),
        body=body,
    )
    return raw.decode(), keyring.sign(here, raw, here.need("fingerprint"))
