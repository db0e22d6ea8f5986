"""Put a witness together and run it: its key, what it remembers, the logs it knows, HTTP."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from audit.errors import AuditError, StoreError
from audit.note import Key, Signer
from audit.trust_text import parse_logs
from audit.witness import Witness
from audit.witness_http import Application
from audit.witness_store import Store
from governance.adapters import clock, witness_key
from governance.adapters.private import private_folder
from governance.entrypoints.binding import bound
from governance.errors import EnrolmentError, SettingsError

CONNECTIONS = 256
"""At once; the next ones are told to come again."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A witness that may begin."""

    signer: Signer
    new: bool
    logs: tuple[Key, ...]
    store: Store


def key_of(state: Path) -> Signer:
    """Return the key of a witness that has begun.

    Raises:
        SettingsError: None has begun here, or its key may not be used.
    """
    found = witness_key.load(state)
    if found is None:
        mend = f"twinseal witness serve --state {state} --logs FILE --listen HOST:PORT"
        raise SettingsError(f"no witness has begun in {state}", mend=mend)
    return found


def prepared(state: Path, logs: Path, name: str) -> Ready:
    """Return the witness of a folder. The first time, it is given a key and this name.

    Raises:
        SettingsError: The logs cannot be read, the key is lost or has another name, or the folder cannot be used.
    """
    keys = _logs(logs)
    _private(state)
    signer = witness_key.load(state)
    kept = state / "cosigned"
    if signer is None and kept.exists():
        mend = "Put the key back, or begin a new witness in an empty folder: --state DIR"
        raise SettingsError(f"{state} remembers what a witness cosigned, but its key is gone", mend=mend)
    new = signer is None
    signer = signer or witness_key.make(state, name or f"{socket.gethostname()}/witness")
    if name and signer.name != name:
        mend = f"--name {signer.name}, or another --state for another witness"
        raise SettingsError(f"this witness is called {signer.name}, and a name does not change: got {name}", mend=mend)
    try:
        return Ready(signer, new, keys, Store(kept))
    except StoreError as exc:
        raise SettingsError(str(exc), mend="--state DIR: a folder of this user's own") from exc


def serve(ready: Ready, address: tuple[str, int], *, tell: Callable[[str], None], begun: Callable[[str], None]) -> None:
    """Answer until told to stop. `begun` is told the address when it is taken.

    Raises:
        SettingsError: The address is taken.
    """
    import uvicorn
    import uvloop

    witness = Witness(ready.signer, ready.logs, ready.store, clock=_seconds)
    config = uvicorn.Config(
        Application(witness, tell=tell), http="httptools", ws="none", lifespan="off", log_config=None,
        access_log=False, server_header=False, limit_concurrency=CONNECTIONS, timeout_graceful_shutdown=5,
    )  # fmt: skip
    with bound(*address, mend="--listen HOST:PORT with another port") as listener:
        host, port = listener.getsockname()[:2]
        begun(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(uvicorn.Server(config).serve(sockets=[listener]))


def _private(state: Path) -> None:
    try:
        private_folder(state)
    except EnrolmentError as exc:
        raise SettingsError(str(exc), mend=f"If nobody else has used it: chmod 700 {state}") from exc
    except OSError as exc:
        raise SettingsError(f"{state} cannot be made: {exc.strerror}") from exc


def _seconds() -> int:
    return clock.now() // 1000


def _logs(path: Path) -> tuple[Key, ...]:
    try:
        return tuple(peer.key for peer in parse_logs(path.read_bytes()))
    except OSError as exc:
        mend = "One line for each log to witness: log <vkey>"
        raise SettingsError(f"the logs {path} cannot be read: {exc.strerror}", mend=mend) from exc
    except AuditError as exc:
        raise SettingsError(f"{path}: {exc}", mend="One line for each log to witness: log <vkey>") from exc
