"""The intake form: what it asks, what is refused, and what answers become in the same transaction."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from ehr_ingestion.intake.extraction import extracted
from ehr_ingestion.intake.form import layout, place_of, questionnaire
from intake_form import (
    BASE,
    FRONTAL,
    choice,
    condition,
    item,
    lesion,
    new_lesion,
    not_known,
    response,
)
from isodose.clinical.facts import current, vocabulary
from isodose.clinical.record import PatientRecord
from isodose.fhir.fhirpath_places import element_of
from isodose.fhir.validation import issues
from isodose.storage.database import Database
from isodose.storage.records import Records
from served import FHIR

Json = dict[str, Any]
PATIENT = {"resourceType": "Patient", "id": "p1", "birthDate": "1960-05-01", "gender": "female"}
LESION = {
    "resourceType": "BodyStructure", "id": "l1", "patient": {"reference": "Patient/p1"},
    "location": {"coding": [{"system": "http://snomed.info/sct", "code": "16630005"}]},
}  # fmt: skip
URL = "/fhir/QuestionnaireResponse"
DICOM = "http://dicom.nema.org/resources/ontology/DCM"
SAMPLES = Path(__file__).resolve().parents[2] / "samples" / "patients"


@pytest.fixture
def database_url(new_sqlite: Callable[[], str]) -> str:
    """SQLite alone: on PostgreSQL the form is answered where all services run as processes."""
    return new_sqlite()


@pytest.fixture
def clinic(client: Any, bundle: Callable[..., Json]) -> Any:
    """The running service with a patient and a lesion, and another patient with another lesion."""
    other = {**LESION, "id": "l2", "patient": {"reference": "Patient/p2"}}
    sent = client.post("/fhir", json=bundle(PATIENT, LESION, {**PATIENT, "id": "p2"}, other))
    assert sent.status_code == 200, sent.text
    return client


def record(database: Database) -> PatientRecord:
    with database.read() as conn:
        found = Records(conn).get("p1")
    assert found is not None
    return found


def value(database: Database, name: str, of: str = "") -> Any:
    kept = record(database)
    given = next((s.facts for s in kept.subjects if s.ref == of), ()) if of else kept.facts
    fact = current(given, name, dt.date(2026, 11, 23))
    return fact.value if fact else None


def test_every_fact_is_asked_or_is_not_for_a_reason() -> None:
    asked = [fact for section in layout().sections for fact in section.facts]
    assert len(asked) == len(set(asked))
    assert set(asked) | set(layout().not_asked) == set(vocabulary())
    assert not set(asked) & set(layout().not_asked)
    for section in layout().sections:
        assert {vocabulary()[fact].scope for fact in section.facts} == {section.scope}


def test_the_questionnaire_is_sound_and_says_of_each_fact_what_the_vocabulary_says() -> None:
    form = questionnaire(BASE)
    assert list(issues(form)) == []
    links = [i["linkId"] for group in form["item"] for i in (group, *group.get("item", []))]
    assert len(links) == len(set(links))
    volume = next(i for g in form["item"] for i in g.get("item", []) if i["linkId"] == "lesion_volume_ml")
    told = {e["url"].rpartition("/")[2]: e for e in volume["extension"]}
    assert volume["type"] == "decimal"
    assert told["questionnaire-unit"]["valueCoding"]["code"] == "mL"
    assert (told["minValue"]["valueDecimal"], told["maxValue"]["valueDecimal"]) == (0, 2000)
    assert told["sdc-questionnaire-observationExtract"]["valueBoolean"] is True


def test_the_form_is_read_searched_and_stated(client: Any) -> None:
    assert client.get("/fhir/Questionnaire/isodose-intake").json()["title"] == "Facts that no EHR codes"
    found = client.get(f"/fhir/Questionnaire?url={BASE}/Questionnaire/isodose-intake").json()
    assert found["entry"][0]["resource"]["id"] == "isodose-intake"
    told = {r["type"]: r for r in client.get("/fhir/metadata").json()["rest"][0]["resource"]}
    assert "populate" in [o["name"] for o in told["Questionnaire"]["operation"]]
    assert "extract" in [o["name"] for o in told["QuestionnaireResponse"]["operation"]]


def test_answers_become_facts_of_the_record_with_their_response_and_who_said_so(
    clinic: Any, database: Database
) -> None:
    volume = item("lesion_volume_ml", valueDecimal=3.5)
    near = item("lesion_near_oar", valueBoolean=False)
    setting = item("lesion_setting", valueCoding=choice("intact"))
    sent = clinic.post(
        URL,
        json=response(
            condition(item("kps", valueInteger=80)), lesion("BodyStructure/l1", volume, near, setting)
        ),
    )
    assert sent.status_code == 201, sent.text
    assert value(database, "kps") == 80
    assert value(database, "lesion_volume_ml", "BodyStructure/l1") == 3.5
    assert value(database, "lesion_near_oar", "BodyStructure/l1") is False
    assert value(database, "lesion_setting", "BodyStructure/l1") == "intact"
    (stated,) = clinic.get("/fhir/Observation?code=lesion_volume_ml").json()["entry"]
    told = stated["resource"]
    assert told["derivedFrom"] == [{"reference": f"QuestionnaireResponse/{sent.json()['id']}"}]
    assert told["effectiveDateTime"] == "2026-11-20"
    assert told["valueQuantity"]["code"] == "mL"
    (provenance,) = clinic.get(f"/fhir/Provenance?target=Observation/{told['id']}").json()["entry"]
    assert provenance["resource"]["agent"][0]["who"] == {"display": "Dr Ada Brown"}
    assert provenance["resource"]["entity"][0]["what"] == told["derivedFrom"][0]
    assert len(provenance["resource"]["target"]) == 4


def test_a_new_lesion_is_made_once_and_follows_its_amendments(clinic: Any, database: Database) -> None:
    first = new_lesion(item("lesion_diameter_cm", valueDecimal=1.2))
    sent = clinic.post(URL, json=response(first)).json()
    (made,) = [s for s in record(database).subjects if s.ref != "BodyStructure/l1"]
    assert (made.label, [f.value for f in made.facts]) == ("left frontal lobe", [1.2])
    temporal = {"valueCoding": {"system": FRONTAL["valueCoding"]["system"], "code": "78277001"}}
    amended = response(
        new_lesion(item("lesion_volume_ml", valueDecimal=0.8), site=temporal), id=sent["id"], status="amended"
    )
    assert clinic.put(f"{URL}/{sent['id']}", json=amended).status_code == 200
    (again,) = [s for s in record(database).subjects if s.ref != "BodyStructure/l1"]
    assert again.ref == made.ref
    assert {f.name: f.value for f in again.facts} == {"lesion_volume_ml": 0.8}
    structure = clinic.get(f"/fhir/{made.ref}").json()
    assert structure["location"]["coding"][0]["code"] == "78277001"
    gone = clinic.put(f"{URL}/{sent['id']}", json=amended | {"status": "entered-in-error"})
    assert gone.status_code == 200
    assert [s.ref for s in record(database).subjects] == ["BodyStructure/l1"]
    assert clinic.get(f"/fhir/{made.ref}").json()["active"] is False
    states = [
        e["resource"]["status"] for e in clinic.get("/fhir/Observation?subject=Patient/p1").json()["entry"]
    ]
    assert set(states) == {"entered-in-error"}


def by_definition(answered: Json) -> list[Json]:
    """What SDC says that definitions make of a response, read from the Questionnaire alone."""
    made = []
    for group in answered["item"]:
        asked = next(one for one in questionnaire(BASE)["item"] if one["linkId"] == group["linkId"])
        context = [
            e["valueCode"] for e in asked.get("extension", []) if e["url"].endswith("-itemExtractionContext")
        ]
        questions = {one["linkId"]: one for one in asked.get("item", [])}
        members: Json = {}
        for given in group.get("item", []) if context else []:
            kind, _, element = questions[given["linkId"]].get("definition", "").partition("#")
            if kind.endswith(f"/{context[0]}") and given.get("answer"):
                repeats = element_of(context[0], element.partition(".")[2]).repeats
                coded = {"coding": [given["answer"][0]["valueCoding"]]}
                members[element.partition(".")[2]] = [coded] if repeats else coded
        made += [{"resourceType": context[0], **members}] if members else []
    return made


def test_what_is_defined_is_extracted_as_sdc_says_and_nothing_else() -> None:
    known = lesion("BodyStructure/l1", item("lesion_diameter_cm", valueDecimal=1.2))
    answered = response(known, new_lesion(item("lesion_volume_ml", valueDecimal=0.8)), id="r1")
    answered |= {"meta": {"lastUpdated": "2026-11-21T00:00:00Z"}}
    found = [one for (kind, _), one in extracted([answered]).items() if kind == "BodyStructure"]
    (wanted,) = by_definition(answered)
    assert set(wanted) == {"resourceType", "location", "locationQualifier"}
    added = ("id", "identifier", "active", "patient")
    assert [{k: v for k, v in one.items() if k not in added} for one in found] == [shown_as(wanted)]


def shown_as(structure: Json) -> Json:
    """With the words that the form has for each code."""
    side = structure["locationQualifier"][0]["coding"][0]
    return structure | {
        "location": {"coding": [place_of(structure["location"]["coding"][0])]},
        "locationQualifier": [{"coding": [place_of(side)]}],
    }


def test_a_withdrawn_answer_gives_way_to_the_one_before(clinic: Any, database: Database) -> None:
    def kps(score: int, at: str) -> Json:
        return response(condition(item("kps", valueInteger=score)), authored=f"2026-11-23T{at}:00Z")

    clinic.post(URL, json=kps(70, "10:00"))
    later = clinic.post(URL, json=kps(90, "11:00")).json()
    assert value(database, "kps") == 90
    assert clinic.get("/fhir/Observation?code=kps&_summary=count").json()["total"] == 1
    assert clinic.request("DELETE", f"{URL}/{later['id']}").status_code == 204
    assert value(database, "kps") == 70


def test_not_known_takes_back_what_was_answered_and_is_never_no(clinic: Any, database: Database) -> None:
    clinic.post(URL, json=response(condition(item("neuro_symptomatic", valueBoolean=True))))
    assert value(database, "neuro_symptomatic") is True
    clinic.post(
        URL, json=response(condition(not_known("neuro_symptomatic")), authored="2026-11-23T12:00:00Z")
    )
    assert value(database, "neuro_symptomatic") is None


def test_what_was_prefilled_and_left_states_nothing_new_and_what_was_changed_does(
    clinic: Any, database: Database
) -> None:
    clinic.post(
        URL,
        json=response(
            condition(item("kps", valueInteger=80), item("ecog", valueInteger=1)), day="2026-06-01"
        ),
    )
    filled = clinic.get("/fhir/Questionnaire/isodose-intake/$populate?subject=Patient/p1").json()
    answered = filled["parameter"][0]["resource"]
    held = {i["linkId"]: i for i in next(i for i in answered["item"] if i["linkId"] == "condition")["item"]}
    parts = {p["url"]: p for p in held["kps"]["answer"][0]["extension"][0]["extension"]}
    assert parts["on"]["valueDate"] == "2026-06-01"
    assert parts["source"]["valueReference"]["reference"].startswith("Observation/")
    held["ecog"]["answer"][0]["valueInteger"] = 2
    answered |= {"status": "completed", "authored": "2026-11-23T12:00:00Z"}
    answered["item"][0] = item("as_of", valueDate="2026-11-23")
    assert clinic.post(URL, json=answered).status_code == 201
    days = {f.name: (f.value, str(f.on)) for f in record(database).facts if str(f.on) == "2026-11-23"}
    assert days == {"ecog": (2, "2026-11-23")}
    assert value(database, "kps") == 80


REFUSED: list[tuple[Json, str, str]] = [
    (response(condition(item("kps", valueInteger=101))),
     "item[1].item[0].answer[0].valueInteger", "from 0 to 100"),
    (response(condition(item("kps", valueDecimal=80))), "item[1].item[0].answer[0]", "valueInteger"),
    (response(condition(item("kpz", valueInteger=1))), "item[1].item[0].linkId", "does not ask"),
    (response(condition(item("kps", valueInteger=1), item("kps", valueInteger=2))),
     "item[1].item[1]", "once"),
    (response(lesion("BodyStructure/l1", item("lesion_volume_ml", valueDecimal=-1))),
     "item[1].item[1].answer[0].valueDecimal", "from 0 to 2000"),
    (response(lesion("BodyStructure/l1", item("lesion_oar_type", valueCoding=choice("brainstem")))),
     "item[1].item[1].answer[0]", "only where lesion_near_oar is true"),
    (response(lesion("BodyStructure/l1", item("are_status", valueCoding=choice("maybe")))),
     "item[1].item[1].answer[0].valueCoding", "not one of the options"),
    (response({"linkId": "lesion", "item": [item("lesion_volume_ml", valueDecimal=1)]}),
     "item[1].item", "lesion_site"),
    (response(lesion("BodyStructure/l2")), "item[1]", "no such resource"),
    (response(lesion("BodyStructure/nowhere")), "item[1]", "no such resource"),
    (response(day="2026-11-24"), "item[0].answer[0].valueDate", "after"),
    (response() | {"item": []}, "item", "as_of"),
    (response() | {"authored": None}, "authored", "authored"),
    (response() | {"subject": None}, "subject", "Patient"),

]  # fmt: skip


def test_what_the_form_does_not_allow_is_refused_at_its_place_and_nothing_is_kept(
    clinic: Any, database: Database
) -> None:
    before = record(database)
    for changed, where, said in REFUSED:
        answer = clinic.post(URL, json={key: held for key, held in changed.items() if held not in (None, [])})
        assert answer.status_code == 422, (where, answer.text)
        (issue,) = answer.json()["issue"]
        assert issue["expression"] == [f"QuestionnaireResponse.{where}"]
        assert said in issue["diagnostics"]
    assert record(database) == before
    assert clinic.get(f"{URL}?_summary=count").json()["total"] == 0


def test_in_a_batch_a_response_that_does_not_fit_is_refused_alone(
    clinic: Any, database: Database, bundle: Callable[..., Json]
) -> None:
    fit = {**response(condition(item("kps", valueInteger=70))), "id": "r1"}
    unfit = {**response(condition(item("kps", valueInteger=101))), "id": "r2"}
    entries = clinic.post("/fhir", json=bundle(fit, unfit, type="batch")).json()["entry"]
    assert [one["response"]["status"] for one in entries] == ["201", "422"]
    (issue,) = entries[1]["response"]["outcome"]["issue"]
    where = "Bundle.entry[1].resource.item[1].item[0].answer[0].valueInteger"
    assert issue["expression"] == [where]
    assert value(database, "kps") == 70


def test_a_filled_form_sent_back_as_it_is_is_taken_and_states_nothing(
    client: Any, database: Database
) -> None:
    files = [next(SAMPLES.glob(f"{number}-*.json")) for number in ("05", "08", "11", "14")]
    for number, file in enumerate(files):
        assert client.post("/fhir", content=file.read_bytes(), headers=FHIR).status_code == 200
        patient = file.name[:2]
        with database.read() as conn:
            before = Records(conn).get(f"demo-{patient}")
        asked = f"/fhir/Questionnaire/isodose-intake/$populate?subject=Patient/demo-{patient}"
        filled = client.get(asked).json()["parameter"][0]["resource"]
        assert len(filled["item"]) > 4
        sent = client.post(
            URL, json=filled | {"status": "completed", "authored": f"2027-01-0{number + 1}T10:00:00Z"}
        )
        assert sent.status_code == 201, sent.text
        with database.read() as conn:
            after = Records(conn).get(f"demo-{patient}")
        assert before is not None
        assert after is not None
        assert after.same_content(before)


def test_what_does_not_apply_is_not_filled_in_and_scans_say_their_day(clinic: Any) -> None:
    said = (
        item("lesion_near_oar", valueBoolean=True),
        item("lesion_oar_type", valueCoding=choice("brainstem")),
    )
    clinic.post(URL, json=response(lesion("BodyStructure/l1", *said)))
    later = response(
        lesion("BodyStructure/l1", item("lesion_near_oar", valueBoolean=False)), day="2026-11-22"
    )
    clinic.post(URL, json=later | {"authored": "2026-11-23T11:00:00Z"})
    study = {"resourceType": "ImagingStudy", "status": "available", "subject": {"reference": "Patient/p1"},
             "started": "2026-11-16", "description": "MRI brain",
             "modality": [{"system": DICOM, "code": "MR"}]}  # fmt: skip
    assert clinic.post("/fhir/ImagingStudy", json=study).status_code == 201
    filled = clinic.get("/fhir/Questionnaire/isodose-intake/$populate?subject=Patient/p1").json()
    groups = {group["linkId"]: group["item"] for group in filled["parameter"][0]["resource"]["item"][1:]}
    assert [i["linkId"] for i in groups["lesion"]] == ["lesion_reference", "lesion_near_oar"]
    assert groups["imaging"][0]["answer"][0]["valueReference"]["display"] == "MR brain 2026-11-16"


def test_what_was_said_of_a_merged_patient_goes_with_them_when_they_are_told_apart(
    clinic: Any, database: Database
) -> None:
    merged = {"type": "replaced-by", "other": {"reference": "Patient/p1"}}
    old = {**PATIENT, "id": "p2", "active": False}
    assert clinic.put("/fhir/Patient/p2", json=old | {"link": [merged]}).status_code == 200
    about_old = {"subject": {"reference": "Patient/p2"}, "authored": "2026-11-23T11:00:00Z"}
    clinic.post(URL, json=response(condition(item("kps", valueInteger=80))))
    assert (
        clinic.post(URL, json=response(condition(item("ecog", valueInteger=2)), **about_old)).status_code
        == 201
    )
    near = lesion("BodyStructure/l2", item("lesion_near_oar", valueBoolean=True))
    assert clinic.post(URL, json=response(near)).status_code == 201
    assert (value(database, "kps"), value(database, "ecog")) == (80, 2)
    assert clinic.put("/fhir/Patient/p2", json=old).status_code == 200
    assert (value(database, "kps"), value(database, "ecog")) == (80, None)
    with database.read() as conn:
        apart = Records(conn).get("p2")
    assert apart is not None
    assert [fact.value for fact in apart.facts if fact.name == "ecog"] == [2]


def test_answers_to_another_form_are_kept_and_state_nothing(clinic: Any, database: Database) -> None:
    other = response(
        condition(item("kps", valueInteger=80)), questionnaire="https://other.example/Questionnaire/x"
    )
    assert clinic.post(URL, json=other).status_code == 201
    assert value(database, "kps") is None


def test_extract_shows_what_a_response_states_and_keeps_nothing(clinic: Any, database: Database) -> None:
    asked = response(new_lesion(item("lesion_volume_ml", valueDecimal=2)))
    shown = clinic.post(f"{URL}/$extract", json=asked).json()
    kinds = [entry["resource"]["resourceType"] for entry in shown["entry"]]
    assert kinds == ["BodyStructure", "Observation", "Provenance"]
    assert clinic.get("/fhir/Observation?_summary=count").json()["total"] == 0
    kept = clinic.post(URL, json=asked).json()
    again = clinic.get(f"{URL}/{kept['id']}/$extract").json()
    stored = clinic.get(f"/fhir/{again['entry'][0]['request']['url']}").json()
    assert stored["location"] == again["entry"][0]["resource"]["location"]
    refused = clinic.post(f"{URL}/$extract", json=response(condition(item("kps", valueInteger=-1))))
    assert refused.status_code == 422


def test_parameters_that_are_none_are_refused_by_every_operation(clinic: Any) -> None:
    paths = (
        "QuestionnaireResponse/$extract", "Questionnaire/isodose-intake/$populate", "Patient/p1/$everything",
        "Subscription/$status",
    )  # fmt: skip
    for path in paths:
        for odd in ([1], [{"name": 1}], {}, "x", None, [{"value": "x"}]):
            body = {"resourceType": "Parameters", "parameter": odd}
            answer = clinic.post(f"/fhir/{path}", json=body)
            assert answer.status_code == 400, (path, odd, answer.text)
            assert answer.json()["issue"][0]["expression"][0].startswith("Parameters.parameter")
    for odd in (1, [], "x", {}):
        held = {"name": "questionnaire-response", "resource": odd}
        body = {"resourceType": "Parameters", "parameter": [held]}
        assert clinic.post("/fhir/QuestionnaireResponse/$extract", json=body).status_code == 400


def test_the_order_in_which_responses_arrive_does_not_matter() -> None:
    told = [
        response(
            condition(item("kps", valueInteger=70), item("ecog", valueInteger=1)),
            authored="2026-11-21T10:00:00Z",
        ),
        response(condition(item("kps", valueInteger=80)), authored="2026-11-22T10:00:00Z"),
        response(condition(not_known("ecog")), new_lesion(), authored="2026-11-23T10:00:00+02:00"),
        response(condition(item("ecog", valueInteger=3)), authored="2026-11-23T09:00:00Z", day="2026-11-19"),
    ]
    kept = [
        one | {"id": f"r{n}", "meta": {"lastUpdated": "2026-11-23T12:00:00Z"}} for n, one in enumerate(told)
    ]
    made = [extracted(order) for order in permutations(kept)]
    assert all(one == made[0] for one in made)
    facts = {
        r["code"]["coding"][0]["code"]: r for r in made[0].values() if r["resourceType"] == "Observation"
    }
    assert {name: r["valueInteger"] for name, r in facts.items()} == {"kps": 80, "ecog": 3}
