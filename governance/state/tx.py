"""What the state tables are reached through: any open connection or transaction."""

from __future__ import annotations

from typing import Any, Protocol


class Tx(Protocol):
    """What reading and folding need of a transaction."""

    def execute(self, sql: str, params: Any = ..., /) -> Any:  # noqa: ANN401 - the driver's own types
        """Run one statement."""
        ...
