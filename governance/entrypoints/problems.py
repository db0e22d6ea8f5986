"""From our errors to RFC 9457 problem documents: one table. What is not in it is a 500 without details."""

from __future__ import annotations

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from audit.errors import AuditError
from governance import errors
from governance.entrypoints import browsing, pages

STATUS: tuple[tuple[type[Exception], int], ...] = (
    (errors.UnauthenticatedError, 401),
    (errors.DeniedError, 403),
    (errors.NotFoundError, 404),
    (errors.ConflictError, 409),
    (errors.EnrolmentError, 422),
    (errors.RequestError, 422),
    (errors.FactsError, 422),
    (errors.PolicyError, 422),
    (errors.UnavailableError, 503),
    (AuditError, 503),
)
"""First match counts; subclasses stand before what they derive from."""

BROKE = "the service could not answer; the log knows more"

log = structlog.get_logger()


def problem(status: int, code: str, detail: str, *, mend: str = "") -> JSONResponse:
    """Return one problem document. `code` is ours and stable; `type` is a link to its paragraph."""
    body = {"type": f"urn:twinseal:{code}", "title": code, "status": status, "detail": detail, "code": code}
    if mend:
        body["mend"] = mend
    headers = {"WWW-Authenticate": 'Basic realm="twinseal", charset="UTF-8"'} if status == 401 else None  # noqa: PLR2004
    return JSONResponse(body, status, headers, media_type="application/problem+json")


def answered(request: Request, status: int, code: str, detail: str, *, mend: str = "") -> Response:
    """Return a refusal as whoever asked can read it: a page for a browser's window, else a problem document.

    A browser that showed a name and token is asked for them again, as ever.
    """
    if pages.for_a_person(request) and status != 401:  # noqa: PLR2004 - RFC 9110
        return pages.refused(status, code, detail, mend=mend)
    return problem(status, code, detail, mend=mend)


def install(app: FastAPI) -> None:
    """Answer every error of this application as a problem document."""

    @app.exception_handler(errors.GovernanceError)
    @app.exception_handler(AuditError)
    async def ours(request: Request, exc: Exception) -> Response:
        status = next((number for kind, number in STATUS if isinstance(exc, kind)), 500)
        code = getattr(exc, "code", "record.failed")
        log.info("request.refused", code=code, status=status, path=request.url.path)
        if status == 500:  # noqa: PLR2004 - an error nobody expected says nothing outside
            log.error("request.broke", error=str(exc))
            return answered(request, 500, "internal", BROKE)
        return answered(request, status, code, str(exc), mend=getattr(exc, "mend", ""))

    @app.exception_handler(browsing.LogInFirstError)
    async def nobody(request: Request, exc: browsing.LogInFirstError) -> Response:
        del request
        return browsing.to_log_in(exc.path)

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, exc: RequestValidationError) -> Response:
        said = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in exc.errors()[:5])
        return answered(request, 422, "request.malformed", said)

    @app.exception_handler(HTTPException)
    async def plain(request: Request, exc: HTTPException) -> Response:
        return answered(request, exc.status_code, "request.http", f"{request.method} {request.url.path}: {exc.detail}")

    @app.exception_handler(Exception)
    async def broke(request: Request, exc: Exception) -> Response:
        log.error("request.broke", path=request.url.path, error=repr(exc))
        return answered(request, 500, "internal", BROKE)
