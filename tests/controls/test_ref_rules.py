from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from builders import (
    MAIN,
    NEW,
    OLD,
    TOPIC,
    ZERO,
    a_context,
    a_deletion,
    a_policy,
    a_principal,
    a_push,
    a_roster,
    a_standing,
    a_tag,
    oid,
    patterns,
)
from governance.controls.ref_rules import RefRules

if TYPE_CHECKING:
    from governance.facts import UpdateFacts
    from governance.standing import Standing

RELEASE = "refs/heads/release/1"
ELSEWHERE = oid("elsewhere")
TAG = "refs/tags/v1"


def a_tag_push(ref: str = TAG, **changed: object) -> UpdateFacts:
    fields = {"old": ZERO, "base": OLD, "object_type": "tag", "commits": (), "landed": True, "tag": a_tag()}
    return a_push([], ref=ref, **(fields | changed))


def a_creation(ref: str, **changed: object) -> UpdateFacts:
    return a_push(ref=ref, old=ZERO, **changed)


def new_ref() -> Standing:
    return a_standing(landed="")


def a_topic_deletion(by: str) -> UpdateFacts:
    return replace(a_deletion(TOPIC), push=a_context(pusher=by, refs=(TOPIC,)))


OTHERS = a_standing(topic_of=("dev-b", "<eve@example.org>"))

GOOD = [
    ("a protected branch moves forward", a_push(), a_standing(), "moves_forward"),
    ("the target is created", a_creation(MAIN, base="", bases=()), new_ref(), "moves_forward"),
    ("a release branch is created", a_creation(RELEASE), new_ref(), "moves_forward"),
    ("a topic is created", a_creation(TOPIC), new_ref(), "topic_moves"),
    ("a topic is rewound", a_push(ref=TOPIC, fast_forward=False), a_standing(), "topic_moves"),
    ("a topic is deleted", a_deletion(TOPIC), a_standing(), "topic_deleted"),
    ("a topic under review, by one of its contributors", a_push(ref=TOPIC, pusher="dev-b"), OTHERS, "topic_moves"),
    ("a topic under review, by the owner", a_push(ref=TOPIC, pusher="owner"), OTHERS, "topic_moves"),
    ("a topic under review, deleted by a contributor", a_topic_deletion("dev-b"), OTHERS, "topic_deleted"),
    ("a topic under review, deleted by the owner", a_topic_deletion("owner"), OTHERS, "topic_deleted"),
    ("a topic of nobody", a_push(ref=TOPIC, pusher="qa-a"), a_standing(), "topic_moves"),
    ("a name that only starts like HEAD", a_creation("refs/heads/HEADS"), new_ref(), "topic_moves"),
    ("a name that ends like HEAD", a_creation("refs/heads/topic/HEAD"), new_ref(), "topic_moves"),
    ("a tag is created", a_tag_push(), new_ref(), "tag_created"),
    ("beside a protected ref, topics may move", a_push(refs=(MAIN, TOPIC)), a_standing(), "moves_forward"),
    ("a name that only starts like main", a_creation("refs/heads/mainx"), new_ref(), "topic_moves"),
    ("a short hexadecimal name", a_creation("refs/heads/decade"), new_ref(), "topic_moves"),
    ("65 digits are no object name", a_creation(f"refs/heads/{'a' * 65}"), new_ref(), "topic_moves"),
    ("hexadecimal below a folder", a_creation("refs/heads/topic/deadbeef"), new_ref(), "topic_moves"),
    ("a word that ends in g and letters", a_creation("refs/heads/mapping-gas"), new_ref(), "topic_moves"),
]  # fmt: skip

FOR_MAIN = "refs/for/main"
GOOD += [
    ("a change is proposed", a_creation(FOR_MAIN), new_ref(), "proposed"),
    ("a change to a release branch is proposed", a_creation("refs/for/release/1"), new_ref(), "proposed"),
]

BAD = [
    ("a change to what is not protected", a_creation("refs/for/topic/roses"), new_ref(), "proposal_target"),
    ("a change to a look-alike of main", a_creation("refs/for/Main"), new_ref(), "proposal_target"),
    ("a change to nothing", a_creation("refs/for/refs/heads/main"), new_ref(), "reserved_name"),
    ("refs/for in another case", a_creation("refs/For/main"), new_ref(), "namespace"),
    ("refs/for itself", a_creation("refs/for"), new_ref(), "namespace"),
    ("a ref for review that would move", a_push(ref=FOR_MAIN), a_standing(), "namespace"),
    ("a ref for review that would go", a_deletion(FOR_MAIN), a_standing(), "namespace"),
    ("a tag that is proposed", a_creation(FOR_MAIN, object_type="tag"), new_ref(), "not_a_commit"),
    ("a history of its own that is proposed", a_creation(FOR_MAIN, bases=()), new_ref(), "unrelated_history"),
    ("our own pins", a_creation("refs/changes/1/1"), new_ref(), "namespace"),
    ("our own ledger refs", a_creation("refs/ledger/checkpoint"), new_ref(), "namespace"),
    ("replace refs, which change what git shows", a_creation(f"refs/replace/{OLD}"), new_ref(), "namespace"),
    ("notes", a_creation("refs/notes/commits"), new_ref(), "namespace"),
    ("HEAD itself", a_creation("HEAD"), new_ref(), "namespace"),
    ("refs/heads alone", a_creation("refs/heads/"), new_ref(), "namespace"),
    ("a step up", a_creation("refs/heads/../changes/1/1"), new_ref(), "namespace"),
    ("an empty step", a_creation("refs/heads//main"), new_ref(), "namespace"),
    ("a reflog reference", a_creation("refs/heads/x@{1}"), new_ref(), "namespace"),
    ("a name like an option", a_creation("refs/heads/-x"), new_ref(), "namespace"),
    ("a letter that looks like another", a_creation("refs/heads/m\u0430in"), new_ref(), "namespace"),
    ("full-width letters", a_creation("refs/heads/\uff4dain"), new_ref(), "namespace"),
    ("a line feed", a_creation("refs/heads/x\nrefs/heads/main"), new_ref(), "namespace"),
    ("a line feed at the end", a_creation("refs/heads/x\n"), new_ref(), "namespace"),
    ("a branch called HEAD", a_creation("refs/heads/HEAD"), new_ref(), "reserved_name"),
    ("a branch called head", a_creation("refs/heads/head"), new_ref(), "reserved_name"),
    ("a branch called FETCH_HEAD", a_creation("refs/heads/FETCH_HEAD"), new_ref(), "reserved_name"),
    ("a branch called heads/main", a_creation("refs/heads/heads/main"), new_ref(), "reserved_name"),
    ("a name with its place twice", a_creation("refs/heads/refs/heads/main"), new_ref(), "reserved_name"),
    ("a folder that ends in a dot", a_creation("refs/heads/main./x"), new_ref(), "namespace"),
    ("a tag called origin/main", a_tag_push("refs/tags/origin/main"), new_ref(), "tag_shadows_branch"),
    ("a tag called origin/HEAD", a_tag_push("refs/tags/origin/HEAD"), new_ref(), "tag_shadows_branch"),
    ("a tag called HEAD", a_tag_push("refs/tags/HEAD", tag=a_tag("HEAD")), new_ref(), "reserved_name"),
    ("a branch called HEAD deleted", a_deletion("refs/heads/HEAD"), a_standing(), "reserved_name"),
    ("another's topic under review", a_push(ref=TOPIC), OTHERS, "topic_of_others"),
    ("another's topic under review rewound", a_push(ref=TOPIC, fast_forward=False), OTHERS, "topic_of_others"),
    ("another's topic under review deleted", a_topic_deletion("dev-a"), OTHERS, "topic_of_others"),
    ("another's topic, by one who is no contributor but a person", a_push(ref=TOPIC, pusher="mia"), OTHERS,
     "topic_of_others"),
    ("another's topic, by one the roster does not know", a_push(ref=TOPIC, pusher="ghost"), OTHERS, "topic_of_others"),
    ("another's topic, in another case of a contributor's name", a_push(ref=TOPIC, pusher="Dev-B"), OTHERS,
     "topic_of_others"),
    ("an object name", a_creation(f"refs/heads/{OLD}"), new_ref(), "looks_like_object"),
    ("an object name in capitals", a_creation(f"refs/heads/{'AB' * 20}"), new_ref(), "looks_like_object"),
    ("the beginning of one", a_creation("refs/heads/1a2b3c4"), new_ref(), "looks_like_object"),
    ("as git describe says it", a_creation("refs/heads/v1-2-g1a2b3c4"), new_ref(), "looks_like_object"),
    ("a SHA-256 object name", a_creation(f"refs/tags/{'a' * 64}"), new_ref(), "looks_like_object"),
    ("another case of main", a_creation("refs/heads/Main"), new_ref(), "look_alike"),
    ("another case of a release branch", a_creation("refs/heads/Release/1"), new_ref(), "look_alike"),
    ("a tag called main", a_tag_push("refs/tags/main"), new_ref(), "tag_shadows_branch"),
    ("a tag called as a release branch", a_tag_push("refs/tags/release/1"), new_ref(), "tag_shadows_branch"),
    ("an alias of main", a_push(ref=TOPIC, symref=MAIN), a_standing(), "symbolic"),
    ("main made an alias of a topic", a_push(symref=TOPIC), a_standing(), "symbolic"),
    ("from nothing to nothing", a_push(old=ZERO, new=ZERO), a_standing(), "nothing_to_nothing"),
    ("no move at all", a_push(new=OLD), a_standing(), "no_change"),
    ("an old value that is not there", a_push(actual=ELSEWHERE), a_standing(), "stale_old"),
    ("a creation of what exists", a_creation(TOPIC, actual=OLD), a_standing(), "stale_old"),
    ("a deletion of what is gone", a_push([], ref=TOPIC, new=ZERO, actual=ZERO), a_standing(), "stale_old"),
    ("moved on since it was read", a_push(), a_standing(landed=ELSEWHERE), "moved_meanwhile"),
    ("another value than recorded", a_push(ref=TOPIC), a_standing(landed=ELSEWHERE), "drifted"),
    ("a ref the ledger never saw", a_push(ref=TOPIC), new_ref(), "drifted"),
    ("a recorded ref that is gone", a_creation(TOPIC), a_standing(), "drifted"),
    ("another push under way", a_push(), a_standing(reserved=True), "reserved"),
    ("another push half-way through", a_push(ref=TOPIC), a_standing(reserved=True, landed=ELSEWHERE), "reserved"),
    ("two protected refs at once", a_push(refs=(MAIN, RELEASE)), a_standing(), "several_protected"),
    ("two protected refs, asked about another", a_push(ref=TOPIC, refs=(MAIN, RELEASE)), a_standing(),
     "several_protected"),
    ("a tag moved", a_tag_push(old=OLD), a_standing(), "tag_moved"),
    ("a tag deleted", a_deletion(TAG), a_standing(), "tag_moved"),
    ("a lightweight tag", a_tag_push(object_type="commit", tag=None), new_ref(), "tag_lightweight"),
    ("a tag of which no facts came", a_tag_push(object_type="", tag=None), new_ref(), "tag_lightweight"),
    ("a tag that calls itself otherwise", a_tag_push(tag=a_tag("v2")), new_ref(), "tag_target"),
    ("a tag of a tag", a_tag_push(tag=a_tag(target_type="tag")), new_ref(), "tag_target"),
    ("a tag of what has not landed", a_tag_push(landed=False), new_ref(), "tag_unlanded"),
    ("main deleted", a_deletion(MAIN), a_standing(), "protected_deleted"),
    ("main made a tag object", a_push(object_type="tag"), a_standing(), "not_a_commit"),
    ("main of which no facts came", a_push(object_type=""), a_standing(), "not_a_commit"),
    ("a topic made a blob", a_push(ref=TOPIC, object_type="blob"), a_standing(), "not_a_commit"),
    ("a topic to a missing object", a_push(ref=TOPIC, object_type="missing"), a_standing(), "not_a_commit"),
    ("main rewound", a_push(fast_forward=False), a_standing(), "protected_rewound"),
    ("main moved to another history", a_push(bases=()), a_standing(), "unrelated_history"),
    ("a topic of another history", a_creation(TOPIC, bases=()), new_ref(), "unrelated_history"),
]  # fmt: skip


def rows(table: list[tuple[str, UpdateFacts, Standing, str]]) -> list[object]:
    return [pytest.param(facts, standing, f"ref_rules.{reason}", id=name) for name, facts, standing, reason in table]


@pytest.mark.parametrize(("facts", "standing", "reason"), rows(GOOD))
def test_what_may_move_is_satisfied(facts: UpdateFacts, standing: Standing, reason: str) -> None:
    verdict = RefRules.of(standing.policy).evaluate(facts, standing)

    assert (verdict.reason, verdict.objects) == (reason, False)


@pytest.mark.parametrize(("facts", "standing", "reason"), rows(BAD))
def test_what_may_not_move_is_refused_for_its_own_reason(facts: UpdateFacts, standing: Standing, reason: str) -> None:
    verdict = RefRules.of(standing.policy).evaluate(facts, standing)

    assert (verdict.reason, verdict.objects) == (reason, True)


def test_a_policy_that_opens_few_names_closes_the_rest() -> None:
    policy = a_policy(refs={"topic": patterns("refs/heads/topic/**"), "tags": patterns("refs/tags/v*")})
    control = RefRules.of(policy)

    def answer(facts: UpdateFacts) -> str:
        return control.evaluate(facts, a_standing(policy=policy, landed="")).reason

    assert answer(a_creation(TOPIC)) == "ref_rules.topic_moves"
    assert answer(a_creation("refs/heads/mine")) == "ref_rules.namespace"
    assert answer(a_tag_push("refs/tags/x1", tag=a_tag("x1"))) == "ref_rules.namespace"


def test_a_stale_push_is_told_what_is_there_and_what_it_said() -> None:
    verdict = RefRules.of(a_policy()).evaluate(a_push(actual=ELSEWHERE), a_standing())

    assert ELSEWHERE[:12] in verdict.message
    assert OLD[:12] in verdict.message
    assert verdict.mend == ("git fetch, then push again.",)


def test_whose_topic_it_is_is_said_and_whom_to_ask() -> None:
    verdict = RefRules.of(a_policy()).evaluate(a_push(ref=TOPIC), OTHERS)

    assert "under review for dev-b, <eve@example.org>" in verdict.message
    assert verdict.helpers == OTHERS.topic_of
    assert verdict.mend == ("Push to a topic branch of your own.",)


def test_an_owner_is_one_by_role_and_not_by_name() -> None:
    renamed = a_roster(a_principal("zoe", "owner"), a_principal("owner", "dev-a"))
    standing = replace(OTHERS, roster=renamed)

    def answer(by: str) -> str:
        return RefRules.of(a_policy()).evaluate(a_push(ref=TOPIC, pusher=by), standing).reason

    assert (answer("zoe"), answer("owner")) == ("ref_rules.topic_moves", "ref_rules.topic_of_others")


def test_a_sha_256_repository_is_judged_alike() -> None:
    old, new = "a" * 64, "b" * 64
    facts = a_push(old=old, new=new, base=old, bases=(old,))

    assert RefRules.of(a_policy()).evaluate(facts, a_standing(landed=old)).reason == "ref_rules.moves_forward"
    created = a_push(ref=TOPIC, old="0" * 64, new=new, base=old, bases=(old,))
    assert RefRules.of(a_policy()).evaluate(created, new_ref()).reason == "ref_rules.topic_moves"
    assert len(NEW) == 40
