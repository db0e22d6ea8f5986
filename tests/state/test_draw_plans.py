"""What every landing asks about draws, overrides and newcomers is found by an index, however long the history is."""

from __future__ import annotations

from audit import stores
from builders import REPOSITORY, a_change, a_policy, a_push, a_review, a_roster
from draw_world import Kept
from governance.state import draws, overrides, tenure
from governance.state.schema import SCHEMA


def test_nothing_is_walked() -> None:
    connection = stores.open_memory()
    connection.executescript(SCHEMA)
    asked: list[str] = []
    connection.set_trace_callback(asked.append)
    facts = a_push([a_change(lines=51)])
    change = a_review(facts, "dev-b")
    key = b"k" * 32
    opened = (1, draws.commitment(key), 10, 10, 0, 5)
    connection.execute("insert into draw_epoch values(?,?,?,?,?,?,null,'')", opened)
    draws.standing(connection, facts, change, a_roster(), Kept(key))
    overrides.standing(connection, facts, change, a_policy())
    overrides.overdue(connection, policy=a_policy(), now=1)
    tenure.newcomers(connection, days=14, now=1)
    connection.set_trace_callback(None)

    selects = [each for each in asked if each.startswith("select")]
    assert len(selects) >= 9
    for sql in selects:
        plan = [row[3] for row in connection.execute(f"explain query plan {sql}")]
        assert not any("SCAN" in step and "USING" not in step for step in plan), (sql, plan)
    assert facts.push.repository == REPOSITORY
    connection.close()
