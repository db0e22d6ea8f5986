"""`twinseal`: parse, call, answer. Exit 0 done, 1 refused or not valid, 2 usage, 3 could not decide."""

from __future__ import annotations

import sys

import typer

from governance.entrypoints.cli import (
    account,
    admin,
    alerts,
    debt,
    detection,
    factors,
    gates,
    keys,
    landing,
    ledger,
    locks,
    people,
    reports,
    review,
    stops,
    talk,
    tertiary,
    witness,
)
from governance.errors import FactsError, GovernanceError, RecordError, SettingsError, UnavailableError

DONE, REFUSED, USAGE, UNDECIDED = 0, 1, 2, 3

LEDGER = {
    "audit.locked": ("ledger.locked", "Stop the service first: on SQLite one process has the ledger."),
    "audit.rollback": ("ledger.rollback", "Find the missing entries: a back-up, a copy. If there are none: {recover}"),
    "audit.forked": ("ledger.fork", "Keep a copy of everything. Whose copy is the true one? If this one: {recover}"),
    "audit.unmarked": ("ledger.unmarked", "twinseal ledger adopt --against A-CHECKPOINT-FOUND-ELSEWHERE"),
}
"""What the ledger's own errors are called here, and what to do next; by their code, so that none is imported."""
RECOVER = "twinseal ledger recover --accept-loss"

WIDEST = 120
"""Columns that help takes where the terminal has so many: at 80 it cuts sentences off."""

app = typer.Typer(
    name="twinseal",
    help="Governance of git pushes by fleets of agents: four eyes, signed commits, a provable record.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": WIDEST},
)
ROOMS = (
    admin, people, keys, factors, account, review, landing, debt, stops, locks, tertiary, gates, talk, detection,
    alerts, reports, ledger, witness,
)  # fmt: skip
for room in ROOMS:
    room.add_to(app)


def main() -> None:
    """Run one command; every failure is a sentence, a stable code and an exit status, never a traceback."""
    try:
        app()
    except GovernanceError as exc:
        _fail(exc, exc.code, exc.mend, _status(exc))
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(UNDECIDED)
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as exc:
        if exc.filename is None:
            raise
        _fail(f"{exc.filename}: {exc.strerror}", "file.unusable", "", UNDECIDED)
    except Exception as exc:
        found = _ledger(exc)
        if found is None:
            raise
        _fail(exc, *found, UNDECIDED)


def _ledger(exc: Exception) -> tuple[str, str] | None:
    """Return code and mending of an error of the ledger, or of the database below it; None for any other."""
    where = type(exc).__module__.partition(".")[0]
    if where in {"pysqlite3", "sqlite3", "psycopg"}:
        return (
            "ledger.unreadable",
            "Stop the service and keep a copy. twinseal ledger verify; then a back-up: ledger restore DIR",
        )
    if where != "audit":
        return None
    code, mend = LEDGER.get(getattr(exc, "code", ""), ("ledger.unusable", "twinseal doctor"))
    return code, mend.format(recover=RECOVER)


def _status(exc: GovernanceError) -> int:
    if isinstance(exc, SettingsError):
        return USAGE
    return UNDECIDED if isinstance(exc, (UnavailableError, FactsError, RecordError)) else REFUSED


def _fail(said: object, code: str, mend: str, status: int) -> None:
    from governance.entrypoints.terminal import failed

    failed(str(said), code=code, mend=mend, as_json="--json" in sys.argv)
    sys.exit(status)
