"""`ledger backup|restore|adopt|recover|rotate|prune|erase`: looking after the ledger, with the service stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from governance.entrypoints.cli.options import AsJson

Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def add_to(ledger: typer.Typer) -> None:
    """Add these commands."""
    for command in (backup, restore, adopt, recover, rotate, prune, erase):
        ledger.command(command.__name__)(command)


def backup(folder: Path, as_json: AsJson = False) -> None:
    """Write everything that is needed to restore the ledger, but the key-encryption key. The service may run."""
    from governance.adapters import settings
    from governance.entrypoints import terminal, upkeep
    from governance.entrypoints.progress import bar

    found = settings.load()
    with bar("exporting") as progress:
        done = upkeep.backup(found, folder, progress=progress)
    if as_json:
        terminal.emit({"size": done.size, "files": done.files, "folder": str(folder)})
        return
    terminal.done(f"{done.size} entries and the sealed keys in {folder}")
    terminal.say(f"  It holds what can be erased: keep it as you keep {found.where}.")
    terminal.say(f"  Not in it: {found.state / 'kek'}. Without that key it restores to a ledger that cannot sign.")


def restore(folder: Path, as_json: AsJson = False) -> None:
    """Make a ledger from a back-up or an export, in the empty place that the settings name; every hash is checked."""
    from governance.adapters import settings
    from governance.entrypoints import terminal, upkeep
    from governance.entrypoints.progress import bar

    found = settings.load()
    with bar("restoring") as progress:
        point = upkeep.restore(found, folder, progress=progress)
    if as_json:
        terminal.emit({"origin": point.origin, "size": point.size, "root": point.root.hex()})
        return
    terminal.done(f"{point.size} entries of {point.origin} are in {found.where}, with their state tables")
    terminal.say("  Next: twinseal ledger verify. If it was ahead of this copy: twinseal ledger recover --accept-loss")


def adopt(
    against: Annotated[
        list[Path] | None,
        typer.Option(help="A checkpoint found elsewhere that it must continue: a note, a mail, a clone."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Begin a new high-water mark where it was lost, after verifying everything. A roll-back is excluded no further."""
    from governance.adapters import settings
    from governance.entrypoints import terminal, upkeep
    from governance.entrypoints.progress import bar

    with bar("verifying") as progress:
        point = upkeep.adopt(settings.load(), tuple(against or ()), progress=lambda done: progress(done, None))
    if as_json:
        terminal.emit({"origin": point.origin, "size": point.size, "root": point.root.hex()})
        return
    terminal.done(f"the mark is at {point.size} entries of {point.origin}")
    if not against:
        terminal.say(
            "  Whether there were more once, it cannot know: look for a clone or a mail, and: ledger verify --against"
        )


def recover(
    reason: Annotated[str, typer.Option(help="What happened; it is recorded.")],
    operator: Annotated[str, typer.Option(help="Who does this; it is recorded.")],
    recovery_key: Annotated[
        Path | None, typer.Option("--recovery-key-file", help="A file with the recovery key; asked for if not named.")
    ] = None,
    accept_loss: Annotated[
        bool, typer.Option("--accept-loss", help="Give up what the mark knows of and this copy has not.")
    ] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Go on after a loss: an old copy had to be restored, or the ledger key is gone. Opens a new epoch, for good."""
    from governance.adapters import settings
    from governance.entrypoints import terminal, upkeep
    from governance.entrypoints.cli import files

    found = settings.load()
    lost = upkeep.examine(found)
    if not as_json:
        terminal.pairs({"log": lost.origin, "entries here": lost.size, "known outside": lost.marked, "lost": lost.said})
    if not accept_loss:
        mend = "Find the missing entries first: a replica, a back-up. If there are none: --accept-loss"
        if lost.whole:
            mend = "Nothing is missing. Only where the ledger key is gone, for good: --accept-loss"
        terminal.failed("nothing was changed", code="ledger.loss", mend=mend, as_json=as_json)
        raise typer.Exit(1)
    printed = (
        files.read(recovery_key).decode(errors="replace").strip()
        if recovery_key
        else terminal.secret("Recovery key", instead="Add --recovery-key-file FILE.")
    )
    if not yes:
        terminal.confirm(f"From now on this log is called {lost.next}. What is lost stays lost. Go on?")
    done = upkeep.recover(found, printed, reason=reason, operator=operator)
    if as_json:
        terminal.emit({"origin": done.origin, "entry": done.entry, "ledger_key": done.key})
        return
    terminal.done(f"{done.origin} goes on from entry {done.entry}")
    terminal.pairs({"ledger key": done.key})
    terminal.say("  Tell your witnesses the new name and key. Statements signed for the old name are void.")
    terminal.say("  In policy files this line comes beside the first key's, by which the log's beginning is known:")
    terminal.say(f"  log {done.key}")


def rotate(as_json: AsJson = False) -> None:
    """Replace the ledger key by a new one; both sign for a while, each entry counted."""
    from governance.adapters import settings
    from governance.entrypoints import terminal, upkeep

    done = upkeep.rotate(settings.load())
    if as_json:
        terminal.emit({"origin": done.origin, "entry": done.entry, "ledger_key": done.key})
        return
    terminal.done(f"{done.origin} has a new key since entry {done.entry}")
    terminal.pairs({"ledger key": done.key})
    terminal.say("  Witnesses believe the keys they were given: give them this line, and take the old one away soon:")
    terminal.say(f"  log {done.key}")
    terminal.say(
        "  In files for `ledger verify --policy` the first key's line stays: the log's beginning is known by it."
    )


def prune(
    below: Annotated[int, typer.Option(min=256, help="Entries below this number go; a multiple of 256.")],
    archive: Annotated[Path, typer.Option(help="An export that holds them: twinseal ledger export DIR")],
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Remove old entries that an archive holds. Their hashes stay, and every proof."""
    from governance.adapters import settings
    from governance.entrypoints import terminal, upkeep

    found = settings.load()
    if not yes:
        terminal.confirm(f"Remove the bodies of the entries below {below}, which {archive} holds?")
    seq = upkeep.prune(found, archive, below)
    if as_json:
        terminal.emit({"below": below, "entry": seq})
        return
    terminal.done(f"entries below {below} are in {archive} alone; entry {seq} says so")


def erase(
    seq: int,
    field: Annotated[list[str], typer.Argument(help="The values to erase, by name.")],
    basis: Annotated[str, typer.Option(help="On what ground: the request, the law. It is recorded.")],
    approver: Annotated[str, typer.Option(help="The owner who approved. It is recorded.")],
    as_json: AsJson = False,
) -> None:
    """Erase values that an entry only commits to. The entry and its proofs stay as they are."""
    from governance.adapters import settings
    from governance.entrypoints import terminal, upkeep

    entry = upkeep.erase(settings.load(), seq, field, basis=basis, approver=approver)
    if as_json:
        terminal.emit({"of": seq, "fields": sorted(field), "entry": entry})
        return
    terminal.done(f"{', '.join(sorted(field))} of entry {seq} are gone; entry {entry} says so")
    terminal.say("  Not from back-ups made before: erase or replace those too.")
