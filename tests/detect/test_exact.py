from __future__ import annotations

from math import comb

import pytest

from governance.detect.exact import beta_share, bounds, chi_squared, gamma_tail, hypergeometric, lower, summed, upper


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [  # R: binom.test(hits, of)$conf.int
        (0, 10, 0.0, 0.3084971),
        (5, 10, 0.1870860, 0.8129140),
        (10, 10, 0.6915029, 1.0),
        (1, 20, 0.0012651, 0.2487328),
        (300, 1000, 0.2717211, 0.3294617),
    ],
)
def test_clopper_pearson_as_r_has_it(hits: int, of: int, low: float, high: float) -> None:
    assert bounds(hits, of) == pytest.approx((low, high), abs=2e-7)


def test_no_miss_in_thirty_is_a_rate_below_ten_percent() -> None:
    assert upper(0, 30) == pytest.approx(1 - 0.05 ** (1 / 30), abs=1e-9)
    assert upper(0, 30) < 0.0951


@pytest.mark.parametrize(("hits", "of"), [(3, 12), (11, 12), (40, 300)])
def test_a_bound_is_where_the_binomial_tail_is_what_was_asked(hits: int, of: int) -> None:
    low, high = lower(hits, of), upper(hits, of)
    at_least = sum(comb(of, k) * low**k * (1 - low) ** (of - k) for k in range(hits, of + 1))
    at_most = sum(comb(of, k) * high**k * (1 - high) ** (of - k) for k in range(hits + 1))
    assert (at_least, at_most) == pytest.approx((0.05, 0.05), abs=1e-9)


def test_nothing_tried_says_nothing() -> None:
    assert bounds(0, 0) == (0.0, 1.0)
    assert (beta_share(2, 3, 0), beta_share(2, 3, 1)) == (0, 1)


def test_hypergeometric_and_its_sums() -> None:
    found = hypergeometric(10, 4, 3)
    assert sum(found) == pytest.approx(1)
    assert found[3] == pytest.approx(comb(4, 3) / comb(10, 3))
    assert hypergeometric(2, 5, 9) == pytest.approx([0, 0, 1])
    twice = summed(found, found)
    assert (len(twice), sum(twice)) == (7, pytest.approx(1))
    assert twice[6] == pytest.approx(found[3] ** 2)


@pytest.mark.parametrize(
    ("statistic", "degrees", "p"), [(3.841459, 1, 0.05), (18.30704, 10, 0.05), (2.0, 2, 0.3678794)]
)
def test_chi_squared_tails_as_tables_have_them(statistic: float, degrees: int, p: float) -> None:
    assert gamma_tail(degrees / 2, statistic / 2) == pytest.approx(p, abs=1e-6)


def test_chi_squared_of_counts() -> None:
    assert chi_squared([10, 20, 30], [20, 20, 20]) == (10.0, pytest.approx(0.0067379, abs=1e-6))
    assert chi_squared([5, 5], [5, 5]) == (0, 1.0)
