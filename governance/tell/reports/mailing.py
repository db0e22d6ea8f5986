"""A report as a message: text, page, plots, the facts and the checkpoint. Made anew each time, from the ledger."""

from __future__ import annotations

from threading import Lock

from governance.channels import Attachment, Message
from governance.errors import NotFoundError
from governance.service import Service
from governance.state import reports as state
from governance.state.tx import Tx
from governance.tell.claims import Claim
from governance.tell.reports import page, plots, recalling, words
from governance.tell.reports.recalling import Found
from governance.tell.reports.text import plain_text

OTHER = (
    "These facts are not, byte for byte, what was issued as entry {seq}: another version of the program gathered them, "
    "or the ledger was changed. Run: twinseal ledger verify"
)
_DRAWING = Lock()
"""The library that draws keeps settings of its own for the whole process."""


def mail(look: Tx, service: Service, claim: Claim, to: str) -> Message:
    """Return the message of a report that was issued."""
    del service
    seq = claim.notices[0]
    sql = "select kind, number from report where seq=?"
    row = look.execute(sql, (seq,)).fetchone()
    issued = state.by_number(look, *row) if row else None
    if issued is None:
        raise NotFoundError(f"entry {seq} issued no report", code="report.unknown")
    return message(recalling.again(look, issued), to)


def message(found: Found, to: str) -> Message:
    """Return the message of a report, gathered again."""
    report = found.report
    warning = warned(found)
    with _DRAWING:
        drawn = plots.plots(report)
    files = [Attachment(f"{name(found)}.json", "application/json", report.document())]
    if report.issue.checkpoint:
        files.append(Attachment("checkpoint.note.txt", "text/plain", report.issue.checkpoint.encode()))
    return Message(
        to=to,
        subject=words.subject(report),
        text=plain_text(report, warning=warning),
        html=page.page(report, drawn, warning=warning),
        short=words.subject(report),
        inline=drawn,
        attachments=tuple(files),
        about=found.issued.seq,
    )


def warned(found: Found) -> str:
    """Return what to say where a report is not what was issued; nothing where it is."""
    return "" if found.same else OTHER.format(seq=found.issued.seq)


def name(found: Found) -> str:
    """Return what its files are called."""
    return f"twinseal-{found.report.kind}-{found.report.day}"
