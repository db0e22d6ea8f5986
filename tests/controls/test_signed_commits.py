from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from builders import (
    A_LANDER,
    NEW,
    OLD,
    TOPIC,
    ZERO,
    a_change,
    a_commit,
    a_deletion,
    a_person,
    a_policy,
    a_principal,
    a_push,
    a_roster,
    a_signature,
    a_standing,
    a_tag,
    oid,
)
from governance.controls.signed_commits import SignedCommits
from governance.facts import Person
from governance.policy import LANDER
from governance.verdict import Outcome

if TYPE_CHECKING:
    from governance.facts import CommitFacts, UpdateFacts

GOOD_COMMIT = a_commit("good")
DELEGATING = a_principal("dev-a", delegates=("dev-b",))
GONE = a_principal("docs", delegates=("dev-b",), retired=True)

LANDED = a_commit("landed", author=LANDER, parents=(OLD, NEW), changes=())
"""What the lander makes: git's own merge, and nothing else."""

GOOD = [
    ("the lander's automatic merge", a_push(commits=(LANDED, GOOD_COMMIT)), "verified"),
    ("every commit is signed by its author", a_push(commits=(GOOD_COMMIT, a_commit())), "verified"),
    ("authors may differ from commit to commit", a_push(commits=(GOOD_COMMIT, a_commit(author="qa-a"))), "verified"),
    ("the committer is nobody's claim to authorship",
     a_push(commits=(a_commit(committer=a_person("qa-a")),)), "verified"),
    ("a delegate whom the owner recorded signs", a_push(commits=(a_commit(signer="dev-b"),)), "verified"),
    ("git's own merge of a signed tag", a_push(commits=(a_commit(problems=("mergetag",)),)), "verified"),
    ("a signed tag", a_push([], commits=(), ref="refs/tags/v1", tag=a_tag()), "tag_verified"),
    ("a tag signed by the tagger's delegate",
     a_push([], commits=(), ref="refs/tags/v1", tag=a_tag(signature=a_signature("dev-b"))), "tag_verified"),
    ("a deletion brings nothing", a_deletion(TOPIC), "not_applicable"),
    ("a new name for what has landed", a_push([], commits=(), ref=TOPIC, old=ZERO), "not_applicable"),
]  # fmt: skip

UNSIGNED = a_signature(code="signature.missing")
TWO_FAULTS = (a_commit("first", signature=UNSIGNED), a_commit("second", author="eve@example.org"))

BAD = [
    ("an unsigned commit", (a_commit(signature=UNSIGNED),), "unsigned"),
    ("a signature by a revoked key", (a_commit(signature=a_signature(code="signature.key_revoked")),),
     "bad_signature"),
    ("a signature of another kind", (a_commit(signature=a_signature(code="signature.format")),), "bad_signature"),
    ("A-21 an author whom nobody knows", (a_commit(author="eve@example.org", signer="dev-a"),), "unknown_author"),
    ("an author without an address", (a_commit(author="@", signer="dev-a"),), "unknown_author"),
    ("a committer whom nobody knows", (a_commit(committer=a_person("ci@example.org")),), "unknown_committer"),
    ("a committer without an address", (a_commit(committer=a_person("@")),), "unknown_committer"),
    ("of an unknown author and committer, the author",
     (a_commit(author="eve@example.org", signer="dev-a", committer=a_person("ci@example.org")),), "unknown_author"),
    ("a delegate of an author who has retired", (a_commit(author="docs", signer="dev-b"),), "not_the_author"),
    ("an author who has retired", (a_commit(author="docs"),), "not_the_author"),
    ("A-22 a colleague's name on one's own work", (a_commit(author="owner", signer="dev-a"),), "not_the_author"),
    ("a delegate the other way round", (a_commit(author="dev-b", signer="dev-a"),), "not_the_author"),
    ("the delegate of somebody else", (a_commit(author="qa-a", signer="dev-b"),), "not_the_author"),
    ("no signer behind a signature that verified",
     (a_commit(signature=replace(a_signature(), principal="")),), "not_the_author"),
    ("a signer who is only the committer",
     (a_commit(author="dev-a", signer="ghost", committer=a_person("ghost")),), "not_the_author"),
    ("a NUL, which hides the rest of a message", (a_commit(problems=("nul_in_message",)),), "hidden_content"),
    ("two signatures", (a_commit(problems=("duplicate_gpgsig",)),), "hidden_content"),
    ("a header that nobody shows", (a_commit(problems=("unknown_header:x-evil",)),), "hidden_content"),
    ("a problem that no policy has heard of", (a_commit(problems=("bidi_in_path",)),), "hidden_content"),
    ("hidden content before a good signature", (a_commit(problems=("mergetag", "not_utf8")),), "hidden_content"),
    ("A-19 an unsigned ancestor beneath a signed tip",
     (a_commit("ancestor", signature=UNSIGNED), GOOD_COMMIT, a_commit()), "unsigned"),
    ("an unsigned tip above signed ancestors", (GOOD_COMMIT, a_commit(signature=UNSIGNED)), "unsigned"),
    ("of two kinds of fault, the first", TWO_FAULTS, "unsigned"),
    ("the lander's merge with something by hand", (replace(LANDED, changes=(a_change(),)),), "lander_content"),
    ("the lander's merge that cannot be made again", (replace(LANDED, measured=False),), "lander_content"),
    ("a commit of the lander's that is no merge", (replace(LANDED, parents=(OLD,)),), "lander_content"),
    ("a merge of three by the lander", (replace(LANDED, parents=(OLD, NEW, oid("x"))),), "lander_content"),
    ("the lander's merge for another author", (replace(LANDED, author=a_person("dev-a")),), "lander_content"),
    ("somebody's merge in the lander's name", (replace(LANDED, signature=a_signature("dev-a")),), "lander_content"),
    ("a commit that only was committed by the lander", (a_commit(committer=a_person(LANDER)),), "lander_content"),
    ("the lander's merge with a co-author", (replace(LANDED, co_authors=(a_person("dev-b"),)),), "lander_content"),
]  # fmt: skip

TAGS = [
    ("an unsigned tag", a_tag(signature=UNSIGNED), "tag_unsigned"),
    ("a tag signed by nobody we know", a_tag(signature=a_signature(code="signature.unknown_key")), "tag_unsigned"),
    ("a tag in a colleague's name", a_tag(tagger=a_person("owner")), "tag_not_the_tagger"),
    ("a tag in nobody's name", a_tag(tagger=a_person("eve@example.org")), "tag_not_the_tagger"),
    ("a tag by the delegate the other way round",
     a_tag(tagger=a_person("dev-b"), signature=a_signature("dev-a")), "tag_not_the_tagger"),
    ("a tag by the delegate of one who has retired",
     a_tag(tagger=a_person("docs"), signature=a_signature("dev-b")), "tag_not_the_tagger"),
    ("a tag by one who has retired",
     a_tag(tagger=a_person("docs"), signature=a_signature("docs")), "tag_not_the_tagger"),
    ("a tag whose signature verified for no principal", a_tag(signature=replace(a_signature(), principal="")),
     "tag_not_the_tagger"),
    ("a tag whose tagger and signer are both nobody",
     a_tag(tagger=Person("", ""), signature=replace(a_signature(), principal="")), "tag_not_the_tagger"),
    ("a tag with a hidden header", a_tag(problems=("unknown_header:x",)), "hidden_content"),
    ("a tag by the lander", a_tag(tagger=a_person(LANDER), signature=a_signature(LANDER)), "lander_content"),
    ("a tag in the lander's name", a_tag(tagger=a_person(LANDER)), "lander_content"),
    ("a tag of a tag", a_tag(problems=("nested_tag",)), "hidden_content"),
]  # fmt: skip


def reason_of(facts: UpdateFacts) -> tuple[str, bool]:
    verdict = SignedCommits.of(a_policy()).evaluate(facts, a_standing(roster=a_roster(DELEGATING, GONE, A_LANDER)))
    return verdict.reason, verdict.objects


@pytest.mark.parametrize(("facts", "reason"), [row[1:] for row in GOOD], ids=[row[0] for row in GOOD])
def test_what_is_signed_as_it_should_be_passes(facts: UpdateFacts, reason: str) -> None:
    assert reason_of(facts) == (f"signed_commits.{reason}", False)


@pytest.mark.parametrize(("commits", "reason"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_one_bad_commit_refuses_the_push(commits: tuple[CommitFacts, ...], reason: str) -> None:
    assert reason_of(a_push(commits=commits)) == (f"signed_commits.{reason}", True)


@pytest.mark.parametrize(("tag", "reason"), [row[1:] for row in TAGS], ids=[row[0] for row in TAGS])
def test_a_bad_tag_refuses_the_push(tag: object, reason: str) -> None:
    assert reason_of(a_push([], commits=(), ref="refs/tags/v1", tag=tag)) == (f"signed_commits.{reason}", True)


def test_nothing_to_check_is_not_a_yes() -> None:
    verdict = SignedCommits.of(a_policy()).evaluate(a_deletion(TOPIC), a_standing())

    assert verdict.outcome is Outcome.NOT_APPLICABLE


def test_an_author_unknown_to_the_roster_is_refused_even_where_the_facts_name_a_principal() -> None:
    facts = a_push(commits=(a_commit(author="ghost"),))
    verdict = SignedCommits.of(a_policy()).evaluate(facts, a_standing())

    assert verdict.reason == "signed_commits.not_the_author"


def test_the_person_who_is_unknown_is_named_with_the_place_they_stand_in() -> None:
    verdict = SignedCommits.of(a_policy()).evaluate(
        a_push(commits=(a_commit(committer=a_person("ci@example.org")),)), a_standing()
    )

    assert "committer <ci@example.org> is nobody enrolled here" in verdict.message


def test_addresses_are_compared_whole() -> None:
    lookalike = Person("dev-a@example.org.evil.example", "")
    facts = a_push(commits=(a_commit(author="dev-a"), a_commit("b", author="x@y", signer="dev-a")))
    facts = replace(facts, commits=(replace(facts.commits[0], author=lookalike),))

    assert reason_of(facts) == ("signed_commits.unknown_author", True)


def test_every_offender_is_a_subject_and_a_message_names_three() -> None:
    commits = tuple(a_commit(f"c{number}", signature=UNSIGNED) for number in range(5))
    verdict = SignedCommits.of(a_policy()).evaluate(a_push(commits=commits), a_standing())

    assert verdict.subjects == tuple(commit.oid for commit in commits)
    assert verdict.message.endswith("; and 2 more")
    assert verdict.message.count("signature.missing") == 3


def test_a_policy_may_take_an_oddity_off_its_list_but_not_an_unknown_one() -> None:
    policy = a_policy(signed_commits={"refuse_problems": frozenset()})
    known = a_push(commits=(a_commit(problems=("not_utf8",)),))
    unknown = a_push(commits=(a_commit(problems=("not_utf9",)),))

    assert not SignedCommits.of(policy).evaluate(known, a_standing(policy=policy)).objects
    assert SignedCommits.of(policy).evaluate(unknown, a_standing(policy=policy)).objects
