"""`twinseal`: parse, call, answer. Exit 0 done, 1 refused or not valid, 2 usage, 3 could not decide."""

from __future__ import annotations

import sys

import typer

from governance.entrypoints.cli import admin, keys, landing, ledger, people, review
from governance.errors import FactsError, GovernanceError, RecordError, SettingsError, UnavailableError

DONE, REFUSED, USAGE, UNDECIDED = 0, 1, 2, 3

app = typer.Typer(
    name="twinseal",
    help="Governance of git pushes by fleets of agents: four eyes, signed commits, a provable record.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for room in (admin, people, keys, review, landing, ledger):
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
    except Exception as exc:
        if not type(exc).__module__.startswith("audit."):
            raise
        _fail(exc, "ledger.unusable", "twinseal doctor", UNDECIDED)


def _status(exc: GovernanceError) -> int:
    if isinstance(exc, SettingsError):
        return USAGE
    return UNDECIDED if isinstance(exc, (UnavailableError, FactsError, RecordError)) else REFUSED


def _fail(exc: Exception, code: str, mend: str, status: int) -> None:
    from governance.entrypoints.terminal import failed

    failed(str(exc), code=code, mend=mend, as_json="--json" in sys.argv)
    sys.exit(status)
