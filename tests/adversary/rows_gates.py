"""Attacks on gates, on authority and on the registry of messages."""

from __future__ import annotations

from adversary.row import Row

ROWS = (
    Row("X-GATE-01", "pushed to a gated ref, bound to nothing", "gates", "pipelines that run after the push"),
    Row("X-GATE-02", "a feature is named that has not passed", "gates", "trailers and labels that are believed"),
    Row("X-GATE-03", "the gates passed for one commit, another pushed", "gates", "green ticks on a branch name"),
    Row("X-GATE-04", "a feature that passed in another repository", "gates", "names without their repository"),
    Row("X-GATE-05", "a gate skipped, or advanced before its evidence", "authority", "status fields one may set"),
    Row("X-GATE-06", "one principal as two, or two of one role", "authority", "counting words, not people"),
    Row("X-GATE-07", "advanced by one: no co-signature, or one's own", "authority", "two buttons for one hand"),
    Row("X-GATE-08", "evidence replayed, and co-signed after it changed", "authority", "approvals of a feature's name"),
    Row("X-GATE-09", "a commit nobody reviews, or its author as peer", "authority", "evidence as free text"),
    Row("X-AUTH-01", "a row of the table that would relax another", "authority", "Teleport: rows of a role are ORed"),
    Row("X-AUTH-02", "the orchestrator settles a quarrel of its own", "authority", "whoever has the role decides"),
    Row("X-AUTH-03", "a rejection set aside for one difference, used on", "authority", "a no dismissed by number"),
    Row("X-AUTH-04", "control characters in a note or a question (L-06)", "authority", "logs shown on a terminal"),
    Row("X-AUTH-05", "to wait until nobody has answered", "authority", "silence as consent"),
    Row("T-15", "ids that read alike: an alphabet, a blank, a case", "authority", "string comparison after a glance"),
    Row("X-MSG-01", "bytes that were registered, sent again as one's own", "messages", "digests without a sender"),
    Row("X-MSG-02", "an answer by somebody who was not asked", "messages", "reply headers that are believed"),
    Row("X-MSG-03", "a message of another repository acted on here", "messages", "registries by digest alone"),
    Row("X-MSG-04", "changed on its way, or never sent", "messages", "mailboxes as folders"),
    Row("X-MSG-06", "a decision announced that nobody took", "messages", "announcements by whoever writes them"),
    Row("X-MSG-05", "read by whom it is not to", "messages", "registries that answer everybody"),
)
