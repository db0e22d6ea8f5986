"""Attacks on vetoes and freezes: passed, shed, lifted by the wrong hands, or turned against somebody else."""

from __future__ import annotations

from adversary.row import Row

STOPS = (
    Row("X-STOP-01", "the orchestrator freezes, thaws, vetoes or lifts", "stops", "whoever schedules may pause"),
    Row("X-STOP-02", "a retired librarian freezes", "stops", "sessions that outlive the account"),
    Row("X-STOP-03", "a frozen role's work in another's hands", "freeze", "freezes of accounts; of the pusher"),
    Row("X-STOP-04", "a freeze that names too much, or nothing", "stops", "names that are compared loosely"),
    Row("X-STOP-05", "a veto shed by what the change is called", "vetoes", "votes that belong to a patch set"),
    Row("X-STOP-06", "the vetoed change lands on any number of sign-offs", "vetoes", "scores that are added up"),
    Row("X-STOP-07", "a veto cast after the landing was decided", "stops", "votes read once, on entering the queue"),
    Row("X-STOP-08", "a freeze that comes while the push is under way", "stops", "freezes asked about in pre-receive"),
    Row("X-STOP-09", "one thaw used twice, elsewhere, or for another freeze", "stops", "a switch: on and off"),
    Row("X-STOP-10", "a flood of freezes", "stops", "lists that everybody's push walks through"),
    Row("X-STOP-11", "a freeze outlived by the clock of a client", "freeze", "schedules that the client reads"),
    Row("X-STOP-12", "somebody's role frozen by acting in their name", "stops", "counters by the name in the commit"),
    Row("X-STOP-13", "a veto cast or lifted as somebody else", "stops", "dismissal by write permission (GitHub)"),
)
