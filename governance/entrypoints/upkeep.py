"""Looking after this service's ledger: back-up and restore, a new epoch after a loss, keys, erasing, pruning.

Each takes the ledger for itself; on SQLite the service must be stopped. None of it decides about pushes.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from audit import copying, erasing, exporting, keys, note, pruning, reads, restoring, rotation, stores, verify
from audit.checkpoint import Checkpoint
from audit.errors import AuditError, EntryError, ProofError, RollbackError
from audit.publishing import Publisher
from audit.transaction import Transaction
from audit.verify import Demands, Report
from governance.adapters import clock, ledger_keys
from governance.adapters.settings import Settings
from governance.entrypoints import opening
from governance.entrypoints.beginning import PRINTED, new_signer
from governance.errors import RequestError, SettingsError
from governance.record import SERVICE
from governance.state import read, rebuilding
from governance.state.fold import fold
from governance.state.schema import SCHEMA

Progress = Callable[[int, int], None]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Loss:
    """What is here, what is known outside, and the difference in words."""

    origin: str
    size: int
    marked: str
    said: str
    next: str
    whole: bool
    """Whether nothing is missing."""


@dataclass(frozen=True, slots=True)
class Rekeyed:
    """A log's name, the entry that changed its key, and the key."""

    origin: str
    entry: int
    key: str


def backup(settings: Settings, folder: Path, *, progress: Progress) -> exporting.Exported:
    """Export the ledger with what can be erased and with its sealed keys."""
    connection = stores.open_reader(settings.database)
    try:
        done = exporting.export(connection, folder, progress=progress)
        ledger_keys.private_file(folder / restoring.PRIVATE, b"".join(restoring.private_lines(connection, done.size)))
        ledger_keys.private_file(folder / restoring.REQUESTS, b"".join(restoring.request_lines(connection)))
    finally:
        connection.close()
    for path in settings.data.glob(ledger_keys.PATTERN):
        ledger_keys.private_file(folder / path.name, path.read_bytes())
    return done


def restore(settings: Settings, folder: Path, *, progress: Progress) -> Checkpoint:
    """Write a back-up into the empty place that the settings name, fold its state, put its sealed keys back.

    Raises:
        SettingsError: There is a ledger already.
    """
    if opening.begun(settings):
        raise SettingsError(f"{settings.where} holds a ledger", mend="Move it away first; nothing is overwritten.")
    for place in (settings.data, settings.state):
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    connection = stores.open_writer(settings.database, schema=SCHEMA)
    try:
        point = restoring.restore(connection, folder, progress=progress)
    finally:
        connection.close()
    rebuilding.replace(settings.database, progress=progress)
    for path in folder.glob(ledger_keys.PATTERN):
        if not (settings.data / path.name).exists() and path.is_file() and not path.is_symlink():
            shutil.copy(path, settings.data / path.name)
    _adopt(settings, point)
    return point


def adopt(
    settings: Settings, against: tuple[Path, ...], *, progress: Callable[[int], None] | None = None
) -> Checkpoint:
    """Make the ledger as it is the mark, where there is none, if all of it is valid and continues these checkpoints.

    Raises:
        SettingsError: There is a mark, or the ledger is not valid.
    """
    mark = opening.mark(settings)
    if mark.read() is not None:
        raise SettingsError(f"there is a mark: {mark.path}", mend="twinseal ledger verify")
    _demand_state(settings)
    report = judged(settings, Demands(against=against), progress=progress)
    if report.status != "valid":
        raise SettingsError(f"the ledger is {report.status}: {report.reason}", mend="twinseal ledger restore DIR")
    connection = stores.open_writer(settings.database, schema=SCHEMA)
    try:
        Publisher(mark, lambda: ledger_keys.signers(settings)).publish(connection, anew=True)
        return exporting.newest(connection)[0]
    finally:
        connection.close()


def _demand_state(settings: Settings) -> None:
    """Refuse a ledger whose state was never folded: of a restore that died there is no mark, and nobody is enrolled."""
    with closing(stores.open_reader(settings.database)) as connection:
        if exporting.first_kept(connection):
            return  # State is compared only with the archive: `rebuild --check --archive`.
    found = rebuilding.compare(settings.database, progress=exporting.silent)
    if found.difference:
        raise SettingsError(
            f"the state tables are not the ledger's: {found.difference}", mend="twinseal ledger rebuild"
        )


def judged(settings: Settings, demands: Demands, *, progress: Callable[[int], None] | None = None) -> Report:
    """Verify this service's ledger, wherever it is kept. The verifier reads no server: its rows are copied first."""
    if not stores.is_postgres(settings.database):
        return verify.verify_file(settings.database_file, demands, progress=progress)
    connection = stores.open_reader(settings.database)
    with tempfile.TemporaryDirectory(prefix="twinseal-verify-") as folder:
        try:
            copying.copy(connection, Path(folder, "ledger.sqlite"))
        finally:
            connection.close()
        return verify.verify_file(Path(folder, "ledger.sqlite"), demands, progress=progress)


def examine(settings: Settings) -> Loss:
    """Return what a new epoch would give up."""
    connection = stores.open_reader(settings.database)
    try:
        origin, size, known = str(reads.origin(connection)), reads.size(connection), keys.read(connection)
        marked = opening.mark(settings).read()
        try:
            opening.mark(settings).check(connection, known)
            said, whole = "nothing: this ledger continues what is known", True
        except AuditError as exc:
            said, whole = str(exc), False
        following = rotation.following(connection, marked or "")
    finally:
        connection.close()
    outside = f"{marked.split(chr(10))[1]} entries" if marked else "nothing"
    return Loss(origin, size, outside, said, following, whole)


def recover(settings: Settings, printed: str, *, reason: str, operator: str) -> Rekeyed:
    """Open a new epoch with a new ledger key, signed by the recovery key.

    Raises:
        SettingsError: That is no recovery key, or not this ledger's.
    """
    if not (settings.state / "kek").exists():
        # In this order: under a new key they open no more, and what does not open is refused.
        for path in settings.data.glob(ledger_keys.PATTERN):
            path.rename(path.with_suffix(".sealed-under-a-lost-key"))
        ledger_keys.make_kek(settings)
    connection = stores.open_writer(settings.database, schema=SCHEMA)
    try:
        lost = opening.mark(settings).read() or ""
        new = new_signer(rotation.following(connection, lost))
        loss = rotation.Loss(lost, reason, operator)
        draft = rotation.epoch(connection, _recovery(printed, keys.read(connection)), new, loss, actor=SERVICE)
        ledger_keys.keep(settings, new)
        publisher = Publisher(opening.mark(settings), lambda: [new])
        seq = rotation.begin_epoch(connection, draft, publisher, clock=clock.now, projector=fold)
    finally:
        connection.close()
    return Rekeyed(new.name, seq, str(new.key))


def rotate(settings: Settings) -> Rekeyed:
    """Let a new ledger key take over from the one in force."""
    origin = opening.origin_of(settings)
    new = new_signer(origin)

    def command(tx: Transaction) -> int:
        current = keys.read(tx).current()
        old = next((signer for signer in ledger_keys.signers(settings) if signer.key == current), None)
        if old is None:
            raise SettingsError("the ledger key in force is not here", mend="twinseal ledger recover")
        return tx.append(rotation.rotation(tx, old, new, actor=SERVICE)).seq

    ledger_keys.keep(settings, new)
    return Rekeyed(origin, _with_ledger(settings, command), str(new.key))


def prune(settings: Settings, archive: Path, below: int) -> int:
    """Let go of the bodies below a number that an archive holds; return the entry that says so.

    Raises:
        RequestError: There is nothing to let go of below that number. Or a push that was decided below is still under
            way, or seems to be: its entry is needed.
    """
    with closing(stores.open_reader(settings.database)) as connection:
        try:
            found = pruning.check_archive(connection, archive, below)
        except ProofError as exc:
            raise RequestError(str(exc), code="prune.below", mend="twinseal ledger checkpoint") from exc

    def command(tx: Transaction) -> int:
        sql = "select min(seq) from reservation where state = 'reserved' and seq < ?"
        waiting = tx.execute(sql, (below,)).fetchone()[0]
        if waiting is not None:
            said = f"what entry {waiting} decided is still under way"
            raise RequestError(said, code="prune.under_way", mend="Start the service: it closes what is over.")
        return pruning.prune(tx, found, actor=SERVICE).seq

    return _with_ledger(settings, command)


def erase(settings: Settings, seq: int, fields: Sequence[str], *, basis: str, approver: str) -> int:
    """Erase private values of an entry; return the entry that says so.

    Raises:
        RequestError: The approver is no owner (that it was really they is not proven here), or there is no such value.
    """

    def command(tx: Transaction) -> int:
        who = read.roster(tx).get(approver)
        if who is None or who.role != "owner" or who.retired:
            raise RequestError(f"{approver} is not an owner", code="erase.approver", mend="twinseal principal list")
        try:
            return erasing.erase(tx, seq, fields, basis=basis, approver=approver, actor=SERVICE).seq
        except EntryError as exc:
            raise RequestError(str(exc), code="erase.nothing", mend=f"twinseal ledger show {seq}") from exc

    return _with_ledger(settings, command)


def _with_ledger(settings: Settings, command: Callable[[Transaction], T]) -> T:
    with opening.ledger(settings, opening.origin_of(settings)) as ledger:
        return ledger.run(command)


def _recovery(printed: str, known: keys.Keys) -> note.Signer:
    if known.recovery is None:
        raise SettingsError("this ledger was begun without a recovery key: begin anew and import it")
    try:
        secret = bytes.fromhex(printed.removeprefix(PRINTED))
        signer = note.Signer(known.recovery.name, note.Algorithm.ED25519, secret)
        if signer.key == known.recovery:
            return signer
    except ValueError:
        pass
    raise SettingsError("that is not the recovery key of this ledger", mend=f"It begins with {PRINTED}")


def _adopt(settings: Settings, point: Checkpoint) -> None:
    """Make the restored checkpoint the mark, where there is none; one that is there is compared, and may refuse."""
    connection = stores.open_reader(settings.database)
    try:
        mark = opening.mark(settings)
        if mark.read() is None:
            mark.replace(exporting.newest(connection)[1])
        mark.check(connection, keys.read(connection))
    except RollbackError as exc:
        said = f"{point.size} entries were restored, and more are known to have been: {exc}"
        raise SettingsError(said, mend="Look for a later copy. If there is none: recover --accept-loss") from exc
    finally:
        connection.close()
