"""A seat's own keys, OpenPGP or SSH: make one, show its public half, sign with it. Which kind, its fingerprint says."""

from __future__ import annotations

import base64
import getpass
import os
from dataclasses import dataclass
from typing import Any

from governance.adapters import clock
from governance.adapters.seat import Seat
from governance.errors import RequestError
from governance.signatures import KeyKind, Purpose, kind_of, possession_challenge

DAY_S = 24 * 60 * 60


@dataclass(frozen=True, slots=True)
class Wanted:
    """The key that somebody wants. `ends` is in seconds since the epoch."""

    kind: KeyKind
    name: str
    email: str
    passphrase: bool = False
    ends: int | None = None


def ends_after(days: int) -> int | None:
    """Return the end of a key that is good for so many days; None for 0, which is no end."""
    return clock.now() // 1000 + days * DAY_S if days else None


def make(here: Seat, wanted: Wanted) -> str:
    """Make a key in the seat; return its fingerprint."""
    if wanted.kind is KeyKind.SSH:
        from governance.adapters.ssh_home import SshHome

        return SshHome(here.ssh).generate(wanted.email, passphrase=wanted.passphrase)
    from governance.adapters.gnupg_home import KeyHome

    phrase = ""
    if wanted.passphrase:
        import typer

        phrase = typer.prompt("Passphrase", hide_input=True, confirmation_prompt=True)
    with KeyHome(here.keys) as home:
        return home.generate(wanted.name, wanted.email, expires=wanted.ends, passphrase=phrase)


def public(here: Seat, fingerprint: str) -> str:
    """Return the public half, as the service takes it."""
    if kind_of(fingerprint) is KeyKind.SSH:
        from governance.adapters.ssh_home import SshHome

        return SshHome(here.ssh).export_public(fingerprint).decode("utf-8")
    from governance.adapters.gnupg_home import KeyHome

    with KeyHome(here.keys) as home:
        return base64.b64encode(home.export_public(fingerprint)).decode("ascii")


def sign(here: Seat, data: bytes, fingerprint: str) -> str:
    """Return the armored signature of a key of this seat over a statement, or a proof of possession."""
    try:
        if kind_of(fingerprint) is KeyKind.SSH:
            from governance.adapters.ssh_home import SshHome

            return SshHome(here.ssh).sign(data, fingerprint, purpose=Purpose.STATEMENT).decode("ascii")
        from governance.adapters.gnupg_home import KeyHome

        with KeyHome(here.keys) as home:
            return home.sign(data, fingerprint, passphrase=_passphrase(here)).decode("ascii")
    except UnicodeDecodeError as exc:
        raise RequestError("a signature was made that is not armored") from exc


def introduction(here: Seat, fingerprint: str, ends: int | None) -> dict[str, Any]:
    """Return how a key is shown to the service. Only an SSH key has its end said for it."""
    own: dict[str, Any] = {"ends": ends} if ends is not None and kind_of(fingerprint) is KeyKind.SSH else {}
    return {"certificate": public(here, fingerprint), **own}


def proof(here: Seat, name: str, given: dict[str, str], shown: dict[str, Any]) -> dict[str, Any]:
    """Return what proves to the service that the seat holds the key that was shown: its answer to the challenge."""
    fingerprint = given["fingerprint"]
    text = possession_challenge(
        given["log"], principal=name, fingerprint=fingerprint, nonce=given["nonce"], ends=shown.get("ends")
    )
    return {**shown, "nonce": given["nonce"], "proof": sign(here, text, fingerprint)}


def for_git(here: Seat, fingerprint: str) -> list[str]:
    """Put the key in force for git, and return the lines that make a clone sign with it."""
    if kind_of(fingerprint) is KeyKind.SSH:
        from governance.adapters.ssh_home import SshHome

        file = SshHome(here.ssh).use(fingerprint)
        return ["git config gpg.format ssh", f"git config user.signingkey {file}", "git config commit.gpgsign true"]
    return [f"git config user.signingkey {fingerprint}", "git config commit.gpgsign true"]


def _passphrase(here: Seat) -> str | None:
    """Return the key's passphrase where it has one: from the terminal, never from an argument."""
    if here.about().get("passphrase") != "yes":
        return None
    return getpass.getpass(f"Passphrase of {here.need('principal')}: ") if os.isatty(0) else os.read(0, 1024).decode()
