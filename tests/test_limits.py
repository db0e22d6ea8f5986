"""Limits as numbers: whatever the times of the attempts, no window ever holds more than it may."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance import limits
from governance.limits import ACTIONS, COUNTED, DAY_MS, HOUR_MS, free_at
from governance.parameters import RateLimit, RateLimits

FEW = RateLimit(hour=2, day=4)


def newest(times: list[int]) -> limits.Newest:
    return lambda place: times[-place] if place <= len(times) else None


TABLE = [
    ("nothing tried", [], 0),
    ("one of two", [0], 0),
    ("two of two, at once", [0, 0], HOUR_MS),
    ("the oldest is out by this millisecond", [-HOUR_MS, 0], 0),
    ("the oldest is in by one", [-HOUR_MS + 1, 0], HOUR_MS),
    ("four a day", [-20 * HOUR_MS, -10 * HOUR_MS, -5 * HOUR_MS, -2 * HOUR_MS], 14 * HOUR_MS),
    ("the day's oldest is out", [-DAY_MS, -10 * HOUR_MS, -5 * HOUR_MS, -2 * HOUR_MS], 0),
    ("a clock that was set back: what lies ahead counts", [5, 5], HOUR_MS + 5),
]


@pytest.mark.parametrize(("times", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_when_the_next_is_free(times: list[int], expected: int) -> None:
    assert free_at(newest(times), FEW, now=0) == expected


@pytest.mark.parametrize(("asked", "kept", "expected"), [(1, 1, 0), (2, 0, 0), (3, 0, HOUR_MS)])
def test_several_at_once_fit_or_do_not(asked: int, kept: int, expected: int) -> None:
    assert free_at(newest([]), FEW, now=0, asked=asked, kept=kept) == expected


def test_several_are_free_when_as_many_have_left() -> None:
    times = [-50 * 60_000, -10 * 60_000]
    limit = RateLimit(hour=2, day=9)
    assert free_at(newest(times), limit, now=0, asked=1, kept=0) == 10 * 60_000
    assert free_at(newest(times), limit, now=0, asked=2, kept=0) == 50 * 60_000


@settings(max_examples=200)
@given(
    st.lists(st.integers(0, 40 * 60_000), max_size=60),
    st.integers(1, 5),
    st.integers(1, 12),
)
def test_no_window_ever_holds_more_successes_than_it_may(steps: list[int], hour: int, day: int) -> None:
    limit, tried, passed, now = RateLimit(hour=hour, day=day), [], [], 0
    for step in steps:
        now += step
        free = free_at(newest(tried), limit, now=now)
        if not free:
            passed.append(now)
        tried.append(now)
        assert not free or free > now
    for start in passed:
        assert sum(start <= at < start + HOUR_MS for at in passed) <= hour
        assert sum(start <= at < start + DAY_MS for at in passed) <= day


@settings(max_examples=100)
@given(st.lists(st.integers(0, 40 * 60_000), max_size=40), st.integers(1, 5), st.integers(1, 12))
def test_who_waits_until_the_time_that_was_said_is_let_in(steps: list[int], hour: int, day: int) -> None:
    """And is not a millisecond before."""
    limit, tried, now = RateLimit(hour=hour, day=day), [], 0
    for step in steps:
        now += step
        free = free_at(newest(tried), limit, now=now)
        tried.append(now)
        if free:
            assert free_at(newest(tried), limit, now=free - 1) != 0
            assert free_at(newest(tried), limit, now=free) == 0


def test_a_limit_is_raised_and_never_lowered() -> None:
    assert limits.raised(FEW, 1, 9) == RateLimit(hour=2, day=9)


def test_whatever_is_counted_has_a_limit() -> None:
    assert set(COUNTED.values()) <= set(ACTIONS)
    assert all(isinstance(getattr(RateLimits(), action), RateLimit) for action in ACTIONS)
