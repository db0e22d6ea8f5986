"""How the database looks for what every push asks: by what is few, however long the history is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from audit import stores
from builders import a_policy, a_push, a_roster
from governance import consequences
from governance.state import debts, read, stops
from governance.state.schema import SCHEMA
from governance.stops import Rule, Subject

FAULT = consequences.Fault(Rule.GATE_BYPASS, "dev-a", "dev-a", "")


def test_a_change_is_found_by_its_head_and_not_among_all_that_are_open() -> None:
    connection = stores.open_memory()
    connection.executescript(SCHEMA)
    asked: list[str] = []
    connection.set_trace_callback(asked.append)
    read.change_at(connection, "garden", "a" * 40, target="refs/heads/main")
    connection.set_trace_callback(None)
    (sql,) = [each for each in asked if each.startswith("select")]
    plan = [row[3] for row in connection.execute(f"explain query plan {sql}")]
    assert "patch_set_head" in plan[0], plan
    assert not any("SCAN" in step for step in plan), plan
    connection.close()


def test_what_is_owed_and_what_landed_lately_is_found_without_walking_through_history() -> None:
    connection = stores.open_memory()
    connection.executescript(SCHEMA)
    asked: list[str] = []
    connection.set_trace_callback(asked.append)
    for signed in (True, False):
        debts.standing(connection, a_push(), a_policy(), a_roster(), earlier=() if signed else None)
    connection.set_trace_callback(None)
    for sql in [each for each in asked if each.startswith("select")]:
        plan = [row[3] for row in connection.execute(f"explain query plan {sql}")]
        assert "SEARCH" in plan[0], plan
        assert not any("SCAN" in step for step in plan), plan
    connection.close()


def plans(ask: Callable[[Any], object]) -> list[str]:
    """Return every step of every query that an empty database is asked, where it finds something to go on with."""
    connection = stores.open_memory()
    connection.executescript(SCHEMA)
    connection.execute("insert into veto values(1,'garden','change','1',1,'mia','x',null)")
    asked: list[str] = []
    connection.set_trace_callback(asked.append)
    ask(connection)
    connection.set_trace_callback(None)
    steps = [
        row[3] for sql in asked if sql.startswith("select") for row in connection.execute(f"explain query plan {sql}")
    ]
    connection.close()
    return steps


def test_freezes_and_vetoes_are_found_among_what_stands() -> None:
    heads = [f"{number:040x}" for number in range(3)]
    for steps in (
        plans(lambda tx: stops.freezes(tx, "garden", at=1)),
        plans(lambda tx: stops.vetoes(tx, "garden", number=1, digests=("d" * 64,), heads=heads)),
        plans(lambda tx: stops.vetoed(tx, "garden", Subject.GATE, "roses/QA")),
        plans(lambda tx: consequences._counted(tx, FAULT, since=1, after=-1)),
    ):
        assert steps
        few = {"SCAN principal"}  # A roster does not grow with history.
        assert not any("SCAN" in step and step not in few for step in steps), steps
