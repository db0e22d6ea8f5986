"""Attacks on second factors: codes used again, guessed, begged for, moved to another act, or in the wrong hands."""

from __future__ import annotations

from adversary.row import Row

FACTORS = (
    Row(
        "T-01",
        "a code used again, within its window or its drift",
        "second_factor",
        "devise-two-factor, Rodauth",
    ),
    Row("T-02", "one code in many requests at once", "second_factor", "read, compare, write: rotp in many processes"),
    Row("T-03", "guessed across prompts, sessions and restarts", "second_factor", "AuthQuake: limits per session"),
    Row("T-04", "a code that was used elsewhere in the service", "second_factor", "a last step for each feature"),
    Row("T-05", "prompts until somebody says yes, or looks away", "second_factor", "Duo push harassment"),
    Row(
        "T-06",
        "an agent at the human's seat, or with a factor",
        "second_factor",
        "a seed in the environment",
    ),
    Row("T-07", "a factor enrolled or reset right before it approves", "second_factor", "recovery by e-mail alone"),
    Row("T-08", "recovery codes used twice, or to approve", "second_factor", "codes that stand for the factor"),
    Row("T-10", "an approval moved to another act, person or place", "second_factor", "ids in a path"),
    Row("X-FAC-01", "text that reads like a line of the prompt", "second_factor", "prompts that print titles raw"),
    Row("X-FAC-02", "a quorum of one person, twice or since retired", "second_factor", "counts of approvals"),
    Row("X-FAC-03", "a stranger locks somebody out", "second_factor", "lock-outs by the name that was typed"),
    Row("X-FAC-04", "recovery codes kept from a factor that was taken back", "acts", "codes that outlive their factor"),
)
