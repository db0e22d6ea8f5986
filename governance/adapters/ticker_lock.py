"""Which of several processes ticks: the one that holds this lock.

A ledger in a file has one process anyway. On a server it is an advisory lock of a session, which ends with it: who dies
is followed within a second.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from audit.stores import Place, is_postgres

_TRY = "select pg_try_advisory_lock(hashtextextended(current_schema() || '/ticker', 0))"

_GONE: Mapping[str, Any] = MappingProxyType(
    {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3, "tcp_user_timeout": 10_000}
)
"""By when a server behind a cut network counts as gone, in seconds and milliseconds: else we would wait for hours."""


class TickerLock:
    """Held by one process at a time. For one thread."""

    def __init__(self, place: Place) -> None:
        self._place = str(place) if is_postgres(place) else ""
        self._session: Any = None

    def held(self) -> bool:
        """Whether it is ours, trying to take it where it is not. False also where the server does not answer."""
        if not self._place:
            return True
        import psycopg  # noqa: PLC0415 - a quarter of a second that SQLite's users need not wait

        try:
            if self._session is not None:
                self._session.execute("select 1")  # A session that is gone holds nothing.
                return True
            return self._taken(psycopg.connect(self._place, autocommit=True, connect_timeout=3, **_GONE))
        except psycopg.Error:
            self.release()
            return False

    def _taken(self, session: Any) -> bool:  # noqa: ANN401 - the driver's
        if session.execute(_TRY).fetchone()[0]:
            self._session = session
            return True
        session.close()
        return False

    def release(self) -> None:
        """Let go of it."""
        session, self._session = self._session, None
        if session is not None:
            session.close()
