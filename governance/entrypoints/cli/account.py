"""`account`, `passkey`: what a person needs to log in to the pages, and to be reached. Set up where their key is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from governance.entrypoints.cli.options import AsJson, group

PATIENCE_S = 600
LOOK_EVERY_S = 1.0


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    account = group(app, "account", "Your account for the pages, and how you are reached.")
    account.command("password")(password)
    account.command("contact")(contact)
    passkey = group(app, "passkey", "Passkeys, which approve in a browser.")
    passkey.command("enroll")(enroll)


def password(
    file: Annotated[Path | None, typer.Option(help="A file that holds it, instead of typing it.")] = None,
    as_json: AsJson = False,
) -> None:
    """Set the password of your account for the pages; the sessions of the old one end.

    It is hashed here; what is sent is the hash, and a statement that your key signs over its digest.
    """
    from governance.adapters import passwords
    from governance.entrypoints import acting, terminal
    from governance.people.accounts import digest

    acting.client()  # Nobody is asked who could not hand it in.
    typed = file.read_text("utf-8").rstrip("\n") if file else _typed()
    encoded = passwords.hashed(typed)
    said = {"digest": digest(encoded)}
    answer = acting.act("account.password", "/account/password", said, encoded=encoded)
    terminal.emit(answer) if as_json else terminal.done(f"the password is set (entry {answer['entry']})")


def _typed() -> str:
    from getpass import getpass

    from governance.entrypoints import terminal
    from governance.errors import RequestError

    if not terminal.interactive():
        raise RequestError("nobody can be asked for a password here", code="account.password", mend="Add --file FILE.")
    first = getpass("New password: ")
    if getpass("The same again: ") != first:
        raise RequestError("the two are not the same", code="account.password")
    return first


def enroll(
    label: Annotated[str, typer.Option(help="To tell it from your others.")] = "passkey",
    wait: Annotated[int, typer.Option(min=1, max=PATIENCE_S, help="Seconds to wait for the browser.")] = PATIENCE_S,
    as_json: AsJson = False,
) -> None:
    """Make a passkey in a browser, and enrol it with a statement that your key signs."""
    from governance.entrypoints import acting, terminal

    client = acting.client()
    given = client.post("/passkeys/offers", {})
    address = f"{given['address']}#{given['secret']}"
    typer.echo(
        err=True, message="Open this in the browser that shall hold the passkey; it is good once, for ten minutes:"
    )
    typer.echo(err=True, message=f"\n    {address}\n")
    factor = _made(given["offer"], wait)
    said = {"kind": "passkey", "label": label, "factor": factor}
    answer = acting.act("factor.enroll", "/passkeys", said, offer=given["offer"])
    if as_json:
        terminal.emit(answer)
        return
    until = (
        "" if answer["how"] in {"first", "another"} else f", and counts from {terminal.when(answer['counts_from'])} UTC"
    )
    terminal.done(f"passkey {label} is enrolled (entry {answer['entry']}){until}")
    if answer["recovery_codes"]:
        terminal.say("\nRecovery codes. They are shown now and kept nowhere; write them down and lock them away:\n")
        for code in answer["recovery_codes"]:
            terminal.say(f"    {code}", style="bold")


def _made(offer: str, wait: int) -> str:
    """Return the factor that the browser made, once it has."""
    import time

    from governance.adapters import clock
    from governance.entrypoints import acting
    from governance.errors import NotFoundError

    until = clock.monotonic() + wait
    while clock.monotonic() < until:
        found: dict[str, Any] = acting.client().get(f"/passkeys/offers/{offer}")
        if found["made"]:
            return str(found["factor"])
        time.sleep(LOOK_EVERY_S)
    raise NotFoundError("no passkey was made in time", code="passkey.offer", mend="twinseal passkey enroll")


def contact(
    phone: Annotated[str, typer.Option(help="Your number, like +491701234567; asked for where it is left out.")] = "",
    remove: Annotated[bool, typer.Option("--remove", help="Take the number back.")] = False,
    as_json: AsJson = False,
) -> None:
    """Name the number that text messages to you go to. It is kept sealed, and stands in no entry."""
    from governance.adapters import clock
    from governance.entrypoints import acting, terminal
    from governance.tell.addresses import digest

    if remove and phone:
        raise typer.BadParameter("say one of --phone, --remove")
    if not remove and not phone:
        phone = terminal.secret("Number", instead="Add --phone NUMBER.")
    phone = phone.replace(" ", "")
    salt = clock.token()
    said = {"channel": "sms", "set": not remove, "digest": "" if remove else digest(salt, phone)}
    extra = {} if remove else {"phone": phone, "salt": salt}
    answer = acting.act("account.contact", "/account/contact", said, **extra)
    done = "your number is kept" if answer["set"] else "your number is taken back"
    terminal.emit(answer) if as_json else terminal.done(f"{done} (entry {answer['entry']})")
