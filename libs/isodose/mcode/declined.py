"""A brain MRI that the patient declined: orders not to perform or revoked, procedures not done, consents.

R4 has no place for the reason on a ServiceRequest; it stands in the extension `request-statusReason`, or in
QI-Core's `qicore-doNotPerformReason`. One scan declined does not say that surveillance is: that is asked.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

from isodose.clinical.record import Certainty
from isodose.clinical.terminology import codings, value_set
from isodose.mcode.chart import Chart, Reading, Resource, extensions, items, reference_to
from isodose.mcode.days import day, days_done, days_of
from isodose.mcode.imaging import is_brain_mri

_REASONS = ("request-statusReason", "qicore-doNotPerformReason")


def read(chart: Chart, reading: Reading) -> None:
    """State `surveillance_pause` declined: `likely` for what stands for the future, `ask` for one scan."""
    for request in chart.of("ServiceRequest"):
        if is_brain_mri(chart, request) and _declined([*_extended(request), request.get("reasonCode")]):
            _request(reading, request)
    for procedure in chart.of("Procedure"):
        reason = [*_extended(procedure), procedure.get("statusReason")]
        if procedure.get("status") == "not-done" and is_brain_mri(chart, procedure) and _declined(reason):
            on, _ = days_done(procedure)
            _state(reading, procedure, on, "ask", "A brain MRI was not done: the patient declined it")
    for consent in chart.of("Consent"):
        _consent(reading, consent)


def _request(reading: Reading, request: Resource) -> None:
    on = day(request.get("authoredOn"))
    if request.get("doNotPerform") is True and request.get("status") in ("active", "completed"):
        why = "An order says not to do brain MRI, as the patient declines it"
        _state(reading, request, on, "likely", why)
    elif request.get("status") == "revoked":
        _state(reading, request, on, "ask", "An order for a brain MRI was revoked: the patient declined it")


def _consent(reading: Reading, consent: Resource) -> None:
    """A consent to brain MRI that is rejected, or in force and denies it, with the day it ends where told."""
    provision = consent.get("provision")
    provision = provision if isinstance(provision, dict) else {}
    if not any(_is_mri(code) for code in items(provision.get("code"))):
        return
    denied = consent.get("status") == "active" and provision.get("type") == "deny"
    if consent.get("status") != "rejected" and not denied:
        return
    start, end = days_of(provision.get("period"))
    on = start or day(consent.get("dateTime"))
    _state(reading, consent, on, "likely", "The patient does not consent to brain MRI")
    if on and end:
        why = f"The refusal was given until {end}."
        reading.infer(
            "surveillance_pause", "none", reference_to(consent), end + dt.timedelta(days=1), why=why
        )


def _is_mri(concept: Any) -> bool:
    found = value_set("brain_imaging").match(codings(concept))
    return found is not None and found.role == "imaging" and found.id.startswith("mri")


def _declined(reasons: Any) -> bool:
    return value_set("refusals").match(codings(*reasons)) is not None


def _extended(resource: Resource) -> Iterator[Any]:
    for name in _REASONS:
        for extension in extensions(resource, name):
            yield extension.get("valueCodeableConcept")


def _state(reading: Reading, resource: Resource, on: dt.date | None, certainty: Certainty, why: str) -> None:
    said = f"{why}{f' ({on})' if on else ''}."
    sure = certainty if on else "ask"
    reading.infer("surveillance_pause", "declined", reference_to(resource), on, why=said, certainty=sure)
