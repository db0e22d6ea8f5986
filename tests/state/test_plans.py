"""How the database looks for what every push asks: by what is few, however long the history is."""

from __future__ import annotations

from audit import stores
from governance.state import read
from governance.state.schema import SCHEMA


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
