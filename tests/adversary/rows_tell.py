"""Attacks on what people are told: silenced, drowned, forged, or turned against who reads it."""

from __future__ import annotations

from adversary.row import Row

OUTWARD = "it happens to a message, after what it is about was recorded"

TELL = (
    Row("X-TELL-01", "headers injected by names and reasons", "alerts", "mail by string (CRLF)", unrecorded=OUTWARD),
    Row("X-TELL-02", "a name that runs: tmux, Slack, HTML, the command to copy", "alerts", "messages as markup",
        unrecorded=OUTWARD),
    Row("X-TELL-03", "every provider down, slow or failing for an hour", "alerts", "mail sent by the request itself"),
    Row("X-TELL-04", "a provider that asks us to wait for a year", "alerts", "Retry-After believed"),
    Row("X-TELL-05", "two rounds, or two replicas, at once", "alerts", "cron jobs that pick the same rows",
        unrecorded=OUTWARD),
    Row("X-TELL-06", "killed between any two steps", "alerts", "sent before it is committed, or marked before sent",
        unrecorded=OUTWARD),
    Row("X-TELL-07", "a flood that drowns the one that matters", "alerts", "one mail for each event"),
    Row("X-TELL-08", "what is told once shadows another", "alerts", "deduplication by title", unrecorded=OUTWARD),
    Row("X-TELL-09", "secrets read in logs, errors, entries or doctor", "alerts", "clients that log headers",
        unrecorded=OUTWARD),
    Row("X-TELL-10", "a mail server that is somebody else, or offers no encryption", "alerts",
        "opportunistic STARTTLS", unrecorded=OUTWARD),
    Row("X-TELL-11", "an agent sends tests, reads who is told, or is sent to", "acts", "settings that anybody may set"),
    Row("X-TELL-12", "another number put beside a signed statement", "acts", "fields outside what is signed"),
    Row("X-TELL-13", "a provider's redirect leads the key elsewhere", "alerts", "clients that follow",
        unrecorded=OUTWARD),
    Row("X-TELL-14", "the channel that fails is the one that would say so", "alerts", "errors mailed to the mail"),
    Row("X-TELL-15", "what is done twice within an hour, the second time by a thief", "alerts",
        "deduplication by what is done to whom", unrecorded=OUTWARD),
    Row("X-TELL-16", "noise that pushes one alert out of the gathered message and the list", "alerts",
        "the newest fifty of a digest", unrecorded=OUTWARD),
    Row("X-TELL-17", "a clock that jumped ahead and came back", "alerts", "time-outs by a clock that stands still",
        unrecorded=OUTWARD),
)  # fmt: skip
