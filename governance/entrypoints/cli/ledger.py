"""`ledger`: verify, read and rebuild, on the database file itself; the service need not run."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from governance.entrypoints.cli.options import AsJson, group


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    ledger = group(app, "ledger", "Verify, read and rebuild the ledger.")
    ledger.command("verify")(verify)
    ledger.command("tail")(tail)
    ledger.command("show")(show)
    ledger.command("rebuild")(rebuild)


File = Annotated[Path | None, typer.Option("--file", help="A ledger file; this service's own if not named.")]


def _opened(file: Path | None) -> Any:  # noqa: ANN401 - the driver is loaded with the command
    from audit import stores
    from governance.adapters import settings
    from governance.errors import SettingsError

    where = file or settings.load().database
    if not where.exists():
        raise SettingsError(
            f"{where} does not exist", mend="Set TWINSEAL_DATA to where it has begun, or name the ledger: --file PATH"
        )
    return stores.open_reader(where)


def verify(
    file: File = None,
    mark: Annotated[Path | None, typer.Option(help="A high-water mark; this service's own if not named.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check every entry, the chain and the mark; exit 0 valid, 1 not valid, 3 could not tell."""
    from audit import verify as verifier
    from governance.adapters import settings
    from governance.entrypoints import terminal
    from governance.entrypoints.progress import bar
    from governance.errors import SettingsError

    found = settings.load()
    database = file or found.database
    if file is None and not database.exists():
        raise SettingsError(f"nothing has begun in {found.data}", mend=f"{settings.BEGIN}; or --file PATH")
    own = found.state / "high-water" if file is None else None
    against = mark or own
    with bar("verifying") as progress:
        known = _mark(against) if against else None
        report = verifier.verify_file(
            database, mark=known, progress=lambda done: progress(done, known.size if known else done)
        )
    if as_json:
        terminal.emit(asdict(report))
    elif report.status == "valid":
        terminal.done(f"{report.size} entries, unbroken from the first; head {report.head[:16]}…")
        terminal.say(
            "  compared with the high-water mark"
            if against
            else "  no mark was given: a roll-back shows only against one",
            style="dim",
        )
    else:
        where = "" if report.first_bad is None else f"entry {report.first_bad}: "
        terminal.failed(
            f"{where}{report.reason}",
            code=f"ledger.{report.status}",
            mend="Keep a copy of the file, then tell the owner.",
            as_json=False,
        )
    raise typer.Exit({"valid": 0, "unverifiable": 3}.get(report.status, 1))


def _mark(path: Path) -> Any:  # noqa: ANN401 - the verifier's own type, loaded with the command
    """Return a mark, or say that without it nothing can be told of a roll-back."""
    from audit import verify as verifier
    from governance.errors import UnavailableError

    try:
        return verifier.read_mark(path)
    except (OSError, ValueError) as exc:
        said = f"the high-water mark {path} cannot be read: {exc}"
        mend = "A roll-back would go unseen: find the mark. Without one: --file PATH"
        raise UnavailableError(said, mend=mend) from exc


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
    connection.close()
    found = {"leaf": rows[0].leaf.hex(), "entry": body} | ({"facts": document} if document else {})
    terminal.emit(found) if as_json else terminal.say(json.dumps(found, indent=2, sort_keys=True))


def rebuild(
    check: Annotated[bool, typer.Option("--check", help="Only compare; name the first row that differs.")] = False,
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
            rebuilding.compare(database, progress=progress)
            if check
            else rebuilding.replace(database, progress=progress)
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
