"""An address to listen on, taken before anything is said of it."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

from governance.errors import SettingsError


def address(listen: str) -> tuple[str, int]:
    """Read `host:port`.

    Raises:
        SettingsError: It is none.
    """
    host, _, port = listen.rpartition(":")
    if not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:  # noqa: PLR2004 - the largest port
        raise SettingsError(f"listen: expected host:port, got {listen!r}", mend="For example 127.0.0.1:8331")
    return host.removeprefix("[").removesuffix("]"), int(port)


@contextlib.contextmanager
def bound(host: str, port: int, *, mend: str) -> Iterator[socket.socket]:
    """Listen while the block lasts. Port 0 takes a free one.

    Raises:
        SettingsError: The address is taken, or not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as exc:
            said = f"{host}:{port} cannot be listened on: {exc.strerror or exc}"
            raise SettingsError(said, mend=mend) from exc
        listener.listen(128)
        yield listener
