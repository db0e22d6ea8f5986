"""What follows a FRAUD outside the ledger: git is told before it is answered, and an audit report is issued."""

from __future__ import annotations

from typing import Any

import structlog
from fastapi import Request

from governance.coordinate.confirming import TRIGGER
from governance.errors import GovernanceError
from governance.reconcile import Reconciler
from governance.service import Service
from governance.state import read
from governance.tell.reports import issuing, periods

AGAIN_MS = 10 * 60 * 1000
"""After how long a report that could not be issued is tried again."""
_OWED = (
    "select h.seq from halt h where h.rule=? and not exists "
    "(select 1 from report r where r.kind=? and r.about=h.seq) order by h.seq limit 20"
)

log = structlog.get_logger()


def followed(request: Request, done: dict[str, Any]) -> dict[str, Any]:
    """Let git's own hooks know of a freeze before the answer is given, pushes under way included."""
    if done.get("freeze"):
        reconciler: Reconciler = request.app.state.reconciler
        reconciler.mark_all()
    return done


class Audits:
    """Issues the audit report of every FRAUD, once each, as soon as there is one; what a crash left is made up for."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._later: dict[int, int] = {}

    def round(self) -> list[int]:
        """Issue what is owed; return the freezes that it is about."""
        with self._service.read() as look:
            now = self._service.now(look)
            rows = look.execute(_OWED, (TRIGGER, periods.AUDIT)).fetchall()
            zone = read.policy(look).controls.reports.zone
        owed = [row[0] for row in rows if self._later.get(row[0], 0) <= now]
        return [freeze for freeze in owed if self._issued(freeze, now, zone)]

    def _issued(self, freeze: int, now: int, zone: str) -> bool:
        try:
            issuing.issue(self._service, periods.AUDIT, periods.day_of(now, zone), about=freeze)
        except GovernanceError as exc:
            self._later[freeze] = now + AGAIN_MS
            log.warning("audit.not_issued", freeze=freeze, code=exc.code)
            return False
        return True
