"""Scans of the brain: done, booked, ordered or proposed."""

from __future__ import annotations

import datetime as dt
from typing import Any, Literal, NamedTuple

from isodose.clinical.record import Scan
from isodose.clinical.terminology import Concept, codings, value_set, words_of
from isodose.mcode.chart import Chart, Reading, Resource, items, reference_to, targets_of
from isodose.mcode.days import day, effective_day
from isodose.mcode.sites import Region, region_of, site_region

Modality = Literal["MR", "CT", "PET", "other"]
Status = Literal["proposed", "ordered", "booked", "done", "cancelled", "unknown"]

_DICOM: dict[str, Modality] = {"MR": "MR", "CT": "CT", "PT": "PET"}
_MODALITY_WORDS: tuple[tuple[str, Modality], ...] = (
    (" mri ", "MR"),
    (" mr ", "MR"),
    (" magnetic resonance ", "MR"),
    (" pet ", "PET"),
    (" ct ", "CT"),
    (" computed tomography ", "CT"),
)
_BRAIN_WORDS = (" brain ", " head ", " cranial ", " cerebral ", " neuro ", " cranium ", " intracranial ")
_NOT_ENOUGH = "Without contrast: not adequate to follow metastases."


class _Found(NamedTuple):
    modality: Modality
    region: Region
    status: Status
    on: dt.date | None
    concept: Concept | None


def read(chart: Chart, reading: Reading) -> None:
    """Studies first; a report or procedure of the same study is not another scan."""
    told: set[str] = set()
    for study in chart.of("ImagingStudy"):
        _study(reading, study)
        told.update(targets_of([study.get("procedureReference")]))
    for report in chart.of("DiagnosticReport"):
        studies = [s for s in targets_of(report.get("imagingStudy")) if s in chart.by_ref]
        if studies:
            _same_scan(reading, report, studies)
        else:
            _coded(chart, reading, report, _REPORTED.get(str(report.get("status")), "unknown"))
    for procedure in chart.of("Procedure"):
        if reference_to(procedure) not in told:
            _coded(chart, reading, procedure, _PERFORMED.get(str(procedure.get("status")), "unknown"))
    for appointment in chart.of("Appointment"):
        _appointment(chart, reading, appointment)
    for request in chart.of("ServiceRequest"):
        _request(chart, reading, request)


_REPORTED: dict[str, Status] = {
    "final": "done",
    "amended": "done",
    "corrected": "done",
    "appended": "done",
    "preliminary": "done",
    "partial": "done",
    "cancelled": "cancelled",
}
_PERFORMED: dict[str, Status] = {"completed": "done", "preparation": "booked", "not-done": "cancelled"}
_STUDIED: dict[str, Status] = {"available": "done", "registered": "done", "cancelled": "cancelled"}
_BOOKED: dict[str, Status] = {
    "booked": "booked",
    "pending": "booked",
    "proposed": "proposed",
    "waitlist": "ordered",
    "arrived": "booked",
    "checked-in": "booked",
    "fulfilled": "done",
    "cancelled": "cancelled",
    "noshow": "cancelled",
}


def _study(reading: Reading, study: Resource) -> None:
    series = [s for s in items(study.get("series")) if isinstance(s, dict)]
    modalities = [*items(study.get("modality")), *(s.get("modality") for s in series)]
    codes = {str(m.get("code")) for m in modalities if isinstance(m, dict)}
    concept = value_set("brain_imaging").match(codings(study.get("procedureCode")))
    words = words_of(study.get("procedureCode"), study.get("description"))
    words += words_of(*(s.get("description") for s in series))
    kind = next((m for code, m in _DICOM.items() if code in codes), None) or _modality(concept, words)
    sites = [{"coding": [s["bodySite"]]} for s in series if isinstance(s.get("bodySite"), dict)]
    region = "brain" if concept or _names_brain(words) else site_region(*sites)
    status = _STUDIED.get(str(study.get("status")), "unknown")
    _write(reading, study, _Found(kind, region, status, _exact_day(study.get("started")), concept))


def _same_scan(reading: Reading, report: Resource, studies: list[str]) -> None:
    """A report on a known study: a subject of its own only through the study."""
    ref = reference_to(report)
    reading.aliases[ref] = studies[0]
    reading.read.add(ref)


def _coded(chart: Chart, reading: Reading, resource: Resource, status: Status) -> None:
    """A report or procedure whose code or words name imaging of the brain."""
    concept, kind, words = _named(chart, resource)
    if kind is None:
        return
    region = "brain" if concept or _names_brain(words) else site_region(*items(resource.get("bodySite")))
    period = resource.get("performedPeriod")
    dated = resource.get("effectiveDateTime") or resource.get("performedDateTime")
    on = _exact_day(dated) if dated else effective_day(resource)
    if on is None and isinstance(period, dict):
        on = day(period.get("start"))
    _write(reading, resource, _Found(kind, region, status, on, concept))


def _exact_day(written: Any) -> dt.date | None:
    """The day of a scan; None where only its month or year is known, for no scan counts on a guess."""
    first = day(written)
    return first if first == day(written, last=True) else None


def _named(chart: Chart, resource: Resource) -> tuple[Concept | None, Modality | None, str]:
    given = chart.codes(resource)
    concept = value_set("brain_imaging").match(given)
    if concept is not None and concept.role != "imaging":
        return None, None, ""
    words = chart.words(resource)
    if concept is None and any(word in words for word in (" guidance ", " guided ", " stereotactic ")):
        return None, None, words
    return concept, _modality(concept, words) if concept or _imaging_words(words) else None, words


def is_brain_mri(chart: Chart, resource: Resource) -> bool:
    """Whether the code or its words name an MRI of the brain."""
    concept, kind, words = _named(chart, resource)
    return kind == "MR" and (concept is not None or _names_brain(words))


def _imaging_words(words: str) -> bool:
    return any(word in words for word, _ in _MODALITY_WORDS)


def _modality(concept: Concept | None, words: str) -> Modality:
    if concept is not None:
        name = concept.id
        if name.startswith("pet"):
            return "PET"
        return "CT" if name.startswith("ct") else "MR"
    return next((kind for word, kind in _MODALITY_WORDS if word in words), "other")


def _names_brain(words: str) -> bool:
    return any(word in words for word in _BRAIN_WORDS) or region_of((), words.strip() and words) == "brain"


def _appointment(chart: Chart, reading: Reading, appointment: Resource) -> None:
    """An appointment for a scan: by its own words and codes, else by the order it is based on."""
    concepts: list[Any] = [*items(appointment.get("serviceType")), *items(appointment.get("specialty"))]
    concepts.append(str(appointment.get("description") or ""))
    for reference in items(appointment.get("basedOn")):
        if (request := chart.at(appointment, reference)) is not None:
            concepts.append(request.get("code"))
    concept = value_set("brain_imaging").match(codings(*concepts))
    words = words_of(*concepts)
    if concept is None and not (_imaging_words(words) and _names_brain(words)):
        return
    status = _BOOKED.get(str(appointment.get("status")), "unknown")
    start = day(appointment.get("start"))
    if start is None:
        periods = [p for p in items(appointment.get("requestedPeriod")) if isinstance(p, dict)]
        start = next((found for p in periods if (found := day(p.get("start")))), None)
    _write(reading, appointment, _Found(_modality(concept, words), "brain", status, start, concept))


def _request(chart: Chart, reading: Reading, request: Resource) -> None:
    """An order for a scan. A completed order is no scan: the study tells when it was made."""
    concept, kind, words = _named(chart, request)
    if kind is None or request.get("doNotPerform") is True:
        return
    status: Status = "ordered"
    if request.get("status") == "revoked":
        status = "cancelled"
    elif request.get("status") in ("completed", "unknown"):
        status = "unknown"
    elif request.get("status") == "draft" or request.get("intent") in ("proposal", "plan", "option"):
        status = "proposed"
    region = "brain" if concept or _names_brain(words) else site_region(*items(request.get("bodySite")))
    period = request.get("occurrencePeriod")
    on = day(request.get("occurrenceDateTime"))
    if on is None and isinstance(period, dict):
        on = day(period.get("start"))
    _write(reading, request, _Found(kind, region, status, on, concept))


def _write(reading: Reading, resource: Resource, found: _Found) -> None:
    """Scans of other regions are left out."""
    if found.region == "other":
        return
    ref = reference_to(resource)
    without = found.concept is not None and found.concept.id == "mri_brain_without_contrast"
    scan = Scan(
        ref=ref,
        modality=found.modality,
        region=found.region,
        status=found.status,
        on=found.on,
        reasons=(_NOT_ENOUGH,) if without else (),
    )
    reading.scans.append(scan)
    reading.read.add(ref)
    studied = ref.startswith(("ImagingStudy/", "DiagnosticReport/"))
    if found.region == "brain" and found.status == "done" and studied:
        when = f" {found.on.isoformat()}" if found.on else ""
        reading.subject("imaging", ref, f"{found.modality} brain{when}")
