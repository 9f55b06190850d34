"""A caller has a number of requests per second, whatever others do."""

import pytest

from flytetemporal.auth.identity import Identity, Kind
from flytetemporal.auth.rates import MOST_CALLERS, Rates
from flytetemporal.errors import QuotaExceeded

ADA, BOB = Identity("ada", "test", Kind.USER), Identity("bob", "test", Kind.USER)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def served(rates: Rates, identity: Identity, asked: int) -> int:
    count = 0
    for _ in range(asked):
        try:
            rates.take(identity)
            count += 1
        except QuotaExceeded:
            pass
    return count


def test_a_burst_is_served_and_then_as_many_as_allowed() -> None:
    clock = Clock()
    rates = Rates(5, clock)

    assert served(rates, ADA, 20) == 10
    assert served(rates, BOB, 3) == 3
    clock.now += 1
    assert served(rates, ADA, 20) == 5
    clock.now += 3600
    assert served(rates, ADA, 20) == 10


def test_a_limit_below_one_still_serves_one() -> None:
    clock = Clock()
    rates = Rates(0.1, clock)

    assert served(rates, ADA, 3) == 1
    clock.now += 10
    assert served(rates, ADA, 3) == 1


def test_without_a_limit_everything_is_served() -> None:
    assert served(Rates(0), ADA, 1000) == 1000


def test_the_refusal_names_caller_limit_and_setting() -> None:
    rates = Rates(1, Clock())
    served(rates, ADA, 2)

    with pytest.raises(QuotaExceeded, match=r"\[ada\] makes more than 1 requests per second \(FLYTETEMPORAL_AUTH__"):
        rates.take(ADA)


def test_strangers_cannot_fill_the_memory() -> None:
    rates = Rates(1, Clock())
    for number in range(MOST_CALLERS + 10):
        rates.take(Identity(str(number), "test", Kind.USER))

    assert len(rates._left) == MOST_CALLERS
