"""Every entry of the specification is a rule, evidence beside a finding, or says why neither can be."""

from __future__ import annotations

from pathlib import Path

import pytest

from all_in_one import clinical_pages
from eligibility_scoring.arguments import ARGUMENTS

DOCS = Path(__file__).parents[2] / "docs"
SECTIONS = {**clinical_pages.ids().catalogue, **clinical_pages.ids().supplement}


@pytest.mark.parametrize("section", SECTIONS)
def test_every_entry_of_the_section_is_accounted_for(section: str) -> None:
    assert [code for code in SECTIONS[section] if code not in clinical_pages.accounts()] == []


def test_every_trial_is_listed() -> None:
    page = clinical_pages.coverage()
    assert all(f"| {trial} |" in page for trial in clinical_pages.ids().trials if trial.startswith("NCT"))
    assert "103 trials and studies are named in the review" in page
    assert "**open**" not in page


def test_every_suspected_error_and_correction_is_shown_on_some_entry() -> None:
    remarks = {code for codes in clinical_pages.ids().notes.values() for code in codes}
    assert remarks - clinical_pages.noted() == set()


def test_an_entry_is_accounted_for_in_one_way_only() -> None:
    judged = clinical_pages.rules()
    for service, known in clinical_pages.knowledge().items():
        for code, entry in known.entries.items():
            ways = (code in judged[service], bool(entry.shown_with), bool(entry.not_computable))
            assert sum(ways) <= 1, f"{service}: {code}"


def test_evidence_is_shown_with_a_finding_or_an_option_of_its_service() -> None:
    options = {argument.code for argument in ARGUMENTS}
    judged = clinical_pages.rules()
    for service, known in clinical_pages.knowledge().items():
        places = judged[service] | (options if service == "eligibility_scoring" else set())
        for code, entry in known.entries.items():
            assert set(entry.shown_with) <= places, f"{service}: {code}"


def test_entries_of_our_own_are_none() -> None:
    known = {code for codes in SECTIONS.values() for code in codes}
    assert clinical_pages.accounts().keys() <= known


@pytest.mark.parametrize("name", clinical_pages.PAGES)
def test_the_page_is_that_of_the_knowledge(name: str) -> None:
    told = (DOCS / name).read_text(encoding="utf-8")
    assert told == clinical_pages.PAGES[name](), "run python -m all_in_one.clinical_pages"
