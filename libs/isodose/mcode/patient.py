"""Who the patient is, as far as a decision may know: birth year, sex, whether deceased."""

from __future__ import annotations

from typing import Literal, NamedTuple

from isodose.mcode.chart import Chart, Reading, Resource, items, reference_to, target_of
from isodose.mcode.days import day

Sex = Literal["female", "male", "other", "unknown"]
_SEXES: dict[str, Sex] = {"female": "female", "male": "male", "other": "other"}


class Person(NamedTuple):
    birth_year: int | None = None
    sex: Sex = "unknown"
    deceased: bool = False


def read(chart: Chart, reading: Reading) -> Person:
    """The Patient resource; nothing known where there is none."""
    patients = chart.of("Patient")
    if not patients:
        return Person()
    if len(patients) > 1:
        reading.problem(
            "several-patients", "More than one Patient resource was given", reference_to(patients[1])
        )
    patient = patients[0]
    reading.read.add(reference_to(patient))
    born = day(patient.get("birthDate"))
    if born is None and patient.get("birthDate"):
        reading.problem(
            "date-unreadable", "The birth date is not a date", reference_to(patient), "Patient.birthDate"
        )
    reading.read.update(chart.merged)
    _links(chart, reading, patient)
    deceased = bool(patient.get("deceasedBoolean")) or bool(patient.get("deceasedDateTime"))
    return Person(born.year if born else None, _SEXES.get(str(patient.get("gender")), "unknown"), deceased)


def _links(chart: Chart, reading: Reading, patient: Resource) -> None:
    """Links to the same person elsewhere that did not make this record whole."""
    source = reference_to(patient)
    for link in items(patient.get("link")):
        other = target_of(link.get("other")).partition("/")[2]
        if link.get("type") in ("refer", "seealso"):
            said = "The EHR keeps another record of this person, which is not part of this one"
            reading.problem("other-record", said, source, "Patient.link")
        elif other not in chart.also:
            said = "The EHR merged this patient with one who is not here, or its links disagree"
            reading.problem("merge-unclear", said, source, "Patient.link")
