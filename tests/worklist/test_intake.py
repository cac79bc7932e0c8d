"""The intake page as it is without a script: filled from the record, kept, refused at the field, amended."""

from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.requests import Request

from isodose.fhir.access import Access
from isodose.security.callers import CALLER, Caller
from served import FHIR
from worklist.intake.form import form_of
from worklist.intake.pages import author_of
from worklist_form import PAGE, send, shown, standing, values
from worklist_page import read, what_runs

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{7*7}}"
LESION = "lesion-1."
Json = dict[str, Any]


def fact(client: Any, name: str, day: str = "2026-11-23") -> list[Json]:
    found = client.get(
        f"/fhir/Observation?subject=Patient/demo-11&code={name}&date={day}&status=final,amended"
    ).json()
    return [entry["resource"] for entry in found.get("entry", [])]


def test_what_the_record_has_is_filled_in_with_its_day_and_source(one_patient: Any) -> None:
    page, _ = shown(one_patient)
    assert page.one("input", id="kps").attributes["value"] == "80"
    known = page.one("p", id="kps-known")
    assert "On record: 80" in known.text
    assert "2026-11-18" in known.text
    assert known.one("a").attributes["href"] == "../../../fhir/Observation/demo-11-kps-20261118"
    setting = page.one("fieldset", id="lesion-1.lesion_setting")
    assert [i.attributes["value"] for i in setting.all("input") if "checked" in i.attributes] == [
        "recurrent_after_srs"
    ]
    near = page.one("fieldset", id="lesion_near_oar")
    assert [i.attributes["value"] for i in near.all("input", type="radio")] == ["true", "false", ""]
    assert "checked" in near.all("input", type="radio")[2].attributes
    assert page.one("span", id="lesion-1.lesion_diameter_cm-unit").text == "cm , from 0 to 20"


def test_each_missing_fact_of_the_patients_page_leads_to_its_field(one_patient: Any) -> None:
    page = read(one_patient.get("/worklist/Patient/demo-11").text)
    links = [a.attributes["href"] for ol in page.all("ol", class_="wanted") for a in ol.all("a")]
    assert len(links) > 3
    form, _ = shown(one_patient)
    ids = {e.attributes["id"] for e in form.all() if "id" in e.attributes}
    for link in links:
        path, _, anchor = link.partition("#")
        assert path == "demo-11/intake"
        assert anchor in ids
    opened = [d for d in form.all("details", class_="section") if "open" in d.attributes]
    assert any(d.all(id=links[0].partition("#")[2]) for d in opened)


def test_an_answer_is_kept_and_the_option_has_changed_when_the_page_comes_back(one_patient: Any) -> None:
    before = standing(one_patient, "Systemic downstaging")
    page, cookie = shown(one_patient)
    told = {
        f"{LESION}lesion_near_oar": "false",
        "board.wbrt_otherwise_needed": "false",
        "author": "Dr Ada Brown",
    }
    answer = send(one_patient, page, cookie, told)
    assert answer.status_code == 303, read(answer.text).one("div", id="faults").text
    assert answer.headers["location"] == "../demo-11?kept=facts"
    assert (before, standing(one_patient, "Systemic downstaging")) == ("unknown", "not advised")
    (kept,) = fact(one_patient, "lesion_near_oar")
    assert kept["valueBoolean"] is False
    assert kept["performer"] == [{"display": "Dr Ada Brown"}]
    assert fact(one_patient, "kps") == []
    again = send(one_patient, page, cookie, told)
    assert again.status_code == 303
    assert one_patient.get("/fhir/QuestionnaireResponse?_summary=count").json()["total"] == 1
    assert read(one_patient.get("/worklist/Patient/demo-11?kept=facts").text).one("p", class_="done")


def test_a_value_is_confirmed_for_the_day_by_saying_so(one_patient: Any) -> None:
    page, cookie = shown(one_patient)
    assert send(one_patient, page, cookie, {"confirm.condition.kps": "on"}).status_code == 303
    (kept,) = fact(one_patient, "kps")
    assert kept["valueInteger"] == 80


def test_what_was_given_is_amended_and_withdrawn(one_patient: Any) -> None:
    page, cookie = shown(one_patient)
    typed = {"lesion-new.lesion_site": "83251001", "lesion-new.lesion_diameter_cm": "0,7"}
    assert send(one_patient, page, cookie, typed).status_code == 303
    (size,) = [o for o in fact(one_patient, "lesion_diameter_cm") if o["valueQuantity"]["value"] == 0.7]
    lesion = size["focus"][0]["reference"]
    page, cookie = shown(one_patient)
    amend = page.one("section", aria_labelledby="h-before").all("a")[0].attributes["href"]
    path = f"/worklist/Patient/demo-11/{amend}"
    page, cookie = shown(one_patient, path)
    new = next(n for n, v in values(page).items() if n.endswith("lesion_diameter_cm") and v == "0.7")
    assert send(one_patient, page, cookie, {new: "0.9"}, path).status_code == 303
    (amended,) = [o for o in fact(one_patient, "lesion_diameter_cm") if o["focus"][0]["reference"] == lesion]
    assert (amended["id"], amended["status"], amended["valueQuantity"]["value"]) == (
        size["id"],
        "amended",
        0.9,
    )
    stale = send(one_patient, page, cookie, {new: "1.5"}, path)
    assert stale.status_code == 409
    assert read(stale.text).one("main").one("a").attributes["href"] == "../demo-11"
    page, cookie = shown(one_patient, path)
    assert send(one_patient, page, cookie, {}, path).status_code == 422
    assert send(one_patient, page, cookie, {"as_of": "2026-11-20"}, path).status_code == 303
    (size,) = fact(one_patient, "lesion_diameter_cm", "2026-11-20")
    page, cookie = shown(one_patient, path)
    assert (
        send(one_patient, page, cookie, {"withdraw": "yes"}, path)
        .headers["location"]
        .endswith("kept=withdrawn")
    )
    assert one_patient.get(f"/fhir/{lesion}").json()["active"] is False
    assert one_patient.get(f"/fhir/Observation/{size['id']}").json()["status"] == "entered-in-error"


@pytest.mark.parametrize(
    ("typed", "field", "said"),
    [
        ({"condition.kps": "eighty"}, "kps", "not a whole number"),
        ({"condition.kps": "101"}, "kps", "from 0 to 100"),
        ({f"{LESION}lesion_volume_ml": "-3"}, "lesion-1.lesion_volume_ml", "from 0 to 2000"),
        ({f"{LESION}lesion_volume_ml": "nan"}, "lesion-1.lesion_volume_ml", "not a number"),
        ({"cancer.histology": "glioma"}, "histology", "not one of the choices"),
        ({"lesion-new.lesion_volume_ml": "1"}, "lesion_site", "required"),
        ({"as_of": "2026-11-24", "condition.ecog": "2"}, "as_of", "after"),
        ({"as_of": "", "condition.ecog": "2"}, "as_of", "required"),
        (
            {"confirm.condition.kps": "on", "was.condition.kps": "70", "condition.kps": "70"},
            "kps",
            "Look at it again",
        ),
    ],
)
def test_what_cannot_be_is_refused_at_its_field_and_nothing_is_lost(
    one_patient: Any, typed: Json, field: str, said: str
) -> None:
    page, cookie = shown(one_patient)
    count = one_patient.get("/fhir/QuestionnaireResponse?_summary=count").json()["total"]
    answer = send(one_patient, page, cookie, typed | {"board.mdt_discussed": "true", "author": HOSTILE})
    assert answer.status_code == 422
    told = read(answer.text)
    assert said in told.one("p", id=f"{field}-fault").text
    assert any(a.attributes["href"] == f"#{field}" for a in told.one("div", id="faults").all("a"))
    held = values(told)
    assert held["board.mdt_discussed"] == "true"
    assert held["author"] == HOSTILE
    assert what_runs(told) == []
    assert one_patient.get("/fhir/QuestionnaireResponse?_summary=count").json()["total"] == count


def test_nothing_new_and_forged_forms_are_not_kept(one_patient: Any) -> None:
    page, cookie = shown(one_patient)
    same = send(one_patient, page, cookie, {})
    assert same.status_code == 422
    assert "does not have already" not in page.text
    assert "the record does not have already" in read(same.text).one("div", id="faults").text
    assert send(one_patient, page, "isodose-form=" + "A" * 43, {"condition.kps": "70"}).status_code == 403
    assert one_patient.get("/worklist/Patient/nobody/intake").status_code == 404
    assert one_patient.get(f"{PAGE}?response=nothing").status_code == 404


def test_markup_in_the_record_cannot_run_in_the_form(one_patient: Any) -> None:
    site = {"system": "http://snomed.info/sct", "code": "12738006", "display": HOSTILE}
    lesion = {"resourceType": "BodyStructure", "id": "h1", "patient": {"reference": "Patient/hostile"},
              "location": {"coding": [site]}}  # fmt: skip
    person = {"resourceType": "Patient", "id": "hostile", "name": [{"text": HOSTILE}]}
    for one in (person, lesion):
        sent = one_patient.request(
            "PUT", f"/fhir/{one['resourceType']}/{one['id']}", content=json.dumps(one), headers=FHIR
        )
        assert sent.status_code == 201, sent.text
    answer = one_patient.get("/worklist/Patient/hostile/intake")
    page = read(answer.text)
    assert "&lt;script&gt;alert(1)" in answer.text
    assert what_runs(page) == []
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]


def test_the_page_is_sound(one_patient: Any) -> None:
    page, _ = shown(one_patient)
    ids = [e.attributes["id"] for e in page.all() if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    labelled = {label.attributes["for"] for label in page.all("label") if "for" in label.attributes}
    inside = [i for label in page.all("label") for i in label.all("input")]
    for field in (*page.all("input"), *page.all("select")):
        kind = field.attributes.get("type")
        assert kind == "hidden" or field.attributes.get("id") in labelled or field in inside
    wanted = [w for e in page.all() for w in e.attributes.get("aria-describedby", "").split()]
    assert set(wanted) <= set(ids)


def test_a_question_without_an_answer_is_the_one_that_links_lead_to() -> None:
    asked = {"linkId": "lesion", "type": "group", "repeats": True, "text": "A lesion", "item": [
        {"linkId": "lesion_reference", "type": "reference", "text": "Which"},
        {"linkId": "lesion_volume_ml", "type": "decimal", "text": "Volume"}]}  # fmt: skip
    as_of = {"linkId": "as_of", "type": "date", "text": "Day", "required": True}
    known = {"linkId": "lesion_volume_ml", "answer": [{"valueDecimal": 2.0}]}
    response = {"item": [{"linkId": "lesion", "item": [known]}, {"linkId": "lesion", "item": []}]}
    form = form_of({"item": [as_of, asked]}, response, ["lesion_volume_ml"])
    assert [[f.id for f in g.fields] for g in form.groups] == [
        ["lesion-1.lesion_volume_ml"], ["lesion_volume_ml"], ["lesion-new.lesion_volume_ml"],
    ]  # fmt: skip
    assert [g.is_open for g in form.groups] == [False, True, False]


@pytest.mark.parametrize(
    ("user", "named"),
    [
        ("https://ehr.example/fhir/Practitioner/7", {"reference": "https://ehr.example/fhir/Practitioner/7"}),
        ("Patient/p1", {}),
        ("", {}),
    ],
)
def test_who_is_signed_in_is_the_author_whatever_name_is_written(user: str, named: Json) -> None:
    caller = Caller("app", "sub", user, Access(()), 0)
    request = Request({"type": "http", CALLER: caller})
    assert author_of(request, " Dr Ada Brown ") == named | {"display": "Dr Ada Brown"}
