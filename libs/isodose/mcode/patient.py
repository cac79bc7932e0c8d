"""Who the patient is, as far as a decision may know: birth year, sex, whether deceased."""

from __future__ import annotations

from typing import Literal, NamedTuple

from isodose.mcode.chart import Chart, Reading, day, reference_to

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
    deceased = bool(patient.get("deceasedBoolean")) or bool(patient.get("deceasedDateTime"))
    return Person(born.year if born else None, _SEXES.get(str(patient.get("gender")), "unknown"), deceased)
