"""Attacks on what people read the next morning: turned against its reader, falsified, or kept from them."""

from __future__ import annotations

from adversary.row import Row

SHOWN = "nobody is refused: what was written is shown, and does nothing"
AFTERWARDS = "what is attacked is the record, after the fact"

REPORTS = (
    Row(
        "X-REP-01",
        "markup in a title or a reason (L-06)",
        "reports",
        "mails from templates",
        unrecorded=SHOWN,
    ),
    Row(
        "X-REP-02",
        "control characters, headers in a reason",
        "reports",
        "logs on a terminal",
        unrecorded=SHOWN,
    ),
    Row("X-REP-03", "an entry of the day altered afterwards", "reports", "reports by query", unrecorded=AFTERWARDS),
    Row("X-REP-04", "the day written anew, with all its hashes", "reports", "hash chains", unrecorded=AFTERWARDS),
    Row("X-REP-05", "the report of yesterday changed in the mailbox", "reports", "mails", unrecorded=AFTERWARDS),
    Row("X-REP-06", "a report that is kept back (L-08)", "reports", "every daily mail", unrecorded=AFTERWARDS),
    Row("X-REP-07", "an agent issues one, to use its number up", "reports", "endpoints without a question"),
    Row("X-REP-08", "a link that approves, for scanners to open (T-09)", "reports", "approve by GET", unrecorded=SHOWN),
    Row("X-REP-09", "three hundred events that keep a freeze out", "reports", "the first so many", unrecorded=SHOWN),
    Row("X-REP-10", "a reason that cries FRAUD", "reports", "rules over words", unrecorded=SHOWN),
)
