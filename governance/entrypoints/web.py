"""The pages that a push links to. Read only; a sign-off is signed where the key is, not in a browser."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from governance.entrypoints.asking import Number, The, of_repository
from governance.people.tokens import Caller
from governance.review import changes
from governance.state import read

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

router = APIRouter(include_in_schema=False)


@cache
def _templates() -> Any:  # noqa: ANN401 - the library is loaded with the first page
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(loader=PackageLoader("governance"), autoescape=True, undefined=StrictUndefined)


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
def change(
    repository: str, number: Number, caller: Annotated[Caller, Depends(of_repository)], service: The
) -> HTMLResponse:
    """Show one change. The browser asks for a principal's name and token."""
    del caller
    with service.read() as tx:
        found = changes.shown(tx, repository, number, policy=read.policy(tx))
    page = _templates().get_template("change.html").render(change=found, repository=repository)
    return HTMLResponse(page, headers=HEADERS)
