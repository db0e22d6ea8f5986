"""Whether we live, and the page of a change that a push links to. Read only: a sign-off is signed where the key is."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from governance.entrypoints import browsing, pages
from governance.entrypoints.asking import Number, The, authenticated, of_repository
from governance.entrypoints.browsing import Visit
from governance.errors import DeniedError
from governance.people import tokens
from governance.review import changes
from governance.service import Service
from governance.state import read

router = APIRouter(include_in_schema=False)


@router.get("/healthz")
def healthy() -> dict[str, str]:
    """Say that the process answers."""
    return {"status": "ok"}


@router.get("/readyz")
def ready(request: Request, service: The) -> dict[str, str]:
    """Say that the ledger can be read and written to."""
    del request
    service.ledger.run(lambda tx: tx.execute("select 1").fetchone())
    return {"status": "ok"}


@router.get("/{repository}/changes/{number}", response_class=HTMLResponse)
def change(repository: str, number: Number, request: Request, service: The) -> Response:
    """Show one change: to who is logged in and may see the repository, or to who shows a token for it."""
    visit = None
    if "authorization" in request.headers or not pages.for_a_person(request):
        of_repository(repository, authenticated(request), request)
    else:
        visit = browsing.logged_in(request)
        _may_see(service, visit, repository)
        with service.read() as tx:
            path = Path(read.repository(tx, repository)["path"])
        request.app.state.reconciler.drain(repository, path)
    with service.read() as tx:
        found = changes.shown(tx, repository, number, policy=read.policy(tx))
    return pages.page("change.html", change=found, repository=repository, visit=visit)


def _may_see(service: Service, visit: Visit, repository: str) -> None:
    """Refuse who could not see it by a token either: an owner sees every repository, others those they hold one for."""
    with service.read() as tx:
        if visit.session.role == "owner" or tokens.holds(tx, visit.principal, repository, now=service.now(tx)):
            return
    said = f"{visit.principal} holds no token for {repository}"
    raise DeniedError(said, code="token.other_repository", mend="Ask the owner: twinseal token issue NAME --repo REPO")
