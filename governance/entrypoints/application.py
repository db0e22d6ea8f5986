"""The HTTP application of a service: git below `/git/`, everything else by FastAPI."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI

from governance import version
from governance.adapters.inbound import mail_key
from governance.adapters.settings import Settings
from governance.entrypoints import (
    api,
    api_alerts,
    api_debt,
    api_detection,
    api_factors,
    api_gates,
    api_inbound,
    api_locks,
    api_people,
    api_reports,
    api_repositories,
    api_review,
    api_stops,
    api_talk,
    api_tertiary,
    api_web,
    pages,
    problems,
    web,
    web_account,
    web_confirm,
    web_login,
    web_passkeys,
    web_prompts,
)
from governance.entrypoints import log as tiles
from governance.entrypoints.front import PREFIX, Front
from governance.entrypoints.house import House
from governance.entrypoints.limits import Limited
from governance.entrypoints.web_login import Turnstile
from governance.people.enrolment import Challenges
from governance.people.passkeys import Offers


def application(house: House) -> Callable[..., Awaitable[None]]:
    """Return the ASGI application: git below `/git/`, everything else by FastAPI."""
    app = FastAPI(
        title="Twinseal",
        version=version(),
        description="Governance of git pushes. Every act is a signed statement; every refusal has a stable code.",
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.state.service = house.service
    app.state.challenges = Challenges()
    app.state.offers = Offers()
    app.state.turnstiles = {"password": Turnstile(), "passkey": Turnstile()}
    app.state.socket = house.settings.socket
    app.state.sockets = house.settings.sockets
    app.state.reconciler = house.reconciler
    app.state.inbound = _inbound(house.settings)
    app.state.channels = house.channels
    browser = (web_login, web_prompts, web_account, web_passkeys, web_confirm)
    parts = (api, api_people, api_repositories, api_review, api_debt, api_stops, api_locks, api_tertiary)
    more = (api_gates, api_talk, api_detection, api_alerts, api_factors, api_inbound, api_reports, api_web)
    for part in (*parts, *more, tiles, pages, *browser, web):
        app.include_router(part.router)
    problems.install(app)
    front = Front(house.service, house.look, house.sessions, house.reconciler)
    limited = Limited(app)

    async def both(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
        if scope["type"] == "http" and scope["path"].startswith(PREFIX):
            await front(scope, receive, send)
        else:
            await limited(scope, receive, send)

    return both


def _inbound(settings: Settings) -> api_inbound.Inbound:
    """Return what the signatures of answers are checked with.

    Raises:
        SettingsError: A key is none.
    """
    account, _, token = settings.twilio.partition(":")
    key = mail_key(settings.sendgrid_inbound) if settings.sendgrid_inbound else None
    return api_inbound.Inbound(settings.public_url, account, token, key)
