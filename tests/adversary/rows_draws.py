"""Attacks on who is drawn, who may approve, and on the glass that is broken: rows of the catalogue."""

from __future__ import annotations

from adversary.row import Row

DRAWS = (
    Row("D-06", "amended until the hash draws nothing", "tertiary", "sampling by a hash of commit or change"),
    Row("D-07", "the third reviewer is a friend", "tertiary", "reviewers whom the author or an approver picks"),
    Row("D-11", "reviewed by a copy of one's own model", "four_eyes", "reviewer pools without families"),
    Row("A-38", "break-glass twice, or never reviewed", "override", "break-glass labels that stay on"),
    Row("K-17", "a key enrolled to be approved by", "four_eyes", "new accounts that approve at once"),
    Row("B-12", "newcomers approve each other", "four_eyes", "xz: trust without age"),
    Row("X-DRAW-01", "withdrawn, and proposed anew", "tertiary", "draws bound to a pull request"),
    Row("X-DRAW-02", "split into what is below the threshold", "tertiary", "draws bound to a commit"),
    Row("X-DRAW-03", "handed to another agent", "tertiary", "draws bound to an author"),
    Row("X-DRAW-04", "tried again until it comes out well", "tertiary", "a new random number each try"),
    Row("X-DRAW-05", "predicted from the commitment and the past", "tertiary", "every tenth; seeded generators"),
    Row("X-DRAW-06", "another key revealed than was committed to", "tertiary", "draws that nobody can compute again"),
    Row("X-DRAW-07", "the key is taken away", "tertiary", "samplers that fail open"),
    Row("X-DRAW-08", "one who signed it off is the third as well", "tertiary", "counting signatures, not parties"),
    Row("X-DRAW-09", "a harmless patch set is reviewed, another lands", "tertiary", "reviews of a change number"),
    Row("X-DRAW-10", "an outcome looked at while something else refuses", "tertiary", "draws that cost nothing to see"),
    Row("X-OVER-01", "one person fills two of the three places", "override", "counting signatures, not roles"),
    Row("X-OVER-02", "an expired override", "four_eyes", "labels without an end"),
    Row("X-OVER-03", "an override for another patch set", "four_eyes", "overrides of a change number"),
    Row("X-OVER-04", "an override over a freeze", "freeze", "administrators who may do everything"),
    Row("X-OVER-05", "who signed it reviews it", "override", "after-reviews by whoever is at hand"),
)
