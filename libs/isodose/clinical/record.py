"""What is known of one patient, each fact with its source and its date: all that a decision may read.

A record holds no name, address or free identifier; a birth year and a sex are enough for every decision.
It is immutable, and its canonical JSON (`encode`) is the same for the same content.
"""

from __future__ import annotations

import datetime as dt
from typing import Literal

import msgspec

Scope = Literal["patient", "lesion", "plan", "course", "imaging", "drug", "site", "trial"]
Certainty = Literal["sure", "likely", "ask"]
FactScalar = bool | int | float | str


class Struct(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Base of every clinical value: frozen, compared by content, sparse in JSON."""


class Fact(Struct, frozen=True):
    """One known value. Dates are ISO strings in JSON; a date-typed fact holds its value as an ISO string.

    `source` is the FHIR reference the value was read from (`Observation/kps-1`); `on` the clinically
    effective date (None when the source gives none). `stated` tells a fact given directly from one derived;
    `reasons` say how a derived value came about, one sentence each.
    """

    name: str
    value: FactScalar
    unit: str = ""
    on: dt.date | None = None
    source: str = ""
    certainty: Certainty = "sure"
    stated: bool = True
    reasons: tuple[str, ...] = ()


class Subject(Struct, frozen=True):
    """One lesion, plan, course or imaging study, with the facts about it and its links to other subjects.

    `ref` is a FHIR reference (`BodyStructure/l1`). An empty `ref` stands for facts of that scope whose
    source named no subject while the record has none of that scope.
    """

    ref: str
    scope: Scope
    label: str = ""
    facts: tuple[Fact, ...] = ()
    links: tuple[str, ...] = ()


CourseKind = Literal["single_srs", "fsrs", "wbrt", "ha_wbrt", "focal", "extracranial", "unknown"]
CourseStatus = Literal["planned", "in-progress", "completed", "stopped", "unknown"]


class TargetDose(Struct, frozen=True):
    """What one lesion of a course receives or received, in Gy, where a course tells it lesion by lesion."""

    lesion: str
    total_gy: float | None = None
    fractions: int | None = None


class Course(Struct, frozen=True):
    """A course of radiotherapy, planned or given. Doses in Gy; `kind` is inferred and says how surely.

    `focal` is partial-brain radiotherapy that is neither SRS nor FSRS. `ref` is the Procedure (given) or
    the ServiceRequest (planned only); `planned_by` links the two.
    """

    ref: str
    kind: CourseKind
    certainty: Certainty
    status: CourseStatus
    reasons: tuple[str, ...] = ()
    start: dt.date | None = None
    end: dt.date | None = None
    fractions_planned: int | None = None
    fractions_delivered: int | None = None
    total_dose_gy: float | None = None
    dose_per_fraction_gy: float | None = None
    target_lesions: tuple[str, ...] = ()
    target_doses: tuple[TargetDose, ...] = ()
    planned_by: str = ""
    draft: bool = False


DrugStatus = Literal["planned", "active", "on-hold", "stopped", "completed", "unknown"]


class Exposure(Struct, frozen=True):
    """One drug order, administration or statement, resolved to a concept of the terminology.

    `concept` is a concept id (`pembrolizumab`), `drug_class` its role class (`ici_pd1`). `start` is the first
    day; `end` the last known day, None while it goes on. `given_on` lists single administrations.
    `daily_dose_mg` is the total per day where the order allows computing it, `least_daily_dose_mg` what is
    taken at the least where it leaves a range. `cycle_days` are the days from dose to dose of a drug that is
    not taken every day; the dose is then that of its day. An order in steps is one exposure per step, all of
    one `ref`. `text` is the order's own words; `dose_in_words` tells that the dose was read from them.
    `status_reason` says in words why an order was held or stopped.
    """

    ref: str
    concept: str
    drug_class: str
    status: DrugStatus
    certainty: Certainty = "sure"
    start: dt.date | None = None
    end: dt.date | None = None
    given_on: tuple[dt.date, ...] = ()
    daily_dose_mg: float | None = None
    least_daily_dose_mg: float | None = None
    cycle_days: int | None = None
    dose_in_words: bool = False
    route: Literal["", "systemic", "topical", "inhaled", "ophthalmic", "local"] = ""
    as_needed: bool = False
    indication: str = ""
    text: str = ""
    draft: bool = False
    status_reason: str = ""


class Scan(Struct, frozen=True):
    """An imaging study or an appointment or order for one. `region` is the concept (`brain`)."""

    ref: str
    modality: Literal["MR", "CT", "PET", "other"]
    region: Literal["brain", "other", "unknown"]
    status: Literal["proposed", "ordered", "booked", "done", "cancelled", "unknown"]
    on: dt.date | None = None
    reasons: tuple[str, ...] = ()


class Operation(Struct, frozen=True):
    """A neurosurgical procedure: `kind` is a concept id (`resection_brain_lesion`, `litt`)."""

    ref: str
    kind: str
    status: Literal["planned", "done", "not-done", "unknown"]
    on: dt.date | None = None
    lesions: tuple[str, ...] = ()


class Problem(Struct, frozen=True):
    """Something noticed while reading that a person should see; it never stops the reading.

    `code` is a stable word (`unit-does-not-fit`), `source` the resource, `expression` a FHIRPath in it.
    """

    code: str
    text: str
    source: str = ""
    expression: str = ""


class PatientRecord(Struct, frozen=True):
    """All facts of one patient. `version` only grows per patient; content decides everything else.

    `read` lists the references of all resources the record rests on, as `Type/id`. `replaced_by` is the
    patient into whom this one was merged: the facts stand in that record, nothing is concluded from this one.
    """

    patient_id: str
    version: int = 0
    birth_year: int | None = None
    sex: Literal["female", "male", "other", "unknown"] = "unknown"
    deceased: bool = False
    facts: tuple[Fact, ...] = ()
    subjects: tuple[Subject, ...] = ()
    courses: tuple[Course, ...] = ()
    exposures: tuple[Exposure, ...] = ()
    scans: tuple[Scan, ...] = ()
    operations: tuple[Operation, ...] = ()
    problems: tuple[Problem, ...] = ()
    read: tuple[str, ...] = ()
    replaced_by: str = ""

    def of_scope(self, scope: Scope) -> tuple[Subject, ...]:
        return tuple(subject for subject in self.subjects if subject.scope == scope)

    def same_content(self, other: PatientRecord) -> bool:
        """Equal in all but the version."""
        return msgspec.structs.replace(self, version=0) == msgspec.structs.replace(other, version=0)


_encoder = msgspec.json.Encoder(order="deterministic")
_decoder = msgspec.json.Decoder(PatientRecord)


def encode(record: PatientRecord) -> bytes:
    """Canonical JSON of a record."""
    return _encoder.encode(record)


def decode(data: bytes | str) -> PatientRecord:
    """The record in `data`. Raises `msgspec.ValidationError` where it is not one."""
    return _decoder.decode(data)
