"""What to do next in a work-up, the best step first, from what was done and what can be had."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

from are_surveillance.workup.states import OPEN, WorkUp
from isodose.clinical import facts, timeline
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import FactScalar, PatientRecord


@dataclass(frozen=True, slots=True)
class Step:
    """One step; `codes` are the entries it rests on, `first` and `last` the days it is wanted in."""

    name: str
    text: str
    codes: tuple[str, ...]
    first: dt.date | None = None
    last: dt.date | None = None


def steps(workup: WorkUp, record: PatientRecord, knowledge: Knowledge, on: dt.date) -> list[Step]:
    """The steps that are left, best first; none where the team has closed the work-up."""
    if workup.state == "closed":
        return []
    known = _Known(workup, record, on)
    if workup.state in OPEN:
        first = list(_first(known, knowledge, on))
        scanned = any(step.name in _WITH_PERFUSION for step in first)
        return [*first, *_tests(known, with_scan=scanned), *_tissue(known), *_board(known)]
    if workup.state == "are-likely":
        return [_record_state(workup), *_board(known)]
    if workup.state == "progression-likely":
        return [*_board(known), *_tissue(known), _record_state(workup)]
    return [_after_tissue(workup)]


_WITH_PERFUSION = ("image-now", "repeat-mri")


class _Known:
    """What the record tells of availability and of what was done since the change."""

    def __init__(self, workup: WorkUp, record: PatientRecord, on: dt.date) -> None:
        self.workup, self._record, self._on = workup, record, on
        self._lesion = next(s for s in record.of_scope("lesion") if s.ref == workup.lesion)

    def __getitem__(self, name: str) -> FactScalar | None:
        scope = facts.definition(name).scope
        if scope == "imaging":
            given = [f for s in self._record.of_scope("imaging") for f in s.facts]
        else:
            given = list(self._lesion.facts if scope == "lesion" else self._record.facts)
        fact = facts.current(given, name, self._on)
        return None if fact is None else fact.value

    def done(self, test: str) -> bool:
        return any(result.test == test for result in self.workup.results)

    @property
    def without_mri(self) -> bool:
        return self["mri_contraindicated"] is True

    def scanned_again(self) -> bool:
        since = self.workup.since
        return since is not None and any(
            s.on and since < s.on <= self._on and (s.modality, s.region, s.status) == ("MR", "brain", "done")
            for s in self._record.scans
        )


def _first(known: _Known, knowledge: Knowledge, on: dt.date) -> Iterator[Step]:
    workup = known.workup
    if workup.symptomatic is None:
        yield Step(
            "symptoms",
            "record whether it gives symptoms: with symptoms image now, without them a repeat can wait.",
            ("SUP-SURV-suspicious-repeat",),
        )
    if known.without_mri:
        yield Step("ct", "contrast CT, as MRI is contraindicated; it sees less.", ("SUP-SAFE-no-mri",))
    elif workup.symptomatic is True:
        if not known.scanned_again() and not known.done("perfusion"):
            yield Step(
                "image-now",
                "image now because of the symptoms, with perfusion, and bring it to the board.",
                ("SUP-SURV-suspicious-repeat",),
                workup.since,
            )
    elif not known.scanned_again():
        values = knowledge.values("SUP-SURV-suspicious-repeat", on)
        since = workup.since
        yield Step(
            "repeat-mri",
            f"repeat the brain MRI after {values['earliest_weeks']} to {values['latest_weeks']} weeks, with "
            "perfusion where it can be had; growth that goes on counts for recurrence.",
            ("SUP-SURV-suspicious-repeat", "ARE-DX-short-interval-mri"),
            timeline.weeks_after(since, values["earliest_weeks"]) if since else None,
            timeline.weeks_after(since, values["latest_weeks"]) if since else None,
        )


def _tests(known: _Known, *, with_scan: bool) -> Iterator[Step]:
    """The tests that are left; perfusion is a step of its own where no scan is asked for that brings it."""
    if not known.done("perfusion") and not known.without_mri and not with_scan:
        limits = known["perfusion_confounder"] is True or known["perfusion_baseline_available"] is False
        limit = " Its reading is limited here." if limits else ""
        yield Step(
            "perfusion",
            f"MR perfusion, read by the cut-off that the site has validated.{limit}",
            ("ARE-DX-perfusion", "SUP-IMG-rcbv"),
        )
    if any("cut-off" in result.limit for result in known.workup.results):
        yield Step(
            "cut-off",
            "record whether the site has validated its cut-offs; until then these results do not count.",
            ("SUP-IMG-rule",),
        )
    too_small = known["mrs_lesion_large_enough"] is False
    if not known.done("spectroscopy") and not known.without_mri and not too_small:
        unsure = "" if known["mrs_lesion_large_enough"] is True else ", if the lesion is large enough for it"
        yield Step(
            "spectroscopy", f"MR spectroscopy{unsure}.", ("ARE-DX-mrs-recurrence", "ARE-DX-mrs-limits")
        )
    if not known.done("amino-acid PET"):
        place = {True: "on site", False: "at a referral site, as there is no cyclotron here"}
        where = place.get(known["onsite_cyclotron"] is True) if known["onsite_cyclotron"] is not None else ""
        yield Step(
            "pet",
            f"amino-acid PET {where or 'where a tracer can be had'}, rather than FDG. Cut-offs of "
            "fluciclovine disagree between studies.",
            ("ARE-DX-amino-acid-pet", "ARE-DX-tracer-availability", "SUP-IMG-fluciclovine"),
        )


def _tissue(known: _Known) -> Iterator[Step]:
    workup = known.workup
    left = not all(known.done(test) for test in ("perfusion", "amino-acid PET"))
    wanted = workup.state == "progression-likely" or known["tissue_needed"] is True
    if workup.tissue == "non_diagnostic":
        yield Step(
            "tissue", "the biopsy did not decide; bring it to the board.", ("ARE-DX-pathology-limits",)
        )
    elif wanted or workup.why.startswith("Tests disagree") or not left:
        laser = " LITT can take tissue and treat in one session." if known["litt_feasible"] is True else ""
        reach = known["lesion_surgically_accessible"]
        how = (
            "tissue is the reference, but the lesion is recorded as not accessible; the board weighs it."
            if reach is False
            else "tissue where a change of treatment depends on the answer: it is the reference."
        )
        yield Step(
            "tissue",
            f"{how}{laser} Send any tissue for molecular profiling.",
            ("ARE-DX-pathology-gold-standard", "ARE-DX-biopsy-molecular"),
        )


def _board(known: _Known) -> Iterator[Step]:
    if known["mdt_discussed"] is not True:
        yield Step("board", "the tumour board before any intervention.", ("ARE-MGMT-decision-board",))


def _record_state(workup: WorkUp) -> Step:
    text = "a clinician sets the state of the ARE question; structural MRI alone does not settle it."
    return Step("record-state", text, ("ARE-DX-report-uncertainty", "ARE-DX-standard-mri-unreliable"))


def _after_tissue(workup: WorkUp) -> Step:
    if workup.tissue == "viable_tumour":
        text = "choose the treatment of the recurrence; see the options. Renew the molecular profile."
        return Step("treat-recurrence", text, ("ARE-DX-biopsy-molecular",))
    if workup.tissue == "mixed":
        return Step("board", "bring the mixed result to the board.", ("ARE-DX-pathology-limits",))
    if workup.symptomatic:
        return Step("manage", "treat the symptomatic effect; see its options.", ("ARE-MGMT-steroid-first",))
    return Step("observe", "observe, with a short-interval MRI.", ("ARE-MGMT-asymptomatic-observe",))
