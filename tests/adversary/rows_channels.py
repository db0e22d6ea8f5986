"""Attacks on the second channel of critical decisions: forged, guessed, played back, or turned against the fleet."""

from __future__ import annotations

from adversary.row import Row

CHANNELS = (
    Row("X-WORD-01", "a text message that Twilio did not sign for this address", "two_channels", "webhooks by address"),
    Row("X-WORD-02", "a mail that SendGrid did not sign, or not just now", "two_channels", "verify_signature alone"),
    Row("X-WORD-03", "YES from another number or address", "two_channels", "any inbound message that has the code"),
    Row("X-WORD-04", "YES from a sender that is only shown", "two_channels", "the From header as it stands"),
    Row("X-WORD-05", "YES guessed, in many tries at once", "two_channels", "short codes without a count"),
    Row(
        "X-WORD-06", "YES for another decision, too late, or twice", "two_channels", "codes that are good for whatever"
    ),
    Row("X-WORD-07", "confirmed in the channel that it was approved in", "two_channels", "a second click as a channel"),
    Row("X-WORD-08", "the agent at the owner's terminal confirms", "two_channels", "a session as a second factor"),
    Row("X-WORD-09", "FRAUD by a stranger stops the fleet", "two_channels", "a panic word that anybody may say"),
    Row("X-WORD-10", "FRAUD played back after the thaw", "two_channels", "signatures without a time"),
    Row("X-WORD-11", "FRAUD and YES at one moment", "two_channels", "a check before the act"),
    Row("X-WORD-12", "a clock that jumps", "two_channels", "deadlines by the system's clock"),
    Row(
        "X-WORD-13",
        "a machine answers, or looks at the link",
        "two_channels",
        "links that act; the text of a whole mail",
    ),
    Row("X-WORD-14", "the code read in the ledger", "two_channels", "a plain digest of a short code"),
)
