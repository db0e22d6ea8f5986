"""`key`: make, enrol, rotate and revoke signing keys, OpenPGP or SSH."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from governance.entrypoints.cli.options import AsJson, group

Days = Annotated[int, typer.Option("--days", min=0, max=3660, help="How long the key is good for; 0 for no end.")]


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    key = group(app, "key", "Make, enrol, rotate and revoke signing keys.")
    key.command("generate")(generate)
    key.command("enroll")(enroll)
    key.command("rotate")(rotate)
    key.command("revoke")(revoke)


def generate(
    as_: Annotated[str, typer.Option("--as", help="The principal's name.")],
    email: Annotated[str, typer.Option(help="The address on the key.")],
    ssh: Annotated[bool, typer.Option("--ssh/--openpgp", help="An SSH key, or an OpenPGP key.")] = False,
    days: Days = 0,
    passphrase: Annotated[bool, typer.Option(help="Ask for a passphrase. People should; agents cannot.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a key in this seat's private home."""
    from governance.entrypoints import acting, keyring, terminal
    from governance.signatures import KeyKind

    here = acting.seat()
    kind = KeyKind.SSH if ssh else KeyKind.OPENPGP
    ends = keyring.ends_after(days)
    fingerprint = keyring.make(here, keyring.Wanted(kind, as_, email, passphrase, ends))
    asked = "yes" if passphrase else "no"
    here.remember(pending=fingerprint, pending_ends=str(ends or ""), name=as_, email=email, passphrase=asked)
    home = here.ssh if ssh else here.keys
    if as_json:
        terminal.emit({"fingerprint": fingerprint, "home": str(home)})
        return
    terminal.done(f"key {fingerprint} made in {home}")
    terminal.say("Next:  twinseal key enroll")


def enroll(
    secret_file: Annotated[Path | None, typer.Option(help="A file that holds the enrolment secret.")] = None,
    url: Annotated[str, typer.Option(help="The service, where the settings do not name it.")] = "",
    as_json: AsJson = False,
) -> None:
    """Enrol this seat's new key with an enrolment secret; proves possession."""
    from governance.adapters.client import Client
    from governance.entrypoints import acting, keyring, terminal
    from governance.errors import RequestError

    here = acting.seat()
    if url:
        here.remember(url=url)
    try:
        secret = (
            secret_file.read_text()
            if secret_file
            else terminal.secret("Enrolment secret", instead="Add --secret-file FILE.")
        )
    except OSError as exc:
        raise RequestError(f"{secret_file} cannot be read: {exc.strerror}", code="enrolment.secret") from exc
    name, fingerprint = here.need("name"), here.need("pending")
    ends = here.about().get("pending_ends")
    client = Client(acting.url(here))
    shown = keyring.introduction(here, fingerprint, int(ends) if ends else None)
    given = client.post("/challenges", {**shown, "secret": secret.strip()})
    person = {"secret": secret.strip(), "name": name, "emails": [here.need("email")]}
    answer = client.post("/keys", {**keyring.proof(here, name, given, shown), **person})
    here.remember(
        principal=answer["principal"], fingerprint=fingerprint, log=given["log"], url=acting.url(here), pending=""
    )
    here.keep_token(answer.pop("token"))
    lines = keyring.for_git(here, fingerprint)
    if as_json:
        terminal.emit(answer)
        return
    terminal.done(f"{answer['principal']} holds key {fingerprint} (entry {answer['entry']})")
    _configure(lines)
    people = Client(acting.url(here), here.token()).get("/principals")["items"]
    if any(one["name"] == answer["principal"] and one["kind"] == "human" for one in people):
        terminal.say("Next, within 15 minutes, in which it counts at once:  twinseal otp enroll")


def _configure(lines: list[str]) -> None:
    from governance.entrypoints import terminal

    terminal.say("In a clone that signs with it:")
    for line in lines:
        terminal.say(f"  {line}")


def rotate(
    ssh: Annotated[
        bool | None, typer.Option("--ssh/--openpgp", help="The kind of the new key; as the old one, if not named.")
    ] = None,
    days: Days = 0,
    as_json: AsJson = False,
) -> None:
    """Replace this seat's key by a new one; the old one signs for it, and is revoked."""
    from governance.entrypoints import acting, keyring, terminal
    from governance.signatures import KeyKind, kind_of

    here = acting.seat()
    name, old = here.need("principal"), here.need("fingerprint")
    kind = kind_of(old) if ssh is None else KeyKind.SSH if ssh else KeyKind.OPENPGP
    ends = keyring.ends_after(days)
    new = keyring.make(here, keyring.Wanted(kind, name, here.need("email"), ends=ends))
    shown = keyring.introduction(here, new, ends)
    given = acting.client().post("/challenges", shown)
    extra = keyring.proof(here, name, given, shown)
    answer = acting.act("key.rotate", "/keys/rotation", {"fingerprint": new, "replaces": old}, **extra)
    here.remember(fingerprint=new, passphrase="no")  # noqa: S106 - says that there is none
    lines = keyring.for_git(here, new)
    if as_json:
        terminal.emit(answer)
        return
    terminal.done(f"{name} now signs with {new} (entry {answer['entry']})")
    _configure(lines)


def revoke(
    fingerprint: str,
    reason: Annotated[str, typer.Option(help="Why; recorded.")] = "",
    as_json: AsJson = False,
) -> None:
    """Revoke a key at once: one's own, or any for the owner. Lists what it has landed; that stays landed."""
    from governance.entrypoints import acting, terminal
    from governance.entrypoints.landed import fetched, shown

    here = acting.client()
    body = {"fingerprint": fingerprint, "reason": reason}
    answer = acting.act("key.revoke", "/keys/revocation", body)
    if as_json:
        terminal.emit({**answer, "landings": _landings(here, fingerprint)})
        return
    terminal.done(f"key {fingerprint} of {answer['principal']} is revoked (entry {answer['entry']})")
    landed = answer["landed"]
    if landed["updates"] or landed["under_way"]:
        terminal.say(
            f"It has landed {landed['commits']} commits in {landed['updates']} updates. They stay; look at them."
        )
        shown(fetched(here, key=fingerprint))
    else:
        terminal.say("It has landed nothing that the ledger knows of.")


def _landings(client: Any, fingerprint: str) -> list[dict[str, Any]]:  # noqa: ANN401 - loaded with the command
    from governance.entrypoints.landed import fetched

    return list(fetched(client, key=fingerprint))
