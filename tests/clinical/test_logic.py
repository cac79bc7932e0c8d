"""Three-valued logic: the laws of Kleene, and that nothing unknown is ever taken for no."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isodose.clinical import logic
from isodose.clinical.logic import Term, choose, every, some
from isodose.clinical.record import Fact

truths = st.sampled_from([True, False, None])


def t(value: Any, name: str = "x") -> Term:
    return logic.missing(name) if value is None else Term(value)


def fact(value: Any, name: str = "histology") -> Term:
    return logic.known(Fact(name=name, value=value))


@given(truths, truths)
def test_and_or_are_commutative_and_de_morgan_holds(a: bool | None, b: bool | None) -> None:
    assert (t(a) & t(b)).value is (t(b) & t(a)).value
    assert (t(a) | t(b)).value is (t(b) | t(a)).value
    assert (~(t(a) & t(b))).value is (~t(a) | ~t(b)).value
    assert (~~t(a)).value is a


@given(truths, truths, truths)
def test_and_or_are_associative_and_distribute(a: bool | None, b: bool | None, c: bool | None) -> None:
    assert ((t(a) & t(b)) & t(c)).value is (t(a) & (t(b) & t(c))).value
    assert ((t(a) | t(b)) | t(c)).value is (t(a) | (t(b) | t(c))).value
    assert (t(a) & (t(b) | t(c))).value is ((t(a) & t(b)) | (t(a) & t(c))).value


@given(truths)
def test_one_deciding_side_decides_whatever_the_other_is(a: bool | None) -> None:
    assert (t(a) & False).value is False
    assert (t(a) | True).value is True
    assert (t(a) & True).value is a
    assert (t(a) | False).value is a


@given(truths, truths)
def test_learning_a_fact_never_changes_what_was_decided(a: bool | None, b: bool | None) -> None:
    for combine in (lambda x, y: x & y, lambda x, y: x | y, lambda x, y: x & ~y):
        before = combine(t(a), t(None)).value
        after = combine(t(a), t(b)).value
        assert before is None or before is after


def test_what_is_unknown_names_what_is_missing_and_what_is_decided_names_nothing() -> None:
    undecided = t(None, "kps") & t(None, "ecog")
    assert undecided.missing == {"kps", "ecog"}
    assert (t(None, "kps") & Term(False)).missing == frozenset()
    assert (t(None, "kps") < 70).missing == {"kps"}


def test_a_decided_answer_rests_on_the_facts_that_decided_it() -> None:
    low, high = fact(60, "kps"), fact(1, "ecog")
    assert {f.name for f in ((low < 70) | (high >= 3)).used} == {"kps"}
    assert {f.name for f in ((low < 50) | (high >= 3)).used} == {"kps", "ecog"}


def test_a_term_is_never_taken_for_a_python_truth_value() -> None:
    with pytest.raises(TypeError, match="three values"):
        bool(Term(True))
    with pytest.raises(TypeError, match="three values"):
        _ = Term(True) and Term(False)


@pytest.mark.parametrize(("value", "met"), [(0, False), (1, True), (4, True), (5, False), (None, None)])
def test_between_includes_both_ends(value: int | None, met: bool | None) -> None:
    assert t(value).between(1, 4).value is met


def test_arithmetic_with_an_unknown_is_unknown_and_division_by_zero_has_no_value() -> None:
    assert (t(None) + 1).value is None
    assert (Term(6) / Term(3)).value == 2
    assert (Term(6) / Term(0)).value is None
    assert (Term(6.0) / Term(5e-324)).value is None
    assert (10 - Term(4)).value == 6
    assert abs(Term(-3)).value == 3


def test_dates_compare_as_dates() -> None:
    assert (fact("2026-02-01") < fact("2026-11-23")).value is True


def test_a_value_stated_as_unknown_is_that_and_nothing_else_is_known_of_it() -> None:
    histology = fact("unknown")
    assert (histology == "unknown").value is True
    assert (histology == "melanoma").value is None
    assert (histology != "melanoma").value is None
    assert (histology == "melanoma").missing == {"histology"}


def test_a_known_value_is_not_the_word_unknown() -> None:
    assert (fact("nsclc") == "unknown").value is False
    assert fact("nsclc").is_in(["unknown"]).value is False


def test_membership_is_true_false_or_undecided_with_its_name() -> None:
    codes = ["lymphoma", "germ_cell"]
    assert fact("lymphoma").is_in(codes).value is True
    assert fact("rcc").is_in(codes).value is False
    assert fact("unknown").is_in(codes).value is None
    assert fact("unknown").is_in(codes).missing == {"histology"}
    assert logic.missing("histology").is_in(codes).missing == {"histology"}
    assert fact("rcc").is_in([]).value is False
    assert fact("unknown").is_in([*codes, "unknown"]).value is True


def test_choose_takes_the_first_branch_that_holds() -> None:
    assert choose((Term(False), "a"), (Term(True), "b"), (Term(True), "c")).value == "b"
    assert choose((Term(False), "a"), otherwise="z").value == "z"
    assert choose((Term(False), "a")).value is False


def test_choose_is_unknown_while_branches_that_stay_possible_disagree() -> None:
    asked = choose((t(None, "kps"), "a"), (Term(True), "b"))
    assert asked.value is None
    assert asked.missing == {"kps"}
    assert choose((t(None), "a"), (Term(True), "a")).value == "a"
    assert choose((Term(True), "a"), (t(None), "b")).value == "a"
    assert choose((t(None), "a")).value is None


@given(truths, truths, truths)
def test_choose_only_gets_surer_when_a_condition_becomes_known(
    a: bool | None, b: bool | None, c: bool | None
) -> None:
    before = choose((t(a), 1), (t(None), 2), (t(c), 1), otherwise=3).value
    after = choose((t(a), 1), (t(b), 2), (t(c), 1), otherwise=3).value
    assert before is None or before == after


def test_every_and_some_of_nothing() -> None:
    assert every([]).value is True
    assert some([]).value is False
    assert every([Term(True), t(None)]).value is None
    assert some([Term(True), t(None)]).value is True


def test_is_none_is_always_known() -> None:
    assert logic.is_none(t(None)).value is True
    assert logic.is_none(Term(0)).value is False
