"""Attacks on what adds up: slices that nobody is asked about. D is of the literature's table, X-DEBT found further."""

from __future__ import annotations

from adversary.row import Row

DEBT = (
    Row("D-01", "sliced over time, one slice for each window", "unreviewed_debt", "limits within a window"),
    Row("D-02", "sliced over agents, one slice each", "unreviewed_debt", "limits by account"),
    Row("D-03", "sliced over folders", "unreviewed_debt", "limits by path"),
    Row("D-04", "reviewed changes in between reset the count", "unreviewed_debt", "counts since the last review"),
    Row("X-DEBT-01", "added and taken away again", "unreviewed_debt", "net differences to the reviewed tree"),
    Row("X-DEBT-02", "moved between folders, piece by piece", "unreviewed_debt", "diffs with renames"),
    Row("X-DEBT-03", "sliced over protected branches", "unreviewed_debt", "counts by branch"),
    Row("X-DEBT-04", "two slices at the same moment", "unreviewed_debt", "counts of what has landed, in post-receive"),
    Row("X-DEBT-05", "sign-offs from before there was debt", "unreviewed_debt", "approvals of the change alone"),
    Row("X-DEBT-06", "a signed landing killed before its ref moves", "unreviewed_debt", "counts reset by the decision"),
    Row("X-DEBT-07", "who landed it signs it off", "unreviewed_debt", "authors of the last change alone"),
    Row("X-DEBT-08", "a burst, and the clock set back", "small_changes", "times as the host says them"),
    Row("X-DEBT-09", "a burst under another's push", "small_changes", "limits by who pushes"),
    Row("X-DEBT-10", "paths that are written down alike", "unreviewed_debt", "names cut or replaced for a table"),
    Row("X-DEBT-11", "many a day, none of them fast", "small_changes", "limits per hour"),
    Row("X-DEBT-12", "left over for longer than anyone remembers", "unreviewed_debt", "budgets without an end"),
    Row("X-DEBT-13", "sign-offs withdrawn, or by half of two", "four_eyes", "any approval resets the count"),
    Row("X-DEBT-14", "files without a line in them", "unreviewed_debt", "sums of changed lines"),
    Row(
        "X-DEBT-15",
        "everybody named, so that nobody may review it",
        "unreviewed_debt",
        "co-authors as they are claimed",
    ),
    Row(
        "X-DEBT-16", "newcomers beside who landed it sign it off", "unreviewed_debt", "rules for the last change alone"
    ),
)
