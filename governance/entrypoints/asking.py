"""Who asks over HTTP, in whose name, and what every answer has in common: for the routers of `/v1`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi import Path as InPath

from governance.entrypoints.models import Done, Problem, SignedStatement
from governance.errors import DeniedError
from governance.people import tokens
from governance.people.statements import Statement, parse
from governance.people.tokens import Caller
from governance.service import Service
from governance.state import read
from governance.state.fold import Tx

PAGE = 200
LARGEST = 2**53 - 1
"""No number of ours is larger; the database could not look one up."""
FAILURES: dict[int | str, dict[str, Any]] = {
    code: {"model": Problem, "content": {"application/problem+json": {}}} for code in (401, 403, 404, 409, 422, 503)
}


def authenticated(request: Request) -> Caller:
    """Return who asks."""
    service: Service = request.app.state.service
    header = request.headers.get("authorization", "").encode("latin-1")
    with service.read() as tx:
        return tokens.authenticate(tx, *tokens.presented(header), now=service.now(tx))


def of_repository(repository: str, caller: Annotated[Caller, Depends(authenticated)], request: Request) -> Caller:
    """Return who asks, if the token opens this repository. What was pushed a moment ago is recorded first."""
    if caller.repository != repository:
        raise DeniedError(f"this token does not open {repository}", code="token.other_repository")
    service: Service = request.app.state.service
    with service.read() as tx:
        path = read.repository(tx, repository)["path"]
    request.app.state.reconciler.drain(repository, Path(path))
    return caller


def the_service(request: Request) -> Service:
    """Return the service of this application."""
    service: Service = request.app.state.service
    return service


Asking = Annotated[Caller, Depends(authenticated)]
Inside = Annotated[Caller, Depends(of_repository)]
The = Annotated[Service, Depends(the_service)]
Number = Annotated[int, InPath(ge=0, le=LARGEST)]


def said_in(signed: SignedStatement) -> Statement:
    """Return the statement that was handed in; nothing of it is believed yet."""
    return parse(signed.statement, signed.signature)


def outcome(done: dict[str, Any], **more: object) -> Done:
    """Return the answer to an act, with what is for this asker alone."""
    return Done(entry=done["entry"], done={**done, **more})


def is_owner(tx: Tx, caller: Caller) -> bool:
    """Whether an owner asks: for what is shown. What is done is decided under the lock."""
    who = read.roster(tx).get(caller.principal)
    return who is not None and who.role == "owner"
