"""How a command acts for its seat: find the service, sign a statement with the seat's key, hand it in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from governance.adapters import clock, settings
from governance.adapters.client import Client
from governance.adapters.seat import Seat
from governance.entrypoints import keyring
from governance.errors import SettingsError


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


def act(type_: str, path: str, said: Mapping[str, Any], *, repository: str = "", **extra: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Sign a statement as this seat and hand it in; return the answer."""
    here = seat()
    statement, signature = signed(here, type_, said)
    body = {"statement": statement, "signature": signature, **extra}
    return dict(Client(url(here), here.token(repository)).post(path, body)["done"])


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
