"""The page on which a person confirms a critical decision, or says that it is a fraud. It acts on POST alone.

The link to it that a mail has holds no code: who looks at links changes nothing and learns nothing.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from governance import two_channels
from governance.coordinate import confirming, decisions
from governance.entrypoints import pages
from governance.entrypoints.asking import LARGEST, The
from governance.entrypoints.browsing import Sent, Visit, Visiting
from governance.entrypoints.disowned import followed
from governance.errors import ConflictError, NotFoundError, RequestError
from governance.service import Service
from governance.state import confirmations, read
from governance.state import decisions as decided
from governance.two_channels import Answer, Channel, Word

router = APIRouter(include_in_schema=False)

LISTED = 20
"""Decisions that are shown, the newest first."""


@router.get("/confirm", response_class=HTMLResponse)
def show(visit: Visiting, service: The) -> HTMLResponse:
    """List what awaits a word of this person."""
    return _page(service, visit)


@router.post("/confirm", response_class=HTMLResponse)
def answer(sent: Sent, request: Request, service: The) -> HTMLResponse:
    """Take a word: with the code that was sent, or for one decision where none could be."""
    visit, form = sent
    try:
        said = _answer(form.get("answer", ""), form.get("word", ""), form.get("decision", ""))
        how = "code" if said.code else "session"
        done = followed(request, confirming.reply(service, visit.principal, said, how=how))
    except RequestError as exc:
        status = 404 if isinstance(exc, NotFoundError) else 409 if isinstance(exc, ConflictError) else 403
        return _page(service, visit, bad=f"{str(exc)[:1].upper()}{str(exc)[1:]}.", mend=exc.mend, status=status)
    frozen = f" Everything is frozen (entry {done['freeze']})." if done.get("freeze") else ""
    return _page(service, visit, good=f"Decision {done['decision']} is {done['outcome']}.{frozen}")


def _answer(text: str, word: str, number: str) -> Answer:
    """Return what a form says.

    Raises:
        RequestError: Neither an answer with its code, nor a word about one decision.
    """
    if text.strip():
        found = two_channels.read(text)
        if found is None:
            mend = "Type it as it was sent, as in YES-MFRGGZDF."
            raise RequestError("an answer begins with YES- or FRAUD- and a code", code="two_channels.unread", mend=mend)
        return Answer(found[0], Channel.WEB, found[1])
    named = number.isascii() and number.isdigit() and len(number) < len(str(LARGEST))
    if word not in {each.value for each in Word} or not named:
        raise RequestError("say yes or fraud, about one decision", code="two_channels.unread")
    return Answer(Word(word), Channel.WEB, decision=int(number))


def _page(
    service: Service, visit: Visit, *, good: str = "", bad: str = "", mend: str = "", status: int = 200
) -> HTMLResponse:
    with service.read() as look:
        now, policy = service.now(look), read.policy(look)
        sent = reversed(confirmations.to(look, visit.principal, now=now)[-LISTED:])
        found = [(each, decided.decision(look, each.repository, each.decision)) for each in sent]
        shown: list[dict[str, Any]] = [
            {**decisions.shown(each, policy, now), "repository": about.repository, "waits": about.waits(now)}
            for about, each in found
            if each is not None
        ]
    return pages.page(
        "confirm.html", status, visit=visit, here="confirm", decisions=shown, good=good, bad=bad, mend=mend
    )
