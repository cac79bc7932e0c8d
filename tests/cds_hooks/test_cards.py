"""A card keeps the limits of the specification, and its detail explains the finding."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from isodose.cds_hooks import Action, Card, Link, Source, Suggestion, cards
from isodose.clinical.finding import Citation, FactUsed, Finding

FINDING = Finding(
    code="ELIG-bsc-poor-status",
    verdict="met",
    summary="Performance status <70 points",
    strength="standard_of_care",
    severity="high",
    applies_to="BodyStructure/l1",
    missing=("ecog",),
    facts=(
        FactUsed(name="kps", value=60, unit="1", on=dt.date(2026, 11, 1), source="Observation/kps-1"),
        FactUsed(name="citv_ml", value=6.5, unit="mL", stale=True, certainty="likely"),
        FactUsed(name="mdt_discussed", value=False),
    ),
    sources=(
        Citation(cite="Author A. Journal 2020", ref=(12, 13), doi="10.1/x", seen="memory"),
        Citation(cite="Author B. Journal 2021", seen="yes", figure="12% at 1 year"),
    ),
    conflicts="Two trials disagree",
)


def test_the_detail_shows_facts_with_dates_sources_strength_and_what_is_missing() -> None:
    detail = cards.detail([FINDING])
    assert "Strength: standard of care; severity: high" in detail
    assert "score at decision time: 60 (2026-11-01, Observation/kps-1)" in detail
    assert "6.5 ml (no date, likely, older than it stays good)" in detail
    assert "tumour board: no (no date)" in detail
    assert "Not known:\n- ECOG performance status" in detail
    assert "references 12, 13 of the review; doi:10.1/x; source awaits clinical sign-off" in detail
    assert "Author B. Journal 2021: 12% at 1 year" in detail
    assert "Conflicting evidence: Two trials disagree" in detail


def test_signs_that_markdown_or_html_would_read_are_made_literal() -> None:
    assert cards.escaped("<b>a_b*\n[x](y)") == r"\<b\>a\_b\* \[x\](y)"
    assert r"Performance status \<70" in cards.detail([FINDING])


@given(st.text(min_size=1).filter(lambda text: text.strip()))
def test_a_shortened_summary_always_fits(text: str) -> None:
    line = cards.shortened(text)
    assert len(line) < 140
    assert "\n" not in line


def test_a_short_summary_is_left_alone_and_a_long_one_is_cut_at_a_word() -> None:
    assert cards.shortened("Next MRI due") == "Next MRI due"
    assert cards.shortened("word " * 60).endswith("word…")


ORDER = {"resourceType": "ServiceRequest", "status": "draft"}


@pytest.mark.parametrize(
    "change",
    [
        {"summary": "x" * 140},
        {"summary": "  "},
        {"indicator": "hard-stop"},
        {"suggestions": (Suggestion(label="Do it"),)},
        {
            "suggestions": (
                Suggestion(label="a", is_recommended=True),
                Suggestion(label="b", is_recommended=True),
            ),
            "selection_behavior": "at-most-one",
        },
    ],
)
def test_a_card_outside_the_specification_cannot_be_made(change: dict[str, Any]) -> None:
    allowed: dict[str, Any] = {"summary": "x" * 139, "indicator": "info", "source": Source(label="Isodose")}
    Card(**allowed)
    with pytest.raises(ValidationError):
        Card(**{**allowed, **change})


@pytest.mark.parametrize(
    "action",
    [
        {"type": "create", "description": "Order it"},
        {"type": "create", "description": "Order it", "resource": {**ORDER, "note": []}},
        {"type": "delete", "description": "Drop it"},
        {"type": "delete", "description": "Drop it", "resource_id": "ServiceRequest/1", "resource": ORDER},
        {"type": "update", "description": "", "resource": ORDER},
    ],
)
def test_an_action_outside_the_specification_cannot_be_made(action: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Action(**action)


def test_app_context_goes_with_a_smart_link_only() -> None:
    Link(label="Launch", url="https://a.example", type="smart", app_context="{}")
    with pytest.raises(ValidationError):
        Link(label="Launch", url="https://a.example", app_context="{}")


def test_every_override_reason_has_words_to_show() -> None:
    assert all(reason.display for reason in cards.OVERRIDE_REASONS)
