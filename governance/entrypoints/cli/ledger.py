"""`ledger`: verify, read, prove, export and rebuild; on the database itself, the service need not run."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from governance.entrypoints.cli import ledger_upkeep
from governance.entrypoints.cli.options import AsJson, group


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    ledger = group(app, "ledger", "Verify, read, prove, export and look after the ledger.")
    for command in (verify, tail, show, prove, export, checkpoint, rebuild):
        ledger.command(command.__name__)(command)
    ledger_upkeep.add_to(ledger)


EVERYTHING = 1_000_000_000
File = Annotated[Path | None, typer.Option("--file", help="A ledger file; this service's own if not named.")]


def _opened(file: Path | None = None) -> Any:  # noqa: ANN401 - the driver is loaded with the command
    from audit import stores
    from governance.adapters import settings
    from governance.entrypoints import opening
    from governance.errors import SettingsError

    found = settings.load()
    if file is None and not opening.begun(found):
        mend = "Set TWINSEAL_DATA or TWINSEAL_DATABASE to where it has begun, or name the ledger: --file PATH"
        raise SettingsError(f"{found.where} does not exist", mend=mend)
    if file is not None and not file.exists():
        raise SettingsError(f"{file} does not exist", mend="Name a ledger file: --file PATH")
    return stores.open_reader(file or found.database)


def verify(
    what: Annotated[
        Path | None,
        typer.Argument(
            help="A database, an export, tiles, entries or a proof; this service's own ledger if not named."
        ),
    ] = None,
    against: Annotated[
        list[Path] | None,
        typer.Option(help="A checkpoint found elsewhere: a note, a mail, a clone. May be given more than once."),
    ] = None,
    key: Annotated[list[str] | None, typer.Option(help="The ledger key you know, from when it began.")] = None,
    policy: Annotated[Path | None, typer.Option(help="Whose cosignatures it must have (a tlog-policy file).")] = None,
    as_json: AsJson = False,
) -> None:
    """Check every entry, chain, tree, signatures and the mark; exit 0 valid, 1 not valid, 3 could not tell."""
    from audit import verify as verifier
    from governance.adapters import settings
    from governance.entrypoints import terminal
    from governance.entrypoints.progress import bar

    found = settings.load()
    own = [found.state / "high-water"] if what is None and (found.state / "high-water").exists() else []
    demands = verifier.Demands((*own, *(against or ())), tuple(key or ()), policy)
    with bar("verifying") as progress:
        report = _judged(what, demands, progress)
    if as_json:
        terminal.emit(asdict(report))
    elif report.status == "valid":
        terminal.done(f"{report.size} entries, unbroken from the first; root {report.root}")
        if demands.against:
            terminal.say(f"  compared with {', '.join(map(str, demands.against))}")
        for remark in report.remarks:
            terminal.say(f"  {remark}", style="dim")
    else:
        terminal.failed(report.reason, code=f"ledger.{report.status}", mend=_mend(report.status), as_json=False)
    raise typer.Exit({"valid": 0, "unverifiable": 3}.get(report.status, 1))


def _mend(status: str) -> str:
    if status == "unverifiable":
        return "It is neither proven nor disproven. Is it whole, and is the key given? --key, --policy"
    return "Keep a copy of everything, then tell the owner."


def _judged(what: Path | None, demands: Any, progress: Any) -> Any:  # noqa: ANN401 - the verifier is loaded later
    """Judge what is named, or this service's ledger, wherever it is kept."""
    from audit import verify as verifier
    from governance.adapters import settings
    from governance.entrypoints import upkeep

    size = _size() if what is None else None
    if what is not None:
        return verifier.verify(what, demands, progress=lambda done: progress(done, size))
    return upkeep.judged(settings.load(), demands, progress=lambda done: progress(done, size))


def _size() -> int | None:
    """Return how many entries there are to verify; None where that cannot be read, which the verifier will say."""
    from audit import reads

    connection = _opened()
    try:
        return reads.size(connection)
    except connection.Error:
        return None
    finally:
        connection.close()


def prove(
    seq: int,
    out: Annotated[Path | None, typer.Option(help="Where to write it; to the terminal if not named.")] = None,
    file: File = None,
    as_json: AsJson = False,
) -> None:
    """Write a proof that an entry is in the log. Anywhere, with the ledger's key: twinseal ledger verify FILE --key."""
    from audit import exporting, keys
    from audit.errors import ProofError
    from governance.entrypoints import terminal
    from governance.errors import NotFoundError

    connection = _opened(file)
    try:
        found, key = exporting.prove(connection, seq), keys.read(connection).current()
    except ProofError as exc:
        raise NotFoundError(str(exc), mend="twinseal ledger checkpoint") from exc
    finally:
        connection.close()
    if out is not None:
        out.write_bytes(found)
    if as_json:
        terminal.emit({"seq": seq, "proof": found.decode(), "key": str(key)})
        return
    if out is None:
        sys.stdout.buffer.write(found)
        return
    terminal.done(f"entry {seq} is proven by {out}")
    terminal.say(f"  check it anywhere: twinseal ledger verify {out} --key KEY   (ours: {key})", style="dim")


def export(
    folder: Annotated[
        Path | None, typer.Argument(help="A folder for tiles, entries, payloads and checkpoints.")
    ] = None,
    since: Annotated[int, typer.Option(min=0, help="Without a folder: print entries from this number on.")] = 0,
    limit: Annotated[int, typer.Option("-n", min=1, help="Without a folder: how many at most.")] = EVERYTHING,
    file: File = None,
    as_json: AsJson = False,
) -> None:
    """Write the ledger as files that anyone can verify; or print its entries as JSON lines, from a number on."""
    from audit import exporting
    from governance.entrypoints import terminal
    from governance.entrypoints.progress import bar

    if folder is not None and (since or limit != EVERYTHING):
        raise typer.BadParameter("a folder holds all of it; --since and -n are for printing, without one")
    connection = _opened(file)
    try:
        if folder is None:
            for line in islice(exporting.lines(connection, since), limit):
                sys.stdout.buffer.write(line)
            return
        with bar("exporting") as progress:
            done = exporting.export(connection, folder, progress=progress)
    finally:
        connection.close()
    if as_json:
        terminal.emit(asdict(done))
        return
    terminal.done(f"{done.size} entries in {folder}, {done.files} files new")
    terminal.say(f"  check it anywhere, with nothing of ours but one file: python verify.py {folder}", style="dim")


def checkpoint(file: File = None, as_json: AsJson = False) -> None:
    """Print the newest checkpoint: how much there is, its root, and who signed that. Keep it where we cannot reach."""
    from audit import exporting
    from audit.errors import ProofError
    from governance.entrypoints import terminal
    from governance.errors import NotFoundError

    connection = _opened(file)
    try:
        point, signed = exporting.newest(connection)
    except ProofError as exc:
        raise NotFoundError(str(exc), mend="twinseal serve   (it signs within a second)") from exc
    finally:
        connection.close()
    if as_json:
        terminal.emit({"origin": point.origin, "size": point.size, "root": point.root.hex(), "note": signed})
    else:
        sys.stdout.write(signed)


def tail(
    count: Annotated[int, typer.Option("-n", min=1, max=10000, help="How many.")] = 20,
    file: File = None,
    as_json: AsJson = False,
) -> None:
    """Print the last entries."""
    from audit import reads
    from governance.entrypoints import terminal

    connection = _opened(file)
    size = reads.size(connection)
    bodies = [json.loads(row.body) for row in reads.entries(connection, max(0, size - count), size)]
    connection.close()
    if as_json:
        terminal.emit(bodies)
        return
    rows = [
        (b["seq"], terminal.when(b["ts"]), b["kind"], b["actor"]["id"], b["repo"], b["subject"], _gist(b))
        for b in bodies
    ]
    columns = ("entry", "time (UTC)", "kind", "who", "repository", "subject", "outcome")
    terminal.table(columns, rows, empty="no entries", whole=3)


def _gist(body: dict[str, Any]) -> str:
    data = body["data"]
    return str(data.get("code") or data.get("verdict") or data.get("reason") or "")


def show(seq: int, file: File = None, as_json: AsJson = False) -> None:
    """Print one entry, and the document it names, if it names one."""
    from audit import reads
    from governance.entrypoints import terminal
    from governance.errors import NotFoundError

    connection = _opened(file)
    rows = list(reads.entries(connection, seq, seq + 1))
    if not rows:
        raise NotFoundError(f"there is no entry {seq}", mend="twinseal ledger tail")
    body = json.loads(rows[0].body)
    facts = body["data"].get("facts")
    document = json.loads(reads.blob(connection, facts["sha256"]) or b"null") if facts else None
    private = reads.private(connection, seq)
    connection.close()
    found = {"leaf": rows[0].leaf.hex(), "entry": body}
    found |= ({"facts": document} if document else {}) | ({"private": private} if private else {})
    terminal.emit(found) if as_json else terminal.say(json.dumps(found, indent=2, sort_keys=True))


def rebuild(
    check: Annotated[bool, typer.Option("--check", help="Only compare; name the first row that differs.")] = False,
    archive: Annotated[Path | None, typer.Option(help="The folder that pruned entries were archived in.")] = None,
    as_json: AsJson = False,
) -> None:
    """Fold the ledger again from entry 0, and compare the state tables with what it says, or replace them."""
    from governance.adapters import settings
    from governance.entrypoints import terminal
    from governance.entrypoints.progress import bar
    from governance.state import rebuilding

    database = settings.load().database
    with bar("folding") as progress:
        report = (
            rebuilding.compare(database, progress=progress, archive=archive)
            if check
            else rebuilding.replace(database, progress=progress, archive=archive)
        )
    if as_json:
        terminal.emit(report.as_dict())
    elif report.difference:
        mend = "twinseal ledger rebuild   (with the service stopped)"
        terminal.failed(report.difference, code="state.differs", mend=mend, as_json=False)
    else:
        verb = "agree with" if check else "were folded again from"
        terminal.done(f"{report.rows} rows in {report.tables} state tables {verb} {report.entries} entries")
    raise typer.Exit(1 if report.difference else 0)
