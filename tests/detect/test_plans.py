"""What every landing asks about canaries and findings is found by an index, however many there are."""

from __future__ import annotations

from audit import stores
from governance.state import canaries
from governance.state.schema import SCHEMA


def test_nothing_is_walked() -> None:
    connection = stores.open_memory()
    connection.executescript(SCHEMA)
    for seq in range(3):
        connection.execute(
            "insert into canary values(?,'garden',1,?,null)", (seq, seq)
        )  # Revealed, so that no key is asked.
    asked: list[str] = []
    connection.set_trace_callback(asked.append)
    assert canaries.reserved(connection, lambda: ["a", "b"]) == 0
    assert canaries.third(connection, ["dev-a"], 1) == ()
    connection.set_trace_callback(None)

    selects = [each for each in asked if each.startswith("select")]
    assert len(selects) == 4
    for sql in selects:
        plan = [row[3] for row in connection.execute(f"explain query plan {sql}")]
        walked = [step for step in plan if "SCAN" in step and "USING" not in step]
        assert not walked or sql.endswith("limit 1"), (sql, plan)  # Of the first row alone.
    connection.close()
