"""`report`: what happened, who approved it, what to do. Read from the ledger itself; the service need not run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from governance.entrypoints.cli.options import AsJson, group

if TYPE_CHECKING:
    from datetime import date

    from governance.state.reports import Issued
    from governance.tell.reports.recalling import Found


def _day(text: str) -> str:
    """Return what names a day, or refuse it as typer refuses what is not understood."""
    if not text:
        return text
    from governance.errors import RequestError
    from governance.tell.reports import periods

    try:
        periods.parse(text)
    except RequestError as exc:
        raise typer.BadParameter(str(exc)) from None
    return text


Day = Annotated[
    str,
    typer.Option(
        "--date",
        callback=_day,
        help="Its last day, as 2026-03-31, over or not; the last one due if not named.",
    ),
]
Out = Annotated[Path | None, typer.Option(help="A folder to write it to: text, page, facts, plots and mail.")]
Send = Annotated[bool, typer.Option("--send", help="Issue it: number it in the ledger and mail it to every owner.")]

STYLES = {
    "title": "bold", "head": "bold", "bad": "bold red", "wait": "yellow", "good": "green", "dim": "dim",
    "command": "cyan",
}  # fmt: skip
MAIL_MOST = 64 * 1024 * 1024


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    report = group(app, "report", "See what happened, who approved it and what to do.")
    for command in (daily, weekly, audit, check):
        report.command(command.__name__)(command)


def daily(date: Day = "", out: Out = None, send: Send = False, as_json: AsJson = False) -> None:
    """Show the report of a day, as it was issued or as it would be."""
    _report("daily", date, out, send=send, as_json=as_json)


def weekly(date: Day = "", out: Out = None, send: Send = False, as_json: AsJson = False) -> None:
    """Show the report of the seven days that end on a day."""
    _report("weekly", date, out, send=send, as_json=as_json)


def audit(
    about: Annotated[int, typer.Option(help="The entry it is about; the last FRAUD reply if not named.")] = 0,
    date: Day = "",
    out: Out = None,
    send: Send = False,
    as_json: AsJson = False,
) -> None:
    """Show all that one person did, and that was done about them, in the seven days until now."""
    _report("audit", date, out, send=send, as_json=as_json, about=about)


def _report(kind: str, named: str, out: Path | None, *, send: bool, as_json: bool, about: int = 0) -> None:
    from governance.adapters import clock
    from governance.tell.reports import periods, recalling

    connection = _opened()
    try:
        now = max(clock.now(), connection.execute("select ts from ledger_head").fetchone()[0])
        day = periods.parse(named) if named else recalling.shown(connection, kind, now=now)
        if send:
            _send(kind, day, about, as_json=as_json)
            if out is None:
                return
        found = _found(connection, kind, day, about, now)
    finally:
        connection.close()
    if out is not None:
        _write(found, out, as_json=as_json and not send)
    elif as_json:
        sys.stdout.buffer.write(found.report.document())
    else:
        _show(found)
    if found.report.integrity.faults or not found.same:
        raise typer.Exit(1)


def _opened() -> Any:  # noqa: ANN401 - the driver is loaded with the command
    from audit import stores
    from governance.adapters import settings
    from governance.adapters.settings import BEGIN
    from governance.entrypoints import opening
    from governance.errors import SettingsError

    here = settings.load()
    if not opening.begun(here):
        raise SettingsError(f"nothing has begun in {here.where}", mend=BEGIN)
    return stores.open_reader(here.database)


def _found(connection: Any, kind: str, day: date, about: int, now: int) -> Found:  # noqa: ANN401 - as it was opened
    """Return the report as it was issued, or what it would say."""
    from governance.entrypoints.progress import bar
    from governance.state import reports as state
    from governance.state.reports import Issued
    from governance.tell.reports import recalling

    issued = state.of_day(connection, kind, day.isoformat(), about=about)
    with bar("reading") as progress:
        if issued is not None:
            return recalling.again(connection, issued, progress=progress)
        report = recalling.draft(connection, kind, day, now=now, about=about, progress=progress)
    return recalling.Found(report, Issued(0, kind, report.day, report.about, 0, report.digest), same=True)


def _send(kind: str, day: date, about: int, *, as_json: bool) -> None:
    from governance.entrypoints import acting, terminal

    body = {"report": kind, "day": day.isoformat(), "about": about}
    answer = acting.act("report.issue", "/reports", body)
    if as_json:
        terminal.emit(answer)
        return
    what = f"{kind} report {answer['number']} of {answer['day']}"
    if answer["new"]:
        terminal.done(f"{what} is issued (entry {answer['entry']}) and goes to every owner by mail")
        terminal.say("  has it arrived? twinseal alert list", style="dim")
    else:
        terminal.say(f"{what} was issued before, as entry {answer['entry']}; it is not sent again")


def _show(found: Found) -> None:
    from rich.text import Text

    from governance.entrypoints import terminal
    from governance.tell.reports import mailing, text

    console = terminal.out()
    for line in text.lines(found.report, warning=mailing.warned(found)):
        console.print(Text(line.text, style=STYLES.get(line.style, "")))


def _write(found: Found, folder: Path, *, as_json: bool) -> None:
    """Write a report as files that may be looked at, and as the mail that was or would be sent."""
    from governance.adapters import mail
    from governance.entrypoints import terminal
    from governance.tell.reports import mailing, page

    sent = mailing.message(found, "owner@localhost")
    name, warning = mailing.name(found), mailing.warned(found)
    whole = page.page(found.report, sent.inline, inline=True, warning=warning)
    made = mail.made(sent, sender="twinseal@localhost", key=found.report.digest[:32])
    del made["Date"]  # The same day gives the same file.
    made.set_boundary(f"report-{found.report.digest[:24]}")
    files = {
        f"{name}.txt": sent.text.encode(),
        f"{name}.html": whole.encode(),
        f"{name}.json": found.report.document(),
        f"{name}.eml": made.as_bytes(),
        **{f"{name}-{plot}.png": data for plot, data in sent.inline.items()},
    }
    folder.mkdir(parents=True, exist_ok=True)
    for file, data in files.items():
        (folder / file).write_bytes(data)
    if as_json:
        terminal.emit({"folder": str(folder), "files": sorted(files), "digest": found.report.digest})
    else:
        terminal.done(f"{', '.join(sorted(files))} in {folder}")


def check(
    file: Annotated[Path, typer.Argument(help="A mail that was saved, or the JSON that was attached to it.")],
    as_json: AsJson = False,
) -> None:
    """Say whether a report that somebody kept is the one that was issued; exit 1 where it is not."""
    from governance.entrypoints import terminal
    from governance.state import reports as state

    connection = _opened()
    try:
        digests = _digests(file)
        found = next((f for digest in digests if (f := state.by_digest(connection, digest))), None)
    finally:
        connection.close()
    if as_json:
        terminal.emit(_answer(found) | {"digests": digests})
    elif found is not None:
        said = f"{file} is {found.kind} report {found.number} of {found.day}, as entry {found.seq} issued it"
        terminal.done(said)
    else:
        said = f"{file} is no report that this ledger issued" if digests else f"{file} holds no report"
        mend = "Compare the ledger with its checkpoint: twinseal ledger verify --against FILE"
        terminal.failed(said, code="report.other", mend=mend, as_json=False)
    raise typer.Exit(0 if found is not None else 1)


def _answer(found: Issued | None) -> dict[str, Any]:
    if found is None:
        return {"issued": False}
    named = {"report": found.kind, "day": found.day, "number": found.number, "entry": found.seq}
    return {"issued": True, **named}


def _digests(file: Path) -> list[str]:
    """Return the digests of what may be the facts of a report: the file as it is, and the JSON in a mail."""
    import email
    import hashlib

    from governance.errors import SettingsError

    try:
        data = file.read_bytes()[:MAIL_MOST]
    except OSError as exc:
        raise SettingsError(f"{file}: {exc.strerror}") from exc
    if data.lstrip().startswith(b"{"):
        return [hashlib.sha256(data).hexdigest()]
    parts = [part for part in email.message_from_bytes(data).walk() if part.get_content_type() == "application/json"]
    bodies = [part.get_payload(decode=True) for part in parts]
    return [hashlib.sha256(body).hexdigest() for body in bodies if isinstance(body, bytes)]
