"""The state of a work-up, from what the team recorded, from tissue, and from the results that count.

A clinician sets the state that matters (`are_status`); this one says how far the evidence goes.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from are_surveillance.workup.results import STRUCTURAL, Result, results_of
from isodose.clinical import facts
from isodose.clinical.finding import Finding
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import FactScalar, PatientRecord, Subject

State = Literal[
    "suspected",
    "equivocal",
    "are-likely",
    "progression-likely",
    "confirmed-by-pathology",
    "imaging-change-under-ici",
    "closed",
]
STATE_NAME: Mapping[State, str] = {
    "suspected": "Suspected radiation effect",
    "equivocal": "Radiation effect or tumour, equivocal",
    "are-likely": "Adverse radiation effect likely",
    "progression-likely": "Tumour progression likely",
    "confirmed-by-pathology": "Settled by pathology",
    "imaging-change-under-ici": "Treatment-related imaging change under a checkpoint inhibitor",
    "closed": "Closed by the team",
}
OPEN: tuple[State, ...] = ("suspected", "equivocal", "imaging-change-under-ici")

_TISSUE = {
    "necrosis": "Tissue showed necrosis.",
    "viable_tumour": "Tissue showed living tumour.",
    "mixed": "Tissue showed necrosis and living tumour together; the board reads it.",
}
_WATCH = (
    "It changes without symptoms under a checkpoint inhibitor: watch closely. By itself that is no reason to "
    "stop a drug that works, nor for steroids."
)
_UNDER_ICI = ("ARE-DX-tric-not-automatic-harm", "ARE-DX-early-change-observe")


@dataclass(frozen=True, slots=True)
class WorkUp:
    """One lesion that changes. `since` is the day of the change; `why` says what the state rests on;
    `symptomatic` is None where nobody recorded it; `tissue` is the pathology result, empty without one.
    """

    lesion: str
    state: State
    why: str
    since: dt.date | None
    symptomatic: bool | None
    tissue: str
    results: tuple[Result, ...]
    findings: tuple[Finding, ...]

    def met(self, code: str) -> bool:
        return any(f.code == code and f.verdict == "met" for f in self.findings)


def workups(
    record: PatientRecord, findings: Sequence[Finding], knowledge: Knowledge, on: dt.date
) -> list[WorkUp]:
    """The lesions of `record` in question on the day, in order of reference."""
    agreeing = knowledge.values("ARE-DX-report-uncertainty", on)["agreeing_tests_from"]
    found = []
    for lesion in sorted(record.of_scope("lesion"), key=lambda s: s.ref):
        told = _Told(record, lesion, on)
        if told.in_question:
            results = results_of(record, lesion, findings, told.since, on)
            found.append(_workup(lesion, told, findings, results, agreeing))
    return found


class _Told:
    """What the record states of one lesion on a day."""

    def __init__(self, record: PatientRecord, lesion: Subject, on: dt.date) -> None:
        self._record, self._lesion, self._on = record, lesion, on

    def __getitem__(self, name: str) -> FactScalar | None:
        own = self._lesion.facts if facts.definition(name).scope == "lesion" else self._record.facts
        fact = facts.current(own, name, self._on)
        return None if fact is None else fact.value

    @property
    def in_question(self) -> bool:
        return (
            self["new_or_growing_enhancement"] is True
            or self["tric_present"] is True
            or self["are_status"] in ("suspected", "imaging_defined", "pathology_confirmed")
        )

    @property
    def since(self) -> dt.date | None:
        names = ("new_or_growing_enhancement", "tric_present", "are_status")
        current = (facts.current(self._lesion.facts, name, self._on) for name in names)
        seen = (f.on for f in current if f and f.on and f.value not in (False, "excluded", "not_suspected"))
        return min(seen, default=None)

    @property
    def symptomatic(self) -> bool | None:
        told = (self["are_symptomatic"], self["clinical_deterioration"])
        return True if True in told else False if self["are_symptomatic"] is False else None


def _workup(
    lesion: Subject, told: _Told, findings: Sequence[Finding], results: Sequence[Result], agreeing: int
) -> WorkUp:
    own = tuple(f for f in findings if f.applies_to in ("", lesion.ref))
    state, why = _recorded(told) or _by_evidence(results, agreeing)
    if state in OPEN and told.symptomatic is False and _change_under_ici(own, told):
        state = "imaging-change-under-ici"
        why = f"{_WATCH} {why}"
    tissue = str(told["pathology_result"] or "")
    shown = tissue if tissue in (*_TISSUE, "non_diagnostic") else ""
    return WorkUp(lesion.ref, state, why, told.since, told.symptomatic, shown, tuple(results), own)


def _recorded(told: _Told) -> tuple[State, str] | None:
    """What tissue or the team has settled."""
    tissue, status = told["pathology_result"], told["are_status"]
    if tissue in _TISSUE:
        contrary = tissue == "necrosis" and told["true_progression_confirmed"] is True
        doubt = " The record also calls progression established: which holds?" if contrary else ""
        return "confirmed-by-pathology", _TISSUE[str(tissue)] + doubt
    if told["true_progression_confirmed"] is True:
        return "closed", "Tumour progression is on record as established."
    if status == "excluded":
        return "closed", "The team has excluded an adverse radiation effect."
    if status == "pathology_confirmed":
        return "confirmed-by-pathology", "The team has recorded it as confirmed by pathology."
    if status == "imaging_defined":
        return "are-likely", "The team has recorded an adverse radiation effect defined by imaging."
    return None


def _by_evidence(results: Sequence[Result], agreeing: int) -> tuple[State, str]:
    """How far the results go: a side is likely only where several kinds of test agree and none disagrees."""
    sides = {
        side: sorted({r.test for r in results if r.counts and r.points == side})
        for side in ("recurrence", "are")
    }
    if sides["recurrence"] and sides["are"]:
        for_tumour, for_effect = ", ".join(sides["recurrence"]), ", ".join(sides["are"])
        return "equivocal", f"Tests disagree: {for_tumour} for recurrence, {for_effect} for ARE."
    for side, tests in sides.items():
        if len(tests) >= agreeing and any(test not in STRUCTURAL for test in tests):
            state: State = "are-likely" if side == "are" else "progression-likely"
            words = "ARE" if side == "are" else "recurrence"
            return state, f"These tests agree on {words}: {', '.join(tests)}. A clinician sets the state."
    if any(sides.values()):
        one = next(tests for tests in sides.values() if tests)
        return "equivocal", f"Too weak to decide: only {', '.join(one)} counts."
    if results:
        return "equivocal", "Too weak to decide: no result counts."
    return "suspected", "No test result since the change is on record."


def _change_under_ici(findings: Sequence[Finding], told: _Told) -> bool:
    met = {f.code for f in findings if f.verdict == "met"}
    early = "SUP-RESP-irano" in met and told["new_or_growing_enhancement"] is True
    return early or any(code in met for code in _UNDER_ICI)
