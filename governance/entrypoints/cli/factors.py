"""`otp`: a person's second factor, and what waits for it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from governance.entrypoints.cli.options import AsJson, group

Label = Annotated[str, typer.Option(help="What you call it.")]
SecretFile = Annotated[
    Path | None, typer.Option(help="Use the secret in this file (base32, 160 bits) instead of a new one.")
]
CodeOption = Annotated[str, typer.Option(help="The code, where nobody can be asked for it.")]


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    otp = group(app, "otp", "A person's second factor: enrol it, approve with it.")
    otp.command("enroll")(enroll)
    otp.command("verify")(verify)
    otp.command("list")(list_)
    otp.command("remove")(remove)
    otp.command("reset")(reset)
    otp.command("recover")(recover)


def enroll(
    label: Label = "authenticator", secret_file: SecretFile = None, code: CodeOption = "", as_json: AsJson = False
) -> None:
    """Enrol an authenticator app: scan the QR code, type the code it shows, keep the recovery codes."""
    _enroll("factor.enroll", label, secret_file, code, as_json=as_json)


def recover(
    recovery: Annotated[str, typer.Option(help="A recovery code; asked for, if not given.")] = "",
    label: Label = "authenticator",
    secret_file: SecretFile = None,
    code: CodeOption = "",
    as_json: AsJson = False,
) -> None:
    """Spend a recovery code: enrol a new app without the old one. It counts after the cool-down."""
    from governance.entrypoints import terminal

    recovery = recovery or terminal.asked("Recovery code")
    _enroll("factor.recover", label, secret_file, code, as_json=as_json, recovery=recovery)


def _enroll(type_: str, label: str, secret_file: Path | None, code: str, *, as_json: bool, **more: str) -> None:
    from governance.adapters import clock
    from governance.entrypoints import acting, terminal
    from governance.errors import RequestError
    from governance.people import factors, totp

    text = secret_file.read_text(encoding="ascii").strip() if secret_file else clock.base32(totp.SECRET_BYTES)
    secret = totp.read_secret(text)
    if secret is None:
        raise RequestError(f"{secret_file} holds no secret of 160 bits in base32", code="factor.secret")
    here = acting.seat()
    if not secret_file:
        _show_secret(totp.address(secret, principal=here.need("principal"), log=here.need("log")), text)
    said = {"kind": "totp", "label": label, "factor": factors.identifier(secret)}
    answer = _proved(type_, said, code, secret=text, **more)
    if as_json:
        terminal.emit(answer)
        return
    terminal.done(f"{label} is enrolled (entry {answer['entry']})")
    if answer["how"] not in {"first", "another"}:
        terminal.say(f"It counts from {terminal.when(answer['counts_from'])} UTC on.")
    if answer["recovery_codes"]:
        terminal.say("Write these recovery codes down, where the app is not. Each works once; they approve nothing:\n")
        for one in answer["recovery_codes"]:
            terminal.say(f"    {one}", style="bold")


def _proved(type_: str, said: dict[str, str], code: str, **more: str) -> dict[str, Any]:
    """Hand in a factor with a code that proves it; where somebody types it, they may mistype it."""
    from governance.entrypoints import acting, approving, terminal
    from governance.errors import RequestError

    tries = 1 if code or not terminal.interactive() else approving.TRIES
    for left in reversed(range(tries)):
        try:
            typed = code or terminal.asked("The code that the app shows now")
            return acting.act(type_, "/factors", said, code=typed, **more)
        except RequestError as exc:
            if exc.code != "factor.not_proved" or not left:
                raise
            terminal.failed(str(exc), code=exc.code, mend=exc.mend, as_json=False)
    raise AssertionError


def _show_secret(address: str, text: str) -> None:
    """Show a secret as a QR code and as text, beside the answer: it is for eyes, not for files."""
    import sys

    import segno

    from governance.entrypoints import terminal

    segno.make(address, error="m").terminal(out=sys.stderr, compact=True)
    terminal.tell(f"Scan it with an authenticator app, or type the secret: {text}")


def verify(
    prompt: Annotated[int | None, typer.Argument(help="Which prompt; the only one, if not named.")] = None,
    digest: Annotated[str, typer.Option(help="The digest of what is asked, where nobody can be asked for it.")] = "",
    code: CodeOption = "",
    deny: Annotated[bool, typer.Option("--deny", help="Say no: it is over at once.")] = False,
    reason: Annotated[str, typer.Option(help="Why not.")] = "",
    as_json: AsJson = False,
) -> None:
    """List what waits for you; show it whole; approve it with a code, or deny it."""
    from governance.entrypoints import acting, approving, terminal

    client = acting.client()
    if prompt is None:
        waiting = client.get("/prompts")["items"]
        if len(waiting) != 1 or as_json or not terminal.interactive():
            terminal.emit(waiting) if as_json else _list(waiting)
            return
        prompt = int(waiting[0]["prompt"])
    if deny:
        answer = client.post(f"/prompts/{prompt}/deny", {"reason": reason})["done"]
    elif digest and code:
        answer = approving.handed_in(client, prompt, digest, code)
    else:
        found = client.get(f"/prompts/{prompt}")
        if as_json:
            terminal.emit(found)
            return
        approving.show(found, where=terminal.say)
        if found["state"] != approving.OPEN or not terminal.interactive():
            terminal.say(f"It is {found['state']}.")
            return
        answer = approving.answered(client, found)
    if as_json:
        terminal.emit(answer)
    elif answer["state"] == approving.OPEN:
        have = len(answer["approved_by"])
        terminal.done(f"prompt {prompt} is approved by {have} of {answer['needs']} persons (entry {answer['entry']})")
    else:
        terminal.done(f"prompt {prompt} is {answer['state']} (entry {answer['entry']})")
        if not deny:
            terminal.tell("The command that asks goes on with it now. Where that has ended, run it again.")


def _list(waiting: list[dict[str, Any]]) -> None:
    from governance.entrypoints import terminal

    rows = [
        (
            each["prompt"], each["for"], ", ".join(each["acts"]), f"{len(each['approved_by'])} of {each['needs']}",
            each["digest"], terminal.when(each["expires_at"]),
        )
        for each in waiting
    ]  # fmt: skip
    columns = ("prompt", "for", "about", "approved", "digest", "until (UTC)")
    terminal.table(columns, rows, empty="nothing waits for a second factor")


def list_(as_json: AsJson = False) -> None:
    """List your factors, and how many recovery codes are left."""
    from governance.entrypoints import acting, terminal

    found = acting.client().get("/factors")
    if as_json:
        terminal.emit(found)
        return
    rows = [
        (f["factor"], f["kind"], f["label"], "now" if f["counts"] else terminal.when(f["counts_from"]), f["used"])
        for f in found["items"]
    ]
    terminal.table(("factor", "kind", "label", "counts from", "used"), rows, empty="you hold no second factor")
    terminal.say(f"{found['recovery_codes']} recovery codes are left.")


def remove(factor: str, as_json: AsJson = False) -> None:
    """Remove one of your factors; one that does not count yet is taken back without another."""
    from governance.entrypoints import acting, terminal

    answer = acting.act("factor.remove", "/factors/removal", {"factor": factor})
    terminal.emit(answer) if as_json else terminal.done(f"factor {factor} is removed (entry {answer['entry']})")


def reset(name: str, as_json: AsJson = False) -> None:
    """Take every factor and recovery code from another person, who lost them; then they enrol again, and wait."""
    from governance.entrypoints import acting, terminal

    answer = acting.act("factor.reset", "/factors/reset", {"principal": name})
    said = f"{name} holds no second factor any more (entry {answer['entry']}); there: twinseal otp enroll"
    terminal.emit(answer) if as_json else terminal.done(said)
