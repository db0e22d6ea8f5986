"""Open this service's ledger: its database, its mark outside, its keys. The one place that knows them all."""

from __future__ import annotations

from audit import reads, stores
from audit.errors import StoreError
from audit.highwater import HighWater
from audit.ledger import Ledger
from audit.publishing import Publisher
from governance.adapters import clock, ledger_keys
from governance.adapters.settings import BEGIN, Settings
from governance.errors import SettingsError
from governance.kinds import KINDS
from governance.state import folded
from governance.state.fold import fold
from governance.state.schema import SCHEMA


def mark(settings: Settings) -> HighWater:
    """Return the high-water mark, which lies outside the data folder."""
    return HighWater(settings.state / "high-water")


def ledger(settings: Settings, origin: str) -> Ledger:
    """Open the ledger for writing.

    Raises:
        SettingsError: Another version folded its state tables.
        AuditError: Another process has it, or it was rolled back or forked.
    """
    demand_version(settings)
    publisher = Publisher(mark(settings), lambda: ledger_keys.signers(settings))
    return Ledger(
        settings.database, log=origin, clock=clock.now, projector=fold, schema=SCHEMA, publisher=publisher, kinds=KINDS
    )


def demand_version(settings: Settings) -> None:
    """Refuse tables that another version folded: the deep check would take them for tampered, and stop the writer.

    What cannot be read at all is for the opening to name.

    Raises:
        SettingsError: They must be folded again.
    """
    try:
        connection = stores.open_reader(settings.database)
    except StoreError:
        return
    try:
        found = folded.version(connection) if reads.size(connection) else folded.VERSION
    except connection.Error as exc:
        if "folded" not in str(exc):
            return
        found = 0
    finally:
        connection.close()
    if found != folded.VERSION:
        said = "the state tables were folded by another version of twinseal, and must be folded again"
        mend = "twinseal ledger rebuild   (with the service stopped; pruned entries: --archive DIR), then serve"
        raise SettingsError(said, mend=mend)


def begun(settings: Settings) -> bool:
    """Whether there is a ledger with entries, or a file that cannot be read as one."""
    server = stores.is_postgres(settings.database)
    if not server and not settings.database_file.exists():
        return False
    try:
        connection = stores.open_reader(settings.database)
    except StoreError as exc:
        if not server:
            return True
        if "ledger_head" in str(exc):
            return False
        raise
    try:
        return reads.size(connection) > 0
    except connection.Error as exc:
        if not server:
            return True
        raise StoreError(f"expected a ledger that can be read, got: {exc}") from exc
    finally:
        connection.close()


def origin_of(settings: Settings) -> str:
    """Return the name of the log, as its last entry has it.

    Raises:
        SettingsError: Nothing has begun there.
    """
    if not begun(settings):
        raise SettingsError(f"nothing has begun in {settings.where}", mend=BEGIN)
    connection = stores.open_reader(settings.database)
    try:
        found = reads.origin(connection)
    finally:
        connection.close()
    if found is None:
        raise SettingsError(f"{settings.where} has no first entry")
    return found
