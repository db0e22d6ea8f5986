"""The message that asks a person to confirm a critical decision: made when it is sent, for that person alone.

It alone holds the code. The words that somebody else wrote come after ours, on lines of their own and cut short: nobody
makes our question say something else.
"""

from __future__ import annotations

from governance import two_channels
from governance.channels import Message
from governance.people import codes
from governance.service import Service
from governance.state import confirmations, decisions
from governance.state.tx import Tx
from governance.tell.claims import Claim
from governance.tell.words import cut, when
from governance.two_channels import Awaited, Word

SHORT_MOST, QUESTION_SHORT = 300, 80


def message(look: Tx, service: Service, claim: Claim, to: str) -> Message:
    """Return what is sent; where it comes too late, or the code is gone, it says so."""
    about = confirmations.by_entry(look, claim.notices[0])
    found = decisions.decision(look, about.repository, about.decision) if about else None
    if about is None or found is None:
        raise LookupError(f"entry {claim.notices[0]} awaits nothing")
    code, waits = codes.code_of(look, service, about), about.waits(service.now(look))
    yes, fraud = two_channels.spelt(Word.YES, code), two_channels.spelt(Word.FRAUD, code)
    title = f"decision {about.decision} of {about.repository} was approved in your name"
    asked = [
        f"kind      {cut(found['kind'], 60)}",
        f"asked by  {cut(found['by'], 60)}",
        f"approved  in the {' and the '.join(sorted(about.approved_in))}, {when(about.sent_at)}",
        f"question  {cut(found['question'], 300)}",
        *(f"          - {cut(option, 300)}" for option in found["options"]),
    ]
    text = [
        f"Twinseal: {title}.", "", *asked, "", *_ways(service, about, code, waits=waits), "",
        f"Sent by twinseal for {service.log}, entry {about.seq}. Nothing is confirmed by opening this mail or a link.",
    ]  # fmt: skip
    short = f"Twinseal: {title}. "
    if waits and code:
        short += f"Answer {yes} to confirm it until {when(about.expires_at)}, or {fraud} to freeze everything. "
    elif code:
        short += f"It is on hold or closed. If it was not you, answer {fraud}: it freezes everything. "
    short += f'Asked: "{cut(found["question"], QUESTION_SHORT)}"'
    subject = f"[twinseal] Confirm: {title}" if waits else f"[twinseal] Too late: {title}"
    return Message(to=to, subject=cut(subject, 150), text="\n".join(text) + "\n", short=short, about=about.seq)


def _ways(service: Service, about: Awaited, code: str, *, waits: bool) -> list[str]:
    if not code:
        return ["Its code is gone: it can be confirmed no more.", two_channels.again(about.decision)]
    yes, fraud = two_channels.spelt(Word.YES, code), two_channels.spelt(Word.FRAUD, code)
    said = [
        "If this was NOT you, everything is frozen at once by the answer", f"    {fraud}", "",
    ]  # fmt: skip
    if waits:
        said += [f"If it was you, confirm it until {when(about.expires_at)} by the answer", f"    {yes}", ""]
    else:
        said += ["It was not confirmed in time and is on hold, or it is closed.", ""]
    return [
        *said,
        "An answer begins with it, in a reply to this; or type it on",
        f"    {service.url}/confirm",
        f"or into a terminal: twinseal decision confirm {yes if waits else fraud} --repo {about.repository}",
    ]
