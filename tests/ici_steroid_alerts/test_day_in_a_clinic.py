"""A day in a clinic: few stops, each with its reason. `python tests/clinic.py` prints them."""

from __future__ import annotations

import pytest

import clinic

Day = tuple[int, list[tuple[clinic.Visit, clinic.Card]]]
SEED = 20261123
STOPS_PER_100_ORDERS = 5


@pytest.fixture(scope="module")
def day() -> Day:
    return clinic.day(SEED, 1000)


def test_fewer_than_five_stops_per_hundred_orders(
    day: Day,
) -> None:
    orders, shown = day
    stops = [card for _, card in shown if card.indicator == "critical"]
    assert 0 < 100 * len(stops) / orders < STOPS_PER_100_ORDERS


def test_each_stop_has_its_reason_in_the_record(
    day: Day,
) -> None:
    for visit, card in day[1]:
        if card.indicator != "critical":
            continue
        told = clinic.told(visit, card)
        if "Steroid with" in card.summary:
            assert any(one in told for one in ("pembrolizumab", "nivolumab", "ipilimumab", "atezolizumab"))
            assert "edema" not in card.summary
        elif "emtansine" in card.summary:
            assert "T-DM1" in told
        else:
            assert "bevacizumab" in told


def test_no_card_tells_of_an_unrelated_order(
    day: Day,
) -> None:
    related = ("dexamethasone", "prednisone", "pembrolizumab", "nivolumab", "ipilimumab", "atezolizumab",
               "T-DM1", "T-DXd", "bevacizumab", "enoxaparin", "Stereotactic")  # fmt: skip
    for visit, _ in day[1]:
        assert any(word in str(draft) for draft in visit.drafts for word in related), visit.patient
