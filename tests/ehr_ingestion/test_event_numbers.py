"""What is missing among the numbered events of a subscription is known, whatever their order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ehr_ingestion.notifications.numbers import Numbers


@pytest.mark.parametrize(
    ("come", "seen", "missing"),
    [
        ([1, 2, 3], 3, ()),
        ([1, 3], 3, ((2, 2),)),
        ([5], 5, ((1, 4),)),
        ([1, 5, 3], 5, ((2, 2), (4, 4))),
        ([1, 5, 3, 2, 4], 5, ()),
        ([1, 1, 1], 1, ()),
        ([10, 7, 20], 20, ((1, 6), (8, 9), (11, 19))),
    ],
)
def test_after_a_handshake_every_number_from_one_on_is_expected(
    come: list[int], seen: int, missing: tuple[tuple[int, int], ...]
) -> None:
    numbers = Numbers().started(0)
    for number in come:
        numbers = numbers.received([number])
    assert (numbers.seen, numbers.missing) == (seen, missing)


def test_without_a_handshake_what_came_before_the_first_number_is_not_missed() -> None:
    assert Numbers().received([7]) == Numbers(7)


def test_a_count_beyond_what_was_seen_tells_what_is_missing() -> None:
    assert Numbers(3).told(5) == Numbers(5, ((4, 5),))
    assert Numbers(3).told(3) == Numbers(3)
    assert Numbers(3).told(2) == Numbers(3)


def test_a_handshake_that_counts_less_begins_a_new_count() -> None:
    assert Numbers(30, ((4, 5),)).started(0) == Numbers(0)
    assert Numbers(30).started(32) == Numbers(32, ((31, 32),))


@given(st.permutations(range(1, 12)), st.sets(st.integers(1, 11)), st.lists(st.integers(1, 11)))
def test_any_order_and_repetition_misses_exactly_what_did_not_come(
    order: list[int], lost: set[int], again: list[int]
) -> None:
    numbers = Numbers().started(0)
    come = [number for number in [*order, *again] if number not in lost]
    for number in come:
        numbers = numbers.received([number])
    numbers = numbers.told(11)
    missing = {n for low, high in numbers.missing for n in range(low, high + 1)}
    assert missing == lost
    assert numbers.many_missing() == len(lost)
    assert list(numbers.missing) == sorted(numbers.missing)
