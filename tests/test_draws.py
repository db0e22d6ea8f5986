from __future__ import annotations

import itertools
import math
from collections import Counter
from typing import Any

import pytest

from governance import draws
from governance.detect.draw_audit import UNLIKELY, audit, chance, chi_squared
from governance.draws import HOUR_MS, Draw
from governance.record import Kind

KEYS = [number.to_bytes(draws.KEY_BYTES) for number in range(200)]
KEY = KEYS[7]


def test_a_commitment_is_the_digest_of_the_key() -> None:
    assert draws.commitment(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert len({draws.commitment(key) for key in KEYS}) == len(KEYS)


def test_the_values_of_many_keys_and_slots_are_even() -> None:
    values = [draws.fraction(key, "ana", slot) for key in KEYS for slot in range(50)]
    assert chance(chi_squared(values), 15) > UNLIKELY


@pytest.mark.parametrize("percent", [0, 1, 10, 50, 100])
def test_as_many_are_drawn_as_the_policy_says(percent: int) -> None:
    trials = [(key, slot) for key in KEYS for slot in range(50)]
    found = sum(draws.selected(key, "ana", slot, percent=percent, floor_slots=0) for key, slot in trials)
    expected = len(trials) * percent / 100
    assert abs(found - expected) <= 4 * math.sqrt(len(trials) * percent / 100 * (1 - percent / 100))


def test_one_of_the_first_slots_is_always_drawn_and_it_is_another_for_each_key_and_operator() -> None:
    floors = Counter()
    for key in KEYS:
        for operator in ("ana", "ben"):
            drawn = [n for n in range(10) if draws.selected(key, operator, n, percent=0, floor_slots=10)]
            assert len(drawn) == 1
            floors[drawn[0]] += 1
    assert set(floors) == set(range(10))


def test_what_is_drawn_for_one_slot_tells_nothing_of_the_next_operator_or_epoch() -> None:
    """Of every pair of slots, operators and keys, both are drawn about as often as chance has it."""
    about = [(key, who, slot) for key in KEYS[:100] for who in ("ana", "ben") for slot in range(20)]
    drawn = {each: draws.selected(*each, percent=50, floor_slots=0) for each in about}
    neighbours = {
        "slot": [(a, (a[0], a[1], a[2] + 1)) for a in about if a[2] < 19],
        "operator": [(a, (a[0], "ben", a[2])) for a in about if a[1] == "ana"],
        "epoch": [(a, (KEYS[KEYS.index(a[0]) + 1], a[1], a[2])) for a in about if a[0] != KEYS[99]],
    }
    for pairs in neighbours.values():
        same = sum(drawn[a] == drawn[b] for a, b in pairs)
        assert abs(same - len(pairs) / 2) <= 4 * math.sqrt(len(pairs)) / 2


def test_every_reviewer_is_first_about_as_often() -> None:
    names = ("a", "b", "c", "d")
    firsts = Counter(draws.order(key, "ana", slot, names)[0] for key in KEYS for slot in range(20))
    expected = len(KEYS) * 20 / 4
    assert sum((firsts[name] - expected) ** 2 / expected for name in names) < 16.27  # Three degrees, one in a thousand.


def test_the_order_hangs_on_no_order_that_somebody_gave() -> None:
    orders = {draws.order(KEY, "ana", 3, names) for names in itertools.permutations(("a", "b", "c"))}
    assert len(orders) == 1


def test_the_turn_goes_on_by_time_alone() -> None:
    draw = Draw(1, "ana", 0, selected=True, reviewers=("a", "b", "c"), at=1000)

    def turn(ms: int) -> tuple[str, ...]:
        return draws.whose_turn(draw, now=1000 + ms, overdue_hours=24)

    assert turn(-5) == turn(24 * HOUR_MS - 1) == ("a",)
    assert turn(24 * HOUR_MS) == ("a", "b")
    assert turn(1000 * HOUR_MS) == ("a", "b", "c")


def test_a_path_of_any_bytes_has_a_mark_that_an_entry_can_hold() -> None:
    assert draws.mark("a\udcff\0b").isascii()
    assert draws.mark("a") != draws.mark("b")


def an_epoch(key: bytes = KEY, *, shown: bytes | None = None, count: int = 20) -> list[dict[str, Any]]:
    """Return the entries of an honest epoch."""
    rows = []
    for slot in range(count):
        chosen = draws.selected(key, "ana", slot, percent=30, floor_slots=5)
        reviewers = list(draws.order(key, "ana", slot, ("x", "y", "z"))) if chosen else []
        rows.append(["refs/heads/main", slot + 1, 4, "ana", slot, int(chosen), reviewers, "d", "dev", [], 0])
    opened = {"epoch": 4, "commitment": draws.commitment(key), "opens_at": 0, "percent": 30, "floor_slots": 5}
    over = {"epoch": 4, "key": (key if shown is None else shown).hex(), "reason": "over"}
    found = [{"seq": 1, "kind": Kind.DRAW_EPOCH_OPENED, "data": opened}]
    found += [{"seq": n + 2, "kind": Kind.PUSH_DECIDED, "data": {"draws": [row]}} for n, row in enumerate(rows)]
    return [*found, {"seq": 99, "kind": Kind.DRAW_EPOCH_REVEALED, "data": over}]


def test_an_honest_epoch_is_as_its_key_says() -> None:
    report = audit(an_epoch(), 4)
    assert report.good
    assert len(report.lines) == 20
    assert 0 < report.chance < 1


def altered(place: int, value: object) -> list[dict[str, Any]]:
    """Return that epoch with one member of its first drawn row altered."""
    entries = an_epoch()
    row = next(e["data"]["draws"][0] for e in entries[1:-1] if e["data"]["draws"][0][5])
    row[place] = list(reversed(row[6])) if place == 6 else value
    return entries


LIES = {
    "a drawn one said not to be": (altered(5, 0), "the key says otherwise"),
    "other reviewers first": (altered(6, None), "not in the key's order"),
    "a slot passed over": ([e for e in an_epoch() if e["seq"] != 5], "not one after the other"),
    "a slot twice": ([*an_epoch()[:3], *an_epoch()[2:]], "not one after the other"),
    "another key shown": (an_epoch(shown=KEYS[8]), "not the one that was committed to"),
    "no key shown": (an_epoch()[:-1], "not revealed yet"),
    "a lost key": (an_epoch(shown=b""), "cannot be checked"),
    "no opening": (an_epoch()[1:], "is not here"),
}


@pytest.mark.parametrize(("entries", "said"), LIES.values(), ids=LIES)
def test_an_epoch_that_was_tampered_with_is_seen(entries: list[dict[str, Any]], said: str) -> None:
    report = audit(entries, 4)
    assert not report.good
    faults = [*report.faults, *(fault for line in report.lines for fault in line.faults)]
    assert any(said in fault for fault in faults), faults


def test_nothing_recorded_is_even() -> None:
    assert chi_squared([]) == 0.0
    assert chance(0.0, 15) > 0.99
