"""Settings, read once at start: the environment, then one file. An unknown setting is an error."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import yaml

from governance.errors import SettingsError

PREFIX = "TWINSEAL_"
FOREIGN = frozenset({"SESSION", "RESERVATION", "USER", "VECTORS"})
"""Set by us for the hooks, or by people for the tests; not settings."""


BEGIN = "twinseal init; or set TWINSEAL_DATA to where it has begun"
"""What to do where there is no ledger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where things are. Every field is a `TWINSEAL_<NAME>` variable and a key of the settings file."""

    data: Path
    """The service's database and its sealed ledger key."""
    state: Path
    """Outside the data directory: high-water mark and key-encryption key. Another volume is better."""
    seat: Path
    """This principal's private home: keys, tokens, which service."""
    listen: str = "127.0.0.1:8321"
    url: str = ""
    """What people and agents reach it under; `http://<listen>` where not set."""
    socket: Path
    """Where the hook asks."""
    verifier: str = "sequoia"
    """What checks OpenPGP signatures: `sequoia` in this process, or `gnupg`, two processes for each signature."""

    @property
    def public_url(self) -> str:
        """The address that goes into messages and links."""
        return (self.url or f"http://{self.listen}").rstrip("/")

    @property
    def database(self) -> Path:
        """The ledger and its projections."""
        return self.data / "ledger.sqlite"

    @property
    def address(self) -> tuple[str, int]:
        """Host and port to listen on."""
        host, _, port = self.listen.rpartition(":")
        if not host or not port.isdigit():
            raise SettingsError(f"listen: expected host:port, got {self.listen!r}")
        return host, int(port)


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Return the settings of this process.

    Raises:
        SettingsError: An unknown `TWINSEAL_*` variable, an unknown or repeated key, an unreadable file.
    """
    env = os.environ if environ is None else environ
    given = {k.removeprefix(PREFIX).lower(): v for k, v in env.items() if k.startswith(PREFIX)}
    for name in FOREIGN:
        given.pop(name.lower(), None)
    file = given.pop("settings", "")
    values = {**(_file(Path(file)) if file else {}), **given}
    known = {field.name for field in fields(Settings)}
    for name in sorted(values.keys() - known):
        raise SettingsError(f"{PREFIX}{name.upper()} is not a setting; known: {', '.join(sorted(known))}")
    home = Path(env.get("HOME", "/nonexistent"))
    data = Path(values.get("data", env.get("XDG_DATA_HOME", f"{home}/.local/share") + "/twinseal"))
    return Settings(
        data=data,
        state=Path(values.get("state", env.get("XDG_STATE_HOME", f"{home}/.local/state") + "/twinseal")),
        seat=Path(values.get("seat", env.get("XDG_CONFIG_HOME", f"{home}/.config") + "/twinseal")),
        listen=values.get("listen", "127.0.0.1:8321"),
        url=values.get("url", ""),
        socket=Path(values.get("socket", data / "hook.sock")),
        verifier=_one_of("verifier", values.get("verifier", "sequoia"), ("sequoia", "gnupg")),
    )


def _one_of(name: str, value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise SettingsError(f"{PREFIX}{name.upper()}: expected {' or '.join(known)}, got {value!r}")
    return value


def _file(path: Path) -> dict[str, str]:
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as exc:
        raise SettingsError(f"{path}: cannot be read as settings: {exc}") from exc
    if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
        raise SettingsError(f"{path}: expected a mapping of names to text")
    return {str(name): value for name, value in found.items()}
