"""HTTP for reports: issue one, and read one as it was issued. For owners: they name everybody's refusals."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from governance.entrypoints.asking import FAILURES, Asking, The, is_owner, outcome, said_in
from governance.entrypoints.models import Done, Listing, SignedStatement
from governance.errors import DeniedError, NotFoundError
from governance.people.tokens import Caller
from governance.state import reports as state
from governance.state.tx import Tx
from governance.tell.reports import issuing, page, periods, recalling, text

router = APIRouter(prefix="/v1", responses=FAILURES)


@router.get("/reports")
def listed(caller: Asking, service: The) -> Listing:
    """List the newest reports of each kind, and the day that is due."""
    with service.read() as tx:
        _owner(tx, caller)
        now = service.now(tx)
        found = {kind: state.newest(tx, kind) for kind in periods.LENGTHS}
        return Listing(
            items=[
                {
                    "report": kind,
                    "due": recalling.latest(tx, kind, now=now).isoformat(),
                    "number": last.number if last else 0,
                    "day": last.day if last else "",
                    "digest": last.digest if last else "",
                    "entry": last.seq if last else 0,
                }
                for kind, last in found.items()
            ]
        )


@router.get("/reports/{kind}/{day}")
def show(kind: str, day: str, caller: Asking, service: The, about: int = 0) -> dict[str, Any]:
    """Return a report that was issued: its facts as they were signed for, its text and its page."""
    with service.read() as tx:
        _owner(tx, caller)
        issued = state.of_day(tx, kind, periods.parse(day).isoformat(), about=about)
        if issued is None:
            raise NotFoundError(f"no {kind:.20} report of {day} was issued", code="report.unknown")
        found = recalling.again(tx, issued)
    return {
        "number": issued.number,
        "digest": issued.digest,
        "entry": issued.seq,
        "same": found.same,
        "facts": found.report.document().decode("ascii"),
        "text": text.plain_text(found.report),
        "html": page.page(found.report, {}),
    }


@router.post("/reports", status_code=201)
def issue(signed: SignedStatement, caller: Asking, service: The) -> Done:
    """Issue a report, which mails it to every owner; one that was issued is only named."""
    return outcome(issuing.issue_as(service, caller, said_in(signed)))


def _owner(tx: Tx, caller: Caller) -> None:
    if not is_owner(tx, caller):
        raise DeniedError("reports are for owners", code="authority.owner_only")
