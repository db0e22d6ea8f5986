"""Settings, read once at start: the environment, then one file. An unknown setting is an error."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

import yaml

from governance.errors import SettingsError

PREFIX = "TWINSEAL_"
FOREIGN = frozenset({"SESSION", "RESERVATION", "USER", "VECTORS", "TEST_DATABASE"})
"""Set by us for the hooks, or by people for the tests; not settings."""


TELLING = (
    "smtp", "mail_from", "sendgrid_key", "sendgrid_url", "twilio", "twilio_url", "sms_from", "webhook", "tmux",
)  # fmt: skip
"""How people are told; `telling` reads them."""
POSTGRES = ("postgresql://", "postgres://")
BEGIN = "twinseal init; or set TWINSEAL_DATA to where it has begun"
"""What to do where there is no ledger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where things are. Every field is a `TWINSEAL_<NAME>` variable and a key of the settings file."""

    data: Path
    """The service's sealed ledger key, and its database where that is a file."""
    database: Path | str
    """Ledger and projections: a file of SQLite, or a `postgresql://` address that several replicas may share."""
    state: Path
    """Outside the data directory: high-water mark and key-encryption key. Another volume is better."""
    seat: Path
    """This principal's private home: keys, tokens, which service."""
    listen: str = "127.0.0.1:8321"
    url: str = ""
    """What people and agents reach it under; `http://<listen>` where not set."""
    socket: Path
    """Where the hook asks."""
    peers: str = ""
    """The sockets of the other replicas on this machine, with colons between them."""
    witnesses: str = ""
    """A policy file (C2SP tlog-policy) that names the witnesses to ask; nobody is asked where not set."""
    sendgrid_inbound: str = ""
    """The public key, in base64, by which SendGrid signs the mails that it brings (its inbound parse)."""
    verifier: str = "sequoia"
    """What checks OpenPGP signatures: `sequoia` in this process, or `gnupg`, two processes for each signature."""

    smtp: str = field(default="", repr=False)
    """The server that takes our mail: `smtp://user:password@host:port` (STARTTLS) or `smtps://` (TLS at once)."""
    mail_from: str = ""
    """The address that mail comes from."""
    sendgrid_key: str = field(default="", repr=False)
    """A key of SendGrid's: mail goes by it, in place of `smtp`."""
    sendgrid_url: str = "https://api.sendgrid.com"
    twilio: str = field(default="", repr=False)
    """Account and token of Twilio's, as `sid:token`: text messages go by it."""
    twilio_url: str = "https://api.twilio.com"
    sms_from: str = ""
    """The number that text messages come from."""
    webhook: str = field(default="", repr=False)
    """An address that takes JSON as Slack does; whoever knows it may write there, so it is a secret."""
    tmux: str = ""
    """A session of tmux, or `/path/of/its/socket:session`, whose status line shows what is critical."""

    @property
    def public_url(self) -> str:
        """The address that goes into messages and links."""
        return (self.url or f"http://{self.listen}").rstrip("/")

    @property
    def sockets(self) -> tuple[Path, ...]:
        """Our own socket, then those of the other replicas on this machine."""
        return (self.socket, *(Path(peer) for peer in self.peers.split(":") if peer))

    @property
    def database_file(self) -> Path:
        """The database, where it is a file."""
        if isinstance(self.database, str):
            raise SettingsError("the ledger is kept in PostgreSQL: there is no file", mend="twinseal ledger export DIR")
        return self.database

    @property
    def where(self) -> str:
        """Where the ledger is kept, in words that hold no password."""
        return re.sub(r"//[^@/]*@", "//", str(self.database))

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
    known = {each.name for each in fields(Settings)}
    for name in sorted(values.keys() - known):
        raise SettingsError(f"{PREFIX}{name.upper()} is not a setting; known: {', '.join(sorted(known))}")
    home = Path(env.get("HOME", "/nonexistent"))
    data = Path(values.get("data", env.get("XDG_DATA_HOME", f"{home}/.local/share") + "/twinseal"))
    database = values.get("database", "")
    return Settings(
        data=data,
        database=database if database.startswith(POSTGRES) else Path(database or data / "ledger.sqlite"),
        state=Path(values.get("state", env.get("XDG_STATE_HOME", f"{home}/.local/state") + "/twinseal")),
        seat=Path(values.get("seat", env.get("XDG_CONFIG_HOME", f"{home}/.config") + "/twinseal")),
        listen=values.get("listen", "127.0.0.1:8321"),
        url=values.get("url", ""),
        witnesses=values.get("witnesses", ""),
        socket=Path(values.get("socket", data / "hook.sock")),
        peers=values.get("peers", ""),
        sendgrid_inbound=values.get("sendgrid_inbound", ""),
        **{name: values[name] for name in TELLING if name in values},
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
