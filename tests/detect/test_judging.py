"""What is found, and what is not, on reviews that were made up for the question."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import permutations

import pytest

from governance.detect import cases, graph, power, statistics, windows
from governance.detect.graph import DAY_MS, Review, edges_of
from governance.detect.multiplicity import adjusted, harmonic, per_look
from governance.detect.null import Margins, Shuffled, dice, share_as_extreme
from governance.parameters import Collusion
from tests.detect.fleets import START, Fleet, fleet, reviews

LIMITS = Collusion()
END = START + 30 * DAY_MS
HONEST = reviews(fleet(12, "honest", 1), 2, 30)
PAIR = fleet(12, "ring of two", 3)
PAIRED = reviews(PAIR, 4, 30)
RING = fleet(12, "ring of three", 5)
RINGED = reviews(RING, 6, 30)


def judged(found: list[Review], **changed: float) -> cases.Judged:
    return cases.judge(found, replace(LIMITS, **changed), now=END, seed=1)


def test_an_honest_fleet_has_no_finding() -> None:
    assert judged(HONEST).found == ()


@pytest.mark.parametrize(("made", "found", "pattern"), [(PAIR, PAIRED, "pair"), (RING, RINGED, "ring of three")])
def test_a_ring_is_found_and_nobody_else(made: Fleet, found: list[Review], pattern: str) -> None:
    first = judged(found).cases[0]
    assert (first.found, first.pattern, sorted(first.people)) == (True, pattern, sorted(made.bad))
    assert {name for case in judged(found).found for name in case.people} == set(made.bad)
    assert first.evidence
    assert first.clears


def test_among_six_nobody_is_named_whatever_they_do() -> None:
    six = reviews(fleet(6, "ring of two", 1), 2, 30)
    assert judged(six).found == ()
    assert "essentially none" in power.of(six, LIMITS, now=END, seed=1).said


def test_the_same_reviews_and_seed_have_the_same_answer() -> None:
    assert judged(PAIRED) == judged(list(reversed(PAIRED)))


def test_a_look_counts_only_its_window_and_no_review_of_ones_own() -> None:
    own = Review(END, "a", "a", "approve", 1, END - 1)
    assert graph.within([own, *HONEST], END, 30) == graph.within(HONEST, END, 30)
    assert graph.within(HONEST, END + 60 * DAY_MS, 30) == []


def test_the_windows_are_the_policys() -> None:
    a, b, c = "a", "b", "c"
    both = [Review(START + n, x, y, "approve", 5, START) for n in range(5) for x, y in ((a, b), (b, a))]
    seen = windows.look(both, (a, b), LIMITS)
    assert (seen.rates, seen.third_party, seen.reviews, seen.hit(LIMITS)) == ((1, 1), 0, 10, True)
    assert not windows.look(both[:-1], (a, b), LIMITS).hit(LIMITS)  # Four are not five.
    no = [*both, Review(START + 9, a, b, "reject", 5, START)]
    assert windows.look(no, (a, b), LIMITS).rates == (0.8, 1)
    assert not windows.look(no, (a, b), LIMITS).hit(LIMITS)
    others = [Review(START + n, a, c, "approve", 5, START) for n in range(5)]
    assert windows.look(both + others, (a, b), LIMITS).third_party == pytest.approx(1 / 3)
    assert not windows.look(both + others, (a, b), LIMITS).hit(LIMITS)
    assert windows.look([], (a, b), LIMITS).third_party == 1


def test_the_null_keeps_what_everybody_wrote_and_reviewed() -> None:
    before = graph.counts(HONEST)
    for drawn in Shuffled(HONEST, 7).draws(5):
        assert drawn != before
        assert not [edge for edge in drawn if edge[0] == edge[1]]
        for side in (0, 1):
            sums: list[Counter[str]] = [Counter(), Counter()]
            for found, total in ((before, sums[0]), (drawn, sums[1])):
                for edge, count in found.items():
                    total[edge[side]] += count
            assert sums[0] == sums[1]


def test_the_closed_form_agrees_with_drawn_histories() -> None:
    margins, seen = Margins.of(HONEST), graph.counts(HONEST)
    drawn = list(Shuffled(HONEST, 11).draws(400))
    for edge, count in sorted(seen.items(), key=lambda item: -item[1])[:6]:
        share = sum(found[edge] >= count for found in drawn) / len(drawn)
        assert margins.tail(edge, count) == pytest.approx(share, abs=0.09)
        mean = sum(found[edge] for found in drawn) / len(drawn)
        assert margins.expected(edge) == pytest.approx(mean, rel=0.2)


def test_the_closed_form_is_exact_where_it_can_be_counted() -> None:
    """Three changes of a, two of c, one stratum; who reviews is dealt in every order that gives nobody their own."""
    rows = [("a", "b"), ("a", "b"), ("a", "d"), ("c", "d"), ("c", "b")]
    found = [Review(START, author, approver, "approve", 1, START - 1) for author, approver in rows]
    deals = list(permutations(approver for _, approver in rows))
    share = sum(deal[:3].count("b") >= 2 for deal in deals) / len(deals)
    assert Margins.of(found).tail(("a", "b"), 2) == pytest.approx(share)


def test_rings_are_counted_once_each_way_round() -> None:
    assert [statistics.asked(size, 12) for size in (2, 3, 4)] == [66, 440, 2970]
    assert edges_of(("a", "b", "c")) == (("a", "b"), ("b", "c"), ("c", "a"))
    found = statistics.rings(graph.counts(RINGED), Margins.of(RINGED))
    assert sorted(found[0].members) == sorted(RING.bad)
    assert statistics.weight_of(found[0].members)(graph.counts(RINGED)) == found[0].weight


def test_drawn_histories_agree_with_a_ring_and_not_with_habit() -> None:
    ring = statistics.rings(graph.counts(PAIRED), Margins.of(PAIRED))[0]
    weigh = statistics.weight_of(ring.members)
    assert share_as_extreme(Shuffled(PAIRED, 1), weigh, ring.weight, draws=99) == pytest.approx(0.01)
    names = tuple(graph.people(HONEST)[:2])
    weigh = statistics.weight_of(names)
    assert share_as_extreme(Shuffled(HONEST, 1), weigh, weigh(graph.counts(HONEST)), draws=99) > 0.05


def test_many_questions_cost_what_benjamini_and_yekutieli_say() -> None:
    assert adjusted([0.001, 0.5, 0.01], 3) == pytest.approx([0.0055, 0.5 * 11 / 6, 0.01 * 3 * (11 / 6) / 2])
    assert adjusted([0.02, 0.01], 2) == pytest.approx([0.03, 0.03])  # Never less than that of a smaller one.
    assert adjusted([0.0001], 100)[0] == pytest.approx(0.01 * harmonic(100))
    assert adjusted([0.01], 100) == [1.0]
    assert adjusted([], 5) == []
    assert harmonic(2000) == pytest.approx(sum(1 / n for n in range(1, 2001)), rel=1e-7)
    assert per_look(0.05, 30) * 30 == pytest.approx(0.05)


def test_who_approves_what_is_large_as_fast_as_what_is_small_is_ranked_and_not_found() -> None:
    roll, hasty = dice(1), []
    for number in range(60):
        units = 2 ** (number % 8 + 1)
        opened = START + number * DAY_MS // 3
        for name, minutes in (("hasty", 2.0), ("careful", float(units))):
            took = int(minutes * 60_000 * (1 + 0.2 * roll.random()))
            hasty.append(Review(opened + took, f"w{number % 8}", name, "approve", units, opened))
    shown = [case for case in judged(hasty).cases if case.pattern == "hurried"]
    assert [(case.people, case.found) for case in shown] == [(("hasty",), False)]


def test_the_report_says_what_it_could_have_noticed() -> None:
    strong = power.of(HONEST, LIMITS, now=END, seed=1)
    assert strong.share in power.SHARES
    assert "would be noticed" in strong.said
    weak = power.of(HONEST[:40], LIMITS, now=END, seed=1)
    assert weak.share is None
    assert weak.said.startswith("none: in 40 reviews")
