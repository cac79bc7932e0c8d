"""The 179 examples of the official mCODE package: all are taken, come back as sent, and are read."""

from __future__ import annotations

import copy
import json
import re
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest

from ehr_ingestion.app import service
from isodose.clinical.record import Fact, PatientRecord
from isodose.service import build_app
from isodose.settings import Settings
from served import Client, served

FHIR = {"content-type": "application/fhir+json"}
GIVEN_BY_THE_SERVER = ("versionId", "lastUpdated")
Json = dict[str, Any]
pytestmark = pytest.mark.npm


def lossless(text: bytes) -> Json:
    """The JSON with each number as written, so that 1.50 is not 1.5."""
    read: Json = json.loads(text, parse_float=as_written, parse_int=as_written)
    return read


def as_written(number: str) -> tuple[str, str]:
    return "number", number


@pytest.fixture(scope="module")
def examples(mcode_package: Path) -> dict[str, bytes]:
    """Each example's text by `Type/id`."""
    files = sorted((mcode_package / "example").glob("*.json"))
    texts = {file: file.read_bytes() for file in files}
    named = {file: orjson.loads(text) for file, text in texts.items()}
    return {f"{named[file]['resourceType']}/{named[file]['id']}": text for file, text in texts.items()}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Client]:
    directory = tmp_path_factory.mktemp("mcode")
    shutil.copyfile(sqlite_template, directory / "ehr.db")
    settings = Settings(
        database_url=f"sqlite:///{directory / 'ehr.db'}",
        event_log_url=f"sqlite:///{directory / 'events.db'}",
        public_url="http://127.0.0.1",
    )
    with served(build_app(service(settings), settings)) as running:
        yield running


@pytest.fixture(scope="module")
def taken(client: Client, examples: dict[str, bytes]) -> dict[str, str]:
    """The status of each example, sent in one transaction."""
    entries = b",".join(
        b'{"resource":%b,"request":{"method":"PUT","url":"%b"}}' % (text, ref.encode())
        for ref, text in examples.items()
    )
    bundle = b'{"resourceType":"Bundle","type":"transaction","entry":[%b]}' % entries
    answer = client.request("POST", "/fhir", content=bundle, headers=FHIR)
    assert answer.status_code == 200, answer.text
    statuses = [entry["response"]["status"][:3] for entry in answer.json()["entry"]]
    return dict(zip(examples, statuses, strict=True))


@pytest.fixture(scope="module")
def record_of(client: Client, taken: dict[str, str]) -> Callable[[str], PatientRecord]:
    @cache
    def read(patient_id: str) -> PatientRecord:
        with client.app.state.running.reading() as work:
            found: PatientRecord | None = work.records.get(patient_id)
        assert found is not None, patient_id
        return found

    return read


def test_all_are_taken(taken: dict[str, str]) -> None:
    assert len(taken) == 179
    assert set(taken.values()) == {"201"}


def test_each_is_taken_alone_and_changes_nothing_then(
    client: Client, examples: dict[str, bytes], taken: dict[str, str]
) -> None:
    for ref, text in examples.items():
        answer = client.request("PUT", f"/fhir/{ref}", content=text, headers=FHIR)
        assert (answer.status_code, answer.headers["etag"]) == (200, 'W/"1"'), ref


def test_all_come_back_with_every_number_and_instant_as_written(
    client: Client, examples: dict[str, bytes], taken: dict[str, str]
) -> None:
    numbers = 0
    for ref, text in examples.items():
        sent, got = lossless(text), lossless(client.get(f"/fhir/{ref}").content)
        meta = {name: value for name, value in got["meta"].items() if name not in GIVEN_BY_THE_SERVER}
        assert got | {"meta": meta} == sent | {"meta": sent.get("meta", {})}, ref
        numbers += len(re.findall(rb":-?[0-9]", text))
    assert numbers > 80


def said(facts: tuple[Fact, ...]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for fact in facts:
        found.setdefault(fact.name, []).append((fact.value, str(fact.on)))
    return found


JOHN, JENNY, BRIAN = "cancer-patient-john-anyperson", "cancer-patient-jenny-m", "cancer-patient-brian-l"
FACTS = {
    JOHN: {
        "ecog": [(0, "2019-04-01")],
        "kps": [(90, "2019-04-01")],
        "histology": [("nsclc", "2019-04-01")],
        "gi_primary": [(False, "2019-04-01")],
        "stage_group": [("IIIC", "2019-04-01")],
    },
    JENNY: {
        "ecog": [(0, "2018-04-12")],
        "histology": [("breast", "2018-03-16")],
        "gi_primary": [(False, "2018-03-16")],
        "molecular.HER2": [("negative", "2018-03-10")],
        "breast_subtype": [("luminal_a", "2018-03-10")],
        "extracranial_disease_status": [("responding", "2018-11-01")],
        "stage_group": [("IIB", "2018-03-16"), ("IIB", "2018-04-05")],
    },
    BRIAN: {"hemoglobin_g_dl": [(6.7, "2024-01-04")]},
    "cancer-patient-adam-everyman": {
        "hemoglobin_g_dl": [(13.5, "2020-03-06")],
        "extracranial_metastases_present": [(True, "2018-11-16")],
    },
    "gx-cancer-patient-adam-anyperson": {"molecular.ALK": [("rearranged", "2019-04-01")]},
    "cancer-patient-eve-anyperson": {"histology": [("unknown", "2019-04-01")]},
    "cancer-patient-lucy-child": {},
}


@pytest.mark.parametrize("patient_id", FACTS)
def test_performance_markers_and_stage_are_facts(
    record_of: Callable[[str], PatientRecord], patient_id: str
) -> None:
    assert said(record_of(patient_id).facts) == FACTS[patient_id]


def test_radiotherapy_is_a_course(record_of: Callable[[str], PatientRecord]) -> None:
    courses = {course.ref.partition("/")[2]: course for course in record_of(JENNY).courses}
    chest = courses["radiotherapy-treatment-summary-chest-wall-jenny-m"]
    assert (chest.kind, chest.status, chest.total_dose_gy) == ("extracranial", "completed", 60)
    assert (chest.fractions_delivered, chest.dose_per_fraction_gy) == (30, 2)
    assert (str(chest.start), str(chest.end)) == ("2018-08-15", "2018-10-25")
    assert chest.target_lesions == ("BodyStructure/jenny-m-chest-wall-lymph-nodes-treatment-volume",)


DRUGS = {
    JOHN: {("cisplatin", "completed"), ("cisplatin", "stopped"), ("gefitinib", "active")},
    JENNY: {
        ("paclitaxel", "completed"), ("paclitaxel", "active"), ("cyclophosphamide", "completed"),
        ("cyclophosphamide", "active"), ("doxorubicin", "completed"), ("doxorubicin", "active"),
        ("anastrozole", "active"),
    },
    BRIAN: {
        (drug, status)
        for drug in ("prednisone", "cyclophosphamide", "idarubicin", "vincristine")
        for status in ("completed", "active")
    },
}  # fmt: skip


@pytest.mark.parametrize("patient_id", DRUGS)
def test_each_anticancer_drug_is_an_exposure(
    record_of: Callable[[str], PatientRecord], patient_id: str
) -> None:
    found = {(exposure.concept, exposure.status) for exposure in record_of(patient_id).exposures}
    assert found == DRUGS[patient_id]


def test_the_brain_metastasis_counts_as_read(record_of: Callable[[str], PatientRecord]) -> None:
    assert "Condition/secondary-cancer-condition-brain-mets" in record_of(JOHN).read


class Mutant(NamedTuple):
    """An example with one element changed (`...` removes it), and where the refusal must point."""

    example: str
    steps: tuple[Any, ...]
    value: Any
    expression: str


ECOG = "Observation/ecog-performance-status-fully-active"
TUMOUR = "Observation/tumor-size-jenny-m"
BRAIN = "Condition/secondary-cancer-condition-brain-mets"
COURSE = "Procedure/radiotherapy-treatment-summary-chest-wall-jenny-m"
ORDER = "MedicationRequest/cancer-related-medication-request-gefitinib"
GIVEN = "MedicationAdministration/cancer-related-medication-admin-paclitaxel-jenny-m"
VOLUME = "BodyStructure/jenny-m-chest-wall-treatment-volume"
PERSON = "Patient/cancer-patient-john-anyperson"
REPORT = "DiagnosticReport/genomics-report-john-anyperson"
FAMILY = "FamilyMemberHistory/family-member-history-aunt-jenny-m"
SPECIMEN = "Specimen/tumor-specimen-left-breast-jenny-m"
STAGE = "Observation/tnm-clinical-stage-group-3c"
HAEMOGLOBIN = "Observation/lab-result-observation-hemoglobin"
MUTANTS = (
    # required bindings
    Mutant(ECOG, ("status",), "done", "Observation.status"),
    Mutant(ORDER, ("status",), "running", "MedicationRequest.status"),
    Mutant(ORDER, ("intent",), "wish", "MedicationRequest.intent"),
    Mutant(GIVEN, ("status",), "given", "MedicationAdministration.status"),
    Mutant(COURSE, ("status",), "finished", "Procedure.status"),
    Mutant(PERSON, ("gender",), "m", "Patient.gender"),
    Mutant(BRAIN, ("clinicalStatus", "coding", 0, "code"), "ill", "Condition.clinicalStatus.coding"),
    Mutant(BRAIN, ("verificationStatus", "coding", 0, "code"), "sure", "Condition.verificationStatus"),
    Mutant(REPORT, ("status",), "ready", "DiagnosticReport.status"),
    Mutant(FAMILY, ("status",), "known", "FamilyMemberHistory.status"),
    # required elements
    Mutant(ECOG, ("status",), ..., "Observation.status"),
    Mutant(ECOG, ("code",), ..., "Observation.code"),
    Mutant(BRAIN, ("subject",), ..., "Condition.subject"),
    Mutant(COURSE, ("subject",), ..., "Procedure.subject"),
    Mutant(ORDER, ("medicationCodeableConcept",), ..., "MedicationRequest.medication"),
    Mutant(GIVEN, ("effectiveDateTime",), ..., "MedicationAdministration.effective"),
    Mutant(VOLUME, ("patient",), ..., "BodyStructure.patient"),
    Mutant(FAMILY, ("relationship",), ..., "FamilyMemberHistory.relationship"),
    # types
    Mutant(ECOG, ("valueInteger",), "0", "Observation.valueInteger"),
    Mutant(ECOG, ("valueInteger",), 0.5, "Observation.valueInteger"),
    Mutant(HAEMOGLOBIN, ("valueQuantity", "value"), "13.5", "Observation.valueQuantity.value"),
    Mutant(PERSON, ("name",), {"family": "Anyperson"}, "Patient.name"),
    Mutant(PERSON, ("birthDate",), 1951, "Patient.birthDate"),
    Mutant(BRAIN, ("code",), "94225005", "Condition.code"),
    Mutant(ECOG, ("valueString",), "fully active", "Observation.value"),
    Mutant(COURSE, ("extension",), [], "Procedure.extension"),
    # dates that are none
    Mutant(PERSON, ("birthDate",), "1951-02-29", "Patient.birthDate"),
    Mutant(BRAIN, ("onsetDateTime",), "2019-13-01", "Condition.onsetDateTime"),
    Mutant(ECOG, ("effectiveDateTime",), "2019-04-31", "Observation.effectiveDateTime"),
    Mutant(COURSE, ("performedPeriod", "start"), "15/08/2018", "Procedure.performedPeriod.start"),
    Mutant(COURSE, ("performedPeriod", "end"), "2018-08-01", "Procedure.performedPeriod"),
    # references to what may not stand there
    Mutant(ECOG, ("subject", "reference"), "Medication/m", "Observation.subject.reference"),
    Mutant(BRAIN, ("subject", "reference"), "Practitioner/p", "Condition.subject.reference"),
    Mutant(COURSE, ("subject", "reference"), "Organization/o", "Procedure.subject.reference"),
    Mutant(VOLUME, ("patient", "reference"), "Group/g", "BodyStructure.patient.reference"),
    # what R4 does not know
    Mutant(ECOG, ("score",), 0, "Observation.score"),
    Mutant(COURSE, ("dose",), {"value": 60}, "Procedure.dose"),
    Mutant(SPECIMEN, ("collection", "bodyside"), "left", "Specimen.collection.bodyside"),
    # rules of mCODE's profiles alone: what an EHR holds is not turned away for them
    Mutant(STAGE, ("valueCodeableConcept",), ..., ""),
    Mutant(TUMOUR, ("component",), ..., ""),
)  # fmt: skip


def test_the_table_is_whole() -> None:
    assert len(MUTANTS) == 40
    assert sum(bool(mutant.expression) for mutant in MUTANTS) == 38


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: f"{m.expression or 'taken'}={m.value!s:.20}")
def test_a_mutant_is_refused_where_it_is_wrong(
    client: Client, examples: dict[str, bytes], mutant: Mutant
) -> None:
    resource = orjson.loads(examples[mutant.example])
    changed = _changed(resource, mutant)
    changed["id"] = "mutant"
    answer = client.put(f"/fhir/{changed['resourceType']}/mutant", changed, headers=FHIR)
    if not mutant.expression:
        assert answer.status_code in (200, 201), answer.text
        return
    assert answer.status_code == 422, answer.text
    told = [path for issue in answer.json()["issue"] for path in issue.get("expression", [])]
    assert any(path.startswith(mutant.expression) for path in told), told


def _changed(resource: Json, mutant: Mutant) -> Json:
    changed = copy.deepcopy(resource)
    node: Any = changed
    *path, last = mutant.steps
    for step in path:
        node = node[step]
    if mutant.value is ...:
        del node[last]
    else:
        node[last] = mutant.value
    return changed
