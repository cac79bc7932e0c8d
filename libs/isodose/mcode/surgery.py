"""Neurosurgery done or planned, and what it tells of the lesions operated on."""

from __future__ import annotations

from typing import Literal

from isodose.clinical.record import Operation
from isodose.clinical.terminology import Coding, codings, value_set
from isodose.mcode.chart import Chart, Reading, Resource, fact, reference_to, target_of
from isodose.mcode.days import days_done
from isodose.mcode.sites import body_structures_of

_STATUS: dict[str, Literal["planned", "done", "not-done", "unknown"]] = {
    "completed": "done",
    "in-progress": "done",
    "preparation": "planned",
    "not-done": "not-done",
    "stopped": "unknown",
}
_EXTENT = {"447115003": "gross_total", "455271000124102": "gross_total", "446103006": "subtotal"}
_WORDS = (
    (" laser interstitial ", "litt"),
    (" litt ", "litt"),
    (" resection of brain ", "resection_brain_lesion"),
    (" brain tumor resection ", "resection_brain_lesion"),
    (" brain tumour resection ", "resection_brain_lesion"),
    (" resection of cerebral metastasis ", "resection_brain_lesion"),
    (" brain biopsy ", "brain_biopsy"),
    (" biopsy of brain ", "brain_biopsy"),
    (" craniotomy ", "craniotomy"),
)


def read(chart: Chart, reading: Reading) -> None:
    """Operations on the brain: Procedures, and ServiceRequests as planned ones."""
    for procedure in chart.of("Procedure"):
        kind = _kind(chart, procedure)
        if kind:
            _write(reading, procedure, kind, _STATUS.get(str(procedure.get("status")), "unknown"))
    for request in chart.of("ServiceRequest"):
        kind = _kind(chart, request)
        if (
            kind
            and request.get("status") in ("draft", "active", "on-hold")
            and not request.get("doNotPerform")
        ):
            _write(reading, request, kind, "planned")


def _kind(chart: Chart, resource: Resource) -> str:
    given = chart.codes(resource)
    concept = value_set("neurosurgery").match(given)
    if concept is not None:
        return concept.id
    if any(c.system in ("snomed", "cpt", "icd10pcs") for c in given):
        return ""
    words = chart.words(resource)
    return next((kind for word, kind in _WORDS if word in words), "")


def _write(
    reading: Reading, resource: Resource, kind: str, status: Literal["planned", "done", "not-done", "unknown"]
) -> None:
    ref = reference_to(resource)
    on, _ = days_done(resource)
    lesions = tuple(sorted(filter(None, map(target_of, body_structures_of(resource)))))
    reading.operations.append(Operation(ref=ref, kind=kind, status=status, on=on, lesions=lesions))
    reading.read.add(ref)
    for lesion in lesions:
        reading.subject("lesion", lesion, links=(ref,))
    extent = _extent(codings(resource.get("code")))
    if status == "done" and extent:
        known = lesions or tuple(r for r in reading.refs("lesion") if r)
        if len(known) == 1:
            why = "The code of the operation tells its extent."
            told = fact("resection_extent", extent, ref, on, stated=False, reasons=(why,))
            reading.state(told, "lesion", known[0])


def _extent(given: list[Coding]) -> str:
    return next((extent for c in given if (extent := _EXTENT.get(c.code))), "")
