"""The scenarios a clinician can read and correct: facts, a day, expected verdicts and options."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from eligibility_scoring.arguments import ARGUMENTS
from eligibility_scoring.decision import RULES, decide
from eligibility_scoring.options import leading, options
from eligibility_scoring.score import weights
from isodose.clinical.finding import Finding, Option
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import PatientRecord

ON = dt.date(2026, 11, 23)
Row = dict[str, Any]
Judged = tuple[list[Finding], dict[str, Option], Option | None]


@pytest.fixture
def judged(record_of: Callable[[Row], PatientRecord], knowledge: Knowledge) -> Callable[[Row], Judged]:
    def judge(row: Row) -> Judged:
        record = record_of(row)
        findings = decide(record, knowledge, ON)
        found = options(findings, knowledge, record)
        return findings, {option.code: option for option in found}, leading(found)

    return judge


def test_the_scenario_comes_out_as_told(row: Row, differs: Callable[[Row], list[str]]) -> None:
    assert differs(row) == []


def test_every_scenario_has_a_name_of_its_own(rows: tuple[Row, ...]) -> None:
    assert [name for name, times in Counter(row["name"] for row in rows).items() if times > 1] == []
    assert len(rows) >= 80


def test_every_option_of_the_contract_is_judged_in_its_order(judged: Callable[[Row], Judged]) -> None:
    _, found, _ = judged({})
    assert list(found) == [argument.code for argument in ARGUMENTS]
    assert len(found) == 14


def test_every_argument_is_judged_and_what_is_not_judged_is_evidence(knowledge: Knowledge) -> None:
    ruled = {rule.code for rule in RULES}
    for argument in ARGUMENTS:
        spoken = {code.removeprefix("~") for code in (*argument.speaks_for, *argument.speaks_against)}
        assert spoken <= ruled
    weights = {code for code in knowledge.entries if code.startswith("SCORE-")}
    for code in knowledge.entries.keys() - ruled - weights:
        entry = knowledge.entry(code)
        assert entry.not_computable or set(entry.shown_with) & {*ruled, *(a.code for a in ARGUMENTS)}, code


def test_a_score_is_given_or_its_bound_and_the_reason_why_not(judged: Callable[[Row], Judged]) -> None:
    for row in ({}, {"without": ["kps", "citv_ml"]}):
        for option in judged(row)[1].values():
            low, high = option.bound
            if option.score is None:
                assert option.score_withheld
                assert low < high
            else:
                assert option.score == low == high


def test_the_bands_of_the_scores_do_not_overlap(knowledge: Knowledge) -> None:
    by = weights(knowledge, ON)
    bands = sorted(by.bands.values(), reverse=True)
    most = {code: sum(points for _, _, points in given) for code, given in by.criteria.items()}
    assert max(most.values()) <= 20
    assert all(upper > lower + 20 or lower == 0 for upper, lower in pairwise(bands))


def test_every_weight_says_that_it_is_a_proposal_and_why_it_is_what_it_is(knowledge: Knowledge) -> None:
    for code, entry in knowledge.entries.items():
        if code.startswith("SCORE-"):
            assert "awaits clinical sign-off" in entry.caution
            assert all(source.seen == "memory" for source in entry.evidence)
            assert all(value.note for dated in entry.values.values() for value in dated)


@pytest.mark.parametrize(
    ("node", "entry"),
    [
        ("F1-status", "ELIG-bsc-poor-status"),
        ("F1-size", "SYS-small-lesion-cutoffs"),
        ("F1-poly", "ELIG-poly-5-10-conditional"),
        ("F1-accessible", "NEOADJ-candidate-profile"),
        ("F1-fraction", "DOSE-fsrs-practice-indications"),
    ],
)
def test_a_node_of_the_pathway_uses_the_limits_of_its_entry(
    node: str, entry: str, knowledge: Knowledge
) -> None:
    assert dict(knowledge.values(node, ON)) == dict(knowledge.values(entry, ON))
