"""Attacks on the write lock and on the rate limits."""

from __future__ import annotations

from adversary.row import Row

LOCKS = (
    Row("X-LOCK-01", "a holder that slept past its lease writes", "write_lock", "lock files; leases without a token"),
    Row("X-LOCK-02", "two ask in the same moment", "locks", "test-and-set over two requests"),
    Row("X-LOCK-03", "the clock set back to stay in", "write_lock", "leases by the wall clock"),
    Row("X-LOCK-04", "paths beside the intent that read like it", "write_lock", "globs that fold case; renames as one"),
    Row("X-LOCK-05", "one line of megabytes, or many small pushes", "write_lock", "numstat; a limit for each push"),
    Row("X-LOCK-06", "to jump the queue by leaving and asking", "locks", "whoever polls first"),
    Row("X-LOCK-07", "the lease of another repository", "write_lock", "locks by branch name"),
    Row("X-LOCK-08", "the holder's token in another's hand", "write_lock", "tokens that are a right by themselves"),
    Row("X-LOCK-09", "a queue kept full, a lock asked for all the time", "locks", "queues without a limit"),
    Row("X-LOCK-11", "a lease stolen by one hand, or by two of one", "locks", "force-unlock by whoever may ask"),
    Row("X-LOCK-12", "the old token after the lease was stolen", "write_lock", "force-unlock without a fence"),
    Row("X-LOCK-13", "co-signed for one lease, used on the next", "locks", "approvals of a queue by its name"),
    Row("X-LOCK-14", "extended for ever, or by another", "locks", "keep-alives that nobody looks at"),
    Row("X-LOCK-15", "asked, stolen and given back in orders made up by chance", "locks", "locks tried in tidy orders"),
    Row("X-LOCK-10", "a revoked token keeps its place and its lease", "locks", "locks that outlive their owner"),
)

LIMITS = (
    Row("T-12", "only successes count; or by date, name or agent", "rate_limits", "counters of what passed, by id"),
    Row("T-13", "reset by a restart", "rate_limits", "counters in memory, one for each worker"),
    Row("T-14", "somebody else's limit used up", "rate_limits", "limits for all, or by a name that one may claim"),
    Row("X-RATE-01", "a limit raised by an agent", "acts", "settings that whoever can write them changes"),
    Row("X-RATE-02", "a raised limit said again, or after its end", "acts", "switches that nobody turns back"),
    Row("X-RATE-03", "twice the limit around the full hour", "rate_limits", "counters that start anew each hour"),
    Row("X-RATE-04", "many branches in one push", "rate_limits", "counters of pushes alone"),
    Row("X-RATE-05", "the lander asked instead", "acts", "counters of one way in"),
    Row("X-LOG-01", "probing that leaves no trace", "rate_limits", "logs of what was done, not of what was tried"),
    Row("X-LOG-02", "a report is suppressed", not_here="no report is sent in this version"),
    Row("X-LOG-03", "an entry that has others skipped", not_here="no entry takes another back: it stands beside it"),
    Row("X-RATE-06", "the clock set back to have the hour again", "rate_limits", "windows by the wall clock"),
)

ROWS = (*LOCKS, *LIMITS)
