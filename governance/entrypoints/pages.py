"""What every page has in common: templates, headers, the style sheet and the one script, from our own origin."""

from __future__ import annotations

from functools import cache
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from governance.errors import NotFoundError

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Of every page. A stricter referrer policy would have browsers hide the origin of our own forms from us."""

STATIC = {"twinseal.css": "text/css", "twinseal.js": "text/javascript", "twinseal.svg": "image/svg+xml"}

router = APIRouter(include_in_schema=False)


@cache
def _templates() -> Any:  # noqa: ANN401 - the library is loaded with the first page
    from jinja2 import Environment, PackageLoader, StrictUndefined

    from governance.entrypoints import terminal

    made = Environment(loader=PackageLoader("governance"), autoescape=True, undefined=StrictUndefined)
    made.filters["when"] = terminal.when
    return made


def page(template: str, status: int = 200, **values: object) -> HTMLResponse:
    """Return one page. `visit`, where somebody is logged in, puts them into its head."""
    text = _templates().get_template(template).render({"visit": None, "here": ""} | values)
    return HTMLResponse(text, status, HEADERS)


def refused(status: int, code: str, detail: str, *, mend: str = "", **values: object) -> HTMLResponse:
    """Return the page for a request that was refused."""
    return page("refused.html", status, code=code, detail=detail, mend=mend, **values)


def for_a_person(request: Request) -> bool:
    """Whether an answer is for a browser's window: then it is a page, and not a problem document."""
    path, accepts = request.url.path, request.headers.get("accept", "")
    return "text/html" in accepts and not path.startswith(("/v1/", "/log/"))


@cache
def _static(name: str) -> bytes:
    from importlib import resources

    return (resources.files("governance") / "static" / name).read_bytes()


@router.get("/static/{name}")
def static(name: str) -> Response:
    """Return one of the three files that pages refer to."""
    if name not in STATIC:
        raise NotFoundError(f"there is no file {name!r}")
    headers = {name: HEADERS[name] for name in ("X-Content-Type-Options", "Cross-Origin-Resource-Policy")}
    return Response(_static(name), headers={**headers, "Cache-Control": "max-age=300"}, media_type=STATIC[name])
