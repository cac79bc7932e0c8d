"""Questions to the board: what the review leaves open, with the arguments on each side for this patient.

A code argues for its side when its finding is met, `~code` when it is judged and not met; evidence entries
always do. The question itself, in words, is the entry (knowledge/open_questions.yaml).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

import msgspec

from isodose.clinical.finding import ByCode, Finding, Side
from isodose.clinical.knowledge import Knowledge

SIDES: Mapping[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "OQ-1": (
        (
            "Radiosurgery, again where needed",
            (
                "ELIG-srs-over-wbrt-cognition",
                "ELIG-poly-jlgk-noninferior",
                "ELIG-poly-jlgk-long-term",
                "SUP-ELIG-esmo-volume",
                "TIME-new-lesion-srs",
            ),
        ),
        (
            "Whole-brain radiotherapy, with hippocampal avoidance where possible",
            ("ELIG-poly-over-10", "ELIG-bmv-trial-threshold", "ELIG-wbrt-indications-cyberspace"),
        ),
        ("Systemic therapy", ("SYS-guideline-conditional", "SYS-cns-downstaging")),
        ("Supportive care", ("ELIG-limits-of-srs", "ELIG-bsc-poor-status")),
    ),
    "OQ-3": (
        ("A full or higher dose", ("DOSE-melanoma-local-failure",)),
        ("A lower dose or more fractions", ("DOSE-rcc-balance",)),
        ("The dose by size alone", ("SUP-DOSE-astro-size-bands", "GAP-histology-dose")),
    ),
    "OQ-4": (
        ("A single fraction", ("DOSE-fsrs-under-2cm-unclear", "SUP-DOSE-astro-size-bands")),
        ("Several fractions", ("DOSE-fsrs-large-or-oar", "DOSE-fsrs-practice-indications")),
    ),
    "OQ-5": (
        ("A single fraction", ("DOSE-hypofractionation-are-unclear", "DOSE-v12-bed-tradeoff")),
        ("Several fractions", ("SUP-ARE-v12-astro", "DOSE-meta-july")),
    ),
    "OQ-6": (
        ("SRS first", ("SUP-ELIG-astro-symptomatic", "SYS-other-histologies-not-enough")),
        ("The ICI first", ("SYS-melanoma-upfront-dual-ici", "TIME-melanoma-defer-srs")),
        ("Both without a pause", ("DRUG-continue-systemic",)),
    ),
    "OQ-7": (
        ("Observe", ("GAP-tric-vs-are",)),
        ("Advanced imaging", ("ARE-DX-trigger", "GAP-perfusion-cutoff")),
        ("Tissue", ("ELIG-local-progression-workup",)),
    ),
    "OQ-8": (
        ("Systemic therapy with upfront SRS", ("SYS-srs-benefit-over-1cm", "SUP-ELIG-astro-symptomatic")),
        (
            "Systemic therapy alone, SRS for salvage",
            (
                "SYS-melanoma-upfront-dual-ici",
                "SYS-nsclc-upfront-tki",
                "SYS-her2-upfront",
                "SYS-omit-local-not-general",
                "SYS-guideline-conditional",
            ),
        ),
        ("Downstaging", ("SYS-cns-downstaging",)),
    ),
    "OQ-9": (
        ("SRS before resection", ("NEOADJ-candidate-profile", "NEOADJ-lmd-patel", "NEOADJ-dosimetry")),
        (
            "Resection, then SRS",
            ("F1-urgent", "ELIG-surgery-then-postop-srs", "NEOADJ-no-dose-recommendation"),
        ),
        ("A trial", ("NEOADJ-ongoing-trials",)),
    ),
    "OQ-10": (
        ("Observe", ()),
        ("Resect again", ("SUP-NEO-subtotal",)),
        ("More radiation, with the cumulative dose", ("NEOADJ-residual-disease-dilemma",)),
    ),
    "OQ-12": (
        ("Go on treating the brain", ("~ELIG-bsc-poor-status", "~ELIG-functional-decline-extracranial")),
        ("Supportive care", ("ELIG-limits-of-srs", "ELIG-bsc-poor-status", "SUP-PROG-quartz")),
    ),
}
"""By question, each position with the entries that argue for it, in the order in which they are shown."""

OF_DOSE = ("OQ-3", "OQ-4", "OQ-5")
"""Questions of dose and fractions: none where no radiosurgery is advised."""


_ARGUING = frozenset(
    code.removeprefix("~") for sides in SIDES.values() for _, codes in sides for code in codes
)

_NONE: Set[str] = frozenset()


def with_sides(findings: Sequence[Finding], knowledge: Knowledge) -> list[Finding]:
    """The findings, with the arguments on each side on every question that is open for this patient."""
    judged: set[str] = set()
    by_subject: dict[str, set[str]] = {}
    for finding in findings:
        code = finding.code
        if code in _ARGUING:
            judged.add(code)
            if finding.verdict != "unknown":
                said = code if finding.verdict == "met" else f"~{code}"
                by_subject.setdefault(finding.applies_to, set()).add(said)
    return [_with_sides(f, by_subject, judged, knowledge) if f.code in SIDES else f for f in findings]


def questions(found: ByCode) -> list[Finding]:
    """The questions open for this patient, each once, its first lesion or plan standing for the others."""
    asked = ([f for f in alike if f.verdict == "met"] for code, alike in found.items() if code in SIDES)
    return [met[0] for met in asked if met]


def _with_sides(
    question: Finding, by_subject: Mapping[str, Set[str]], judged: Set[str], knowledge: Knowledge
) -> Finding:
    """Arguments about the patient as a whole, about the subject of the question, and evidence; none while the
    question is not open.
    """
    if question.verdict != "met":
        return question
    of_patient, of_subject = by_subject.get("", _NONE), by_subject.get(question.applies_to, _NONE)
    sides = tuple(
        Side(
            position=position,
            arguments=tuple(
                code.removeprefix("~")
                for code in codes
                if code in of_patient
                or code in of_subject
                or (code in knowledge.entries and code not in judged)
            ),
        )
        for position, codes in SIDES[question.code]
    )
    return msgspec.structs.replace(question, sides=sides)
