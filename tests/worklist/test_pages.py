"""What the pages show before services that the test speaks for, and what they say when one is away."""

from __future__ import annotations

from typing import Any

import pytest

from worklist_page import read, what_runs
from worklist_services import (
    ALERTS,
    BASE,
    EHR,
    HOSTILE,
    OPTIONS,
    PLANS,
    Services,
    group,
    guidance,
    issue,
    patient,
    reference,
    scan,
    task,
)  # fmt: skip


@pytest.fixture
def services() -> Services:
    answered = {"url": f"{BASE}/StructureDefinition/alert-state", "valueCode": "answered"}
    return Services(
        {
            EHR: [patient("p1"), patient("p2", "Brown"), patient("p3", "Carr"), patient("p4", "Dow")],
            OPTIONS: [
                group("p1", "Stereotactic radiosurgery", "Whole brain radiotherapy"),
                guidance("p1", "lesion_near_oar", "kps"),
                guidance("p2", "lesion_count", status="data-required"),
            ],
            PLANS: [scan("p1", "2026-12-01", "2026-12-29"), task("p3", "lost", "overdue since July")],
            ALERTS: [
                issue("p1", "low", "minor matter"),
                issue("p1", "high", "grave matter"),
                issue("p2", "high", "answered matter", extension=[answered]),
                issue("p3", "high", "settled matter", status="cancelled"),
            ],
        },
        {
            OPTIONS: {
                "resourceType": "Parameters",
                "parameter": [
                    {"name": "finding", "part": [
                        {"name": "code", "valueCode": "F1-burden"}, {"name": "verdict", "valueCode": "met"},
                        {"name": "strength", "valueCode": "standard_of_care"},
                        {"name": "summary", "valueString": "One to four metastases."},
                        {"name": "fact", "part": [
                            {"name": "name", "valueCode": "lesion_count"},
                            {"name": "value", "valueInteger": 3},
                            {"name": "on", "valueDate": "2026-11-20"},
                            {"name": "source", "valueReference": {"reference": "Observation/count-1"}}]},
                        {"name": "citation", "valueString": "Aoyama 2006 https://doi.org/10.1001/jama.295.21.2483"}]},
                    {"name": "option", "part": [
                        {"name": "code", "valueCode": "stereotactic-radiosurgery"},
                        {"name": "standing", "valueCode": "standard"}, {"name": "score", "valueInteger": 88},
                        {"name": "for", "valueCode": "F1-burden"}, {"name": "leading", "valueBoolean": True},
                        {"name": "bound", "valueRange": {"low": {"value": 88}, "high": {"value": 88}}}]},
                    {"name": "option", "part": [
                        {"name": "code", "valueCode": "whole-brain-radiotherapy"},
                        {"name": "standing", "valueCode": "unknown"}, {"name": "missing", "valueCode": "kps"},
                        {"name": "bound", "valueRange": {"low": {"value": 10}, "high": {"value": 40}}}]},
                    {"name": "resource", "resource": group(
                        "p1", "Stereotactic radiosurgery", "Whole brain radiotherapy")},
                    {"name": "resource", "resource": guidance("p1", "kps")},
                    {"name": "on", "valueDate": "2026-11-23"},
                ],
            },
        },
    )  # fmt: skip


def test_patients_come_with_what_waits_first_and_once_each(get: Any, services: Services) -> None:
    page = read(get("/worklist", services).text)
    rows = page.one("tbody").all("tr")
    assert [row.one("th").one("a").text for row in rows] == ["Ada O'Neil", "Ada Carr", "Ada Brown", "Ada Dow"]
    assert [row.all("td")[0].text for row in rows] == [
        "Open alert of high severity",
        "MRI overdue",
        "Options cannot be ranked: facts missing",
        "Nothing waits",
    ]


def test_a_row_says_leading_option_next_scan_alerts_and_the_most_decisive_missing_fact(
    get: Any, services: Services
) -> None:
    rows = read(get("/worklist", services).text).one("tbody").all("tr")
    ada = rows[0].text
    for text in (
        "Stereotactic radiosurgery standard",
        "2026-12-01 to 2026-12-29",
        "lesion_near_oar and 1 more",
    ):
        assert text in ada
    assert ada.index("grave matter") < ada.index("minor matter")
    assert "overdue" in rows[1].text
    assert "settled matter" not in rows[1].text
    assert "1 answered" in rows[2].text
    assert "answered matter" not in rows[2].text
    assert "none yet" in rows[2].text


def test_filters_count_and_a_filter_shows_its_patients_alone(get: Any, services: Services) -> None:
    chips = read(get("/worklist", services).text).all("a", class_="chip")
    assert any("MRI overdue 1" in chip.text for chip in chips)
    assert any("All patients 4" in chip.text for chip in chips)
    rows = read(get("/worklist?need=overdue", services).text).one("tbody").all("tr")
    assert [row.one("a").text for row in rows] == ["Ada Carr"]
    everyone = read(get("/worklist?need=none", services).text).one("tbody").all("tr")
    assert len(everyone) == 4


@pytest.mark.parametrize("many", [60, 600])
def test_a_page_costs_no_more_requests_for_a_larger_clinic(get: Any, many: int) -> None:
    clinic = Services(
        {
            EHR: [patient(f"p{n:05}") for n in range(many)],
            OPTIONS: [],
            PLANS: [task(f"p{n:05}", "overdue") for n in range(0, many, 3)],
            ALERTS: [issue(f"p{n:05}", "high", "grave") for n in range(0, many, 2)],
        }
    )
    seen: list[str] = []
    path = "/worklist"
    for _ in range(4 * many // 25 + 8):
        clinic.asked.clear()
        page = read(get(path, clinic).text)
        assert clinic.asked == {"8001/fhir/Patient": 1}
        seen += [row.one("a").attributes["href"] for body in page.all("tbody") for row in body.all("tr")]
        following = page.all("a", rel="next")
        if not following:
            break
        path = "/worklist" + following[0].attributes["href"]
    assert len(seen) == many
    assert len(set(seen)) == many


@pytest.mark.parametrize("place", ["x", "high-alert.;.p", "nowhere..", "high-alert..../..", "none.%00."])
def test_a_place_that_no_page_gave_begins_anew(get: Any, services: Services, place: str) -> None:
    for asked in (f"place={place}", f"place={place}&name=Brown", f"place={place}&need=everyone"):
        assert get(f"/worklist?{asked}", services).status_code == 200


@pytest.mark.parametrize("port", [OPTIONS, PLANS, ALERTS])
@pytest.mark.parametrize("path", ["/worklist/Patient/p1", "/worklist/Patient/p1/board"])
def test_a_service_that_is_away_never_looks_like_nothing_found(
    get: Any, services: Services, port: int, path: str
) -> None:
    assert "not available now" not in get(path, services).text
    services.away = {port}
    answer = get(path, services)
    assert answer.status_code == 200
    assert "not available now" in answer.text


def test_what_a_service_has_not_told_yet_never_looks_like_nothing_found(get: Any, services: Services) -> None:
    services.silent = {OPTIONS, PLANS, ALERTS}
    row = read(get("/worklist", services).text).one("tbody").all("tr")[0]
    assert [cell.text for cell in row.all("td")] == ["Nothing waits", *["not decided yet"] * 4]


def test_the_page_says_when_changes_do_not_arrive(get: Any, services: Services, platform: Any) -> None:
    said = "Changes do not arrive now"
    assert said in get("/worklist", services).text
    assert said not in platform.get("/worklist").text


def test_within_a_need_what_waits_longest_and_is_urgent_comes_first(get: Any, services: Services) -> None:
    def overdue(key: str, since: str, priority: str = "routine") -> dict[str, Any]:
        when = {"restriction": {"period": {"start": since}}, "priority": priority}
        return task(key, "overdue") | when

    services.resources[PLANS] = [
        overdue("p1", "2026-10-01"), overdue("p2", "2026-08-01"), overdue("p3", "2026-11-01", "urgent"),
        task("p4", "overdue"),
    ]  # fmt: skip
    rows = read(get("/worklist?need=overdue", services).text).one("tbody").all("tr")
    assert [row.one("a").text for row in rows] == ["Ada Carr", "Ada Brown", "Ada O'Neil", "Ada Dow"]


@pytest.mark.parametrize("path", ["/worklist", "/worklist/Patient/p1"])
def test_without_patients_to_read_there_is_no_page(get: Any, services: Services, path: str) -> None:
    services.away = {EHR}
    assert get(path, services).status_code == 503
    services.away, services.refused = set(), {EHR}
    assert get(path, services).status_code == 403


def test_a_patient_that_is_not_there_is_not_found(get: Any, services: Services) -> None:
    assert get("/worklist/Patient/nobody", services).status_code == 404


def test_options_stand_side_by_side_with_score_or_bound_and_each_statement_opens_its_facts(
    get: Any, services: Services
) -> None:
    page = read(get("/worklist/Patient/p1", services).text)
    first, second = page.all("article", class_="option")
    assert "score 88" in first.text
    assert "leads" in first.text
    assert "score 10 to 40" in second.text
    statement = first.one("details", class_="statement")
    assert statement.one("summary").text == "One to four metastases. standard of care"
    links = [a.attributes["href"] for a in statement.all("a")]
    assert links == ["../../fhir/Observation/count-1", "https://doi.org/10.1001/jama.295.21.2483"]
    assert "3 on 2026-11-20" in statement.text


def _finding(code: str, verdict: str, summary: str, about: str = "", **parts: Any) -> dict[str, Any]:
    told = {"code": code, "verdict": verdict, "summary": summary, "applies-to": about}
    listed = [{"name": name, "valueString": value} for name, value in told.items() if value]
    return {"name": "finding", "part": [*listed, *parts.get("part", [])]}


@pytest.mark.parametrize("path", ["/worklist/Patient/p1", "/worklist/Patient/p1/board"])
def test_an_argument_is_about_what_is_in_question_and_speaks_where_its_entry_does_not_hold(
    get: Any, services: Services, path: str
) -> None:
    arguments = [{"name": "finding", "valueCode": code} for code in ("SMALL", "POOR")]
    side = {"name": "side", "part": [{"name": "position", "valueString": "Treat"}, *arguments]}
    services.assessed[OPTIONS]["parameter"] += [
        _finding("SMALL", "met", "The first is small.", "BodyStructure/1"),
        _finding("SMALL", "met", "The second is small.", "BodyStructure/2"),
        _finding("POOR", "not-met", "Not in poor condition."),
        _finding("OQ", "met", "Treat the second?", "BodyStructure/2", part=[side]),
    ]
    page = read(get(path, services).text).text
    said = page[page.index("Treat the second?") :]
    assert said.index("The second is small.") < said.index("Not in poor condition.")
    assert "The first is small." not in page
    assert "POOR." not in page


def test_an_alert_is_grounded_in_the_words_of_the_service_that_told_it(get: Any, services: Services) -> None:
    coding = {"coding": [{"code": "GRAVE"}]}
    services.resources[ALERTS][1]["evidence"] = [{"code": [coding]}]
    for port in (OPTIONS, PLANS, ALERTS):
        told = services.assessed.setdefault(port, {"resourceType": "Parameters", "parameter": []})
        told["parameter"].append(_finding("GRAVE", "met", f"Said at {port}."))
    alert = read(get("/worklist/Patient/p1", services).text).one("article", id="alert-i-p1-high")
    assert f"Said at {ALERTS}." in alert.text
    assert f"Said at {PLANS}." not in alert.text


def test_services_that_know_of_a_merge_before_the_worklist_does_have_no_answer_and_break_no_page(
    get: Any, services: Services
) -> None:
    services.merged.add("p1")
    page = get("/worklist/Patient/p1", services)
    assert page.status_code == 200
    assert "not available now" in page.text


def test_a_patients_page_costs_five_requests(get: Any, services: Services) -> None:
    get("/worklist/Patient/p1", services)
    assert services.asked.total() == 5


@pytest.mark.parametrize(
    "path", ["/worklist", "/worklist/Patient/p1", "/worklist/Patient/nobody", "/worklist/assets/worklist.css"]
)
def test_every_answer_tells_browsers_to_run_nothing_from_elsewhere_and_frame_nothing(
    get: Any, services: Services, path: str
) -> None:
    headers = get(path, services).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert path.endswith(".css") or headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/worklist", "/worklist/Patient/p1", "/worklist/Patient/p1/board"])
def test_markup_in_fhir_data_cannot_run(get: Any, services: Services, path: str) -> None:
    bad = "javascript:alert(3)"
    services.resources[EHR] += [
        {"resourceType": "BodyStructure", "id": "l1", "patient": reference("p1"),
         "location": {"text": HOSTILE}},
        {"resourceType": "MedicationRequest", "id": HOSTILE, "status": "active", "subject": reference("p1"),
         "intent": "order", "authoredOn": HOSTILE, "dosageInstruction": [{"text": HOSTILE}],
         "medicationCodeableConcept": {"text": f"dexamethasone {HOSTILE}"}},
    ]  # fmt: skip
    services.resources[EHR][0]["name"] = [{"text": HOSTILE}]
    services.resources[EHR][0]["birthDate"] = HOSTILE
    services.resources[ALERTS][1] |= {
        "code": {"text": HOSTILE}, "severity": "high", "detail": f"{bad} https://x.example/\"onmouseover=alert(4)",
        "implicated": [{"reference": bad}, {"reference": f"Observation/{HOSTILE}"}],
        "mitigation": [{"action": {"text": HOSTILE}, "date": HOSTILE}],
    }  # fmt: skip
    services.resources[PLANS].append(task("p1", "work-up", HOSTILE))
    services.resources[PLANS][0]["occurrencePeriod"] = {"start": HOSTILE, "end": HOSTILE}
    study = {"resourceType": "ResearchStudy", "title": HOSTILE, "description": HOSTILE}
    study |= {"relatedArtifact": [{"type": "documentation", "url": bad}]}
    services.assessed[OPTIONS]["parameter"] += [{"name": "resource", "resource": study}]
    services.assessed[PLANS] = {
        "resourceType": "Parameters",
        "parameter": [{"name": "resource", "resource": r} for r in services.resources[PLANS]],
    }
    answer = get(path, services)
    assert answer.status_code == 200
    assert what_runs(read(answer.text)) == []
    assert "<script>alert" not in answer.text
    assert "&lt;script&gt;" in answer.text
    assert "49" not in read(answer.text).one("h1").text


def test_a_hostile_search_is_shown_as_words(get: Any, services: Services) -> None:
    page = get("/worklist", services).request.url.copy_merge_params({"name": HOSTILE})
    answer = get(f"{page.path}?{page.query.decode()}", services)
    assert what_runs(read(answer.text)) == []


def test_where_no_option_leads_the_page_says_whether_treatment_waits_or_facts_are_missing(
    get: Any, services: Services
) -> None:
    open_group = group("p3", "Biopsy")
    del open_group["action"][0]["prefix"]
    mark = {"url": f"{BASE}/StructureDefinition/no-treatment-waits", "valueBoolean": True}
    treated = open_group | {"subject": reference("p4"), "extension": [mark]}
    services.resources[OPTIONS] += [open_group, treated]
    texts = [row.text for row in read(get("/worklist?need=none", services).text).one("tbody").all("tr")]
    assert "cannot be ranked yet: facts are missing" in texts[2]
    assert "every lesion was treated" in texts[3]


def test_results_that_were_withdrawn_are_not_shown(get: Any, services: Services) -> None:
    services.resources[OPTIONS] = [
        group("p4", "Withdrawn option") | {"status": "revoked"},
        guidance("p4", "withdrawn_fact") | {"status": "entered-in-error"},
    ]
    services.resources[PLANS] = [scan("p4", "2027-01-01", "2027-01-29") | {"status": "revoked"}]
    page = get("/worklist", services).text
    for text in ("Withdrawn option", "withdrawn_fact", "2027-01-01"):
        assert text not in page
