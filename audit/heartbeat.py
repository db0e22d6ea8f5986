"""A sign of life where nothing happens, so that the end of a quiet log is sealed too; a word when the clock stepped.

Without it a tail that nobody misses could be cut off. Each is appended once in its time, however many replicas beat.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from audit.entry import Actor, Draft

if TYPE_CHECKING:
    from audit.transaction import Transaction

IDLE_MS = 5 * 60 * 1000
STEP_MS = 5_000
"""A clock that is this far behind the log has stepped back; less is what clocks do."""

BEAT = "ledger.heartbeat"
STEPPED = "ledger.clock_stepped"


def due(last: int, clock: int) -> bool:
    """Whether there is something to say. `last` is the time of the last entry, `clock` what it is now, both in ms."""
    return clock - last >= IDLE_MS or last - clock >= STEP_MS


def beat(tx: Transaction, clock: int, actor: Actor) -> None:
    """Append what is due, judged again under the lock: by the time there, which does not go back."""
    last = tx.execute("select ts from ledger_head").fetchone()[0]
    if last - clock >= STEP_MS:
        # Once for a step: time stands still until the clock has caught up, and so does this key.
        tx.append(Draft(STEPPED, actor, "", "", {"behind_ms": last - clock}), key=f"{STEPPED}/{last}")
    elif clock - last >= IDLE_MS:
        tx.append(Draft(BEAT, actor, "", "", {}), key=f"{BEAT}/{clock // IDLE_MS}")
