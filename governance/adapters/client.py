"""The client of our own API: plain `http.client`, so that a command starts quickly."""

from __future__ import annotations

import http.client
import json
from typing import Any, Self
from urllib.parse import urlsplit

from governance.adapters import clock
from governance.errors import (
    ConflictError,
    DeniedError,
    GovernanceError,
    NotFoundError,
    RequestError,
    UnauthenticatedError,
    UnavailableError,
)

TIMEOUT_S = 30
IDLE_S = 2
"""After so long without a word a connection is made anew: the service closes its end after five seconds, and whoever is
asked for a code takes longer."""
BY_STATUS: dict[int, type[GovernanceError]] = {
    401: UnauthenticatedError,
    403: DeniedError,
    404: NotFoundError,
    409: ConflictError,
    422: RequestError,
    503: UnavailableError,
}


class Client:
    """Talks to one service with one token. A problem document comes back as the error it was made from."""

    def __init__(self, url: str, token: str = "") -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise RequestError(f"{url!r} is not the address of a service", code="settings.invalid")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.hostname, parts.port, timeout=TIMEOUT_S)
        self._url = url
        self._token = token
        self._heard = clock.monotonic()

    def __enter__(self) -> Self:
        """Use it, and close it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self._connection.close()

    def get(self, path: str) -> dict[str, Any]:
        """Ask."""
        return self._ask("GET", path, None)

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Act."""
        return self._ask("POST", path, body)

    def _ask(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        data = None if body is None else json.dumps(body).encode()
        if clock.monotonic() - self._heard > IDLE_S:
            self._connection.close()
        try:
            self._connection.request(method, f"/v1{path}", data, headers)
            response = self._connection.getresponse()
            raw = response.read()
            self._heard = clock.monotonic()
        except (OSError, http.client.HTTPException) as exc:
            self._connection.close()
            said = f"{self._url} cannot be reached: {str(exc) or type(exc).__name__}"
            raise UnavailableError(said, mend="Is it running? twinseal serve") from exc
        try:
            found = json.loads(raw)
        except ValueError as exc:
            raise UnavailableError(f"{self._url} answered {response.status} with something else than JSON") from exc
        if response.status >= 400:  # noqa: PLR2004 - RFC 9110
            kind = BY_STATUS.get(response.status, UnavailableError)
            raise kind(found.get("detail", "refused"), code=found.get("code"), mend=found.get("mend", ""))
        return found  # type: ignore[no-any-return]
