"""What the pages show before services that the test speaks for, and what they say when one is away."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from isodose.settings import Settings
from worklist.counts import Counts
from worklist.upstream import Upstream
from worklist_page import read, what_runs

Json = dict[str, Any]
EHR, OPTIONS, PLANS, ALERTS = 8001, 8002, 8003, 8004
BASE = "https://isodose.example/fhir"
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{7*7}}"


def reference(patient: str) -> Json:
    return {"reference": f"Patient/{patient}"}


def patient(key: str, family: str = "O'Neil") -> Json:
    return {"resourceType": "Patient", "id": key, "name": [{"given": ["Ada"], "family": family}]}


def issue(key: str, severity: str, text: str, **more: Any) -> Json:
    made = {
        "resourceType": "DetectedIssue",
        "id": f"i-{key}-{severity}",
        "status": "final",
        "severity": severity,
    }
    return made | {"code": {"text": text}, "patient": reference(key)} | more


def task(key: str, kind: str, text: str = "") -> Json:
    state = {"coding": [{"system": f"{BASE}/CodeSystem/task-kind", "code": kind}], "text": kind}
    made = {"resourceType": "Task", "id": f"t-{key}-{kind}", "status": "requested", "businessStatus": state}
    return made | {"code": state, "description": text, "for": reference(key)}


def group(key: str, *titles: str) -> Json:
    actions = [
        {
            "title": t,
            "code": [{"coding": [{"code": t.lower().replace(" ", "-")}], "text": t}, {"text": "standard"}],
        }
        for t in titles
    ]
    actions[0]["prefix"] = "leading"
    return {"resourceType": "RequestGroup", "status": "active", "subject": reference(key), "action": actions}


def guidance(key: str, *wanted: str, status: str = "success") -> Json:
    codes = [{"codeFilter": [{"code": [{"code": w, "display": w}]}]} for w in wanted]
    made = {"resourceType": "GuidanceResponse", "status": status, "subject": reference(key)}
    return made | {"dataRequirement": codes, "note": [{"text": "No option leads yet. Enter first: that."}]}


def scan(key: str, start: str, end: str) -> Json:
    made = {"resourceType": "ServiceRequest", "status": "draft", "subject": reference(key), "id": f"s-{key}"}
    return made | {"occurrencePeriod": {"start": start, "end": end}}


class Services:
    """The four services, answering the searches that the worklist makes; counts what it is asked."""

    def __init__(self, resources: dict[int, list[Json]], assessed: dict[int, Json] | None = None) -> None:
        self.resources = resources
        self.assessed = assessed or {}
        self.asked: Counter[str] = Counter()
        self.away: set[int] = set()
        self.refused: set[int] = set()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        port = request.url.port or 0
        self.asked[f"{port}{request.url.path}"] += 1
        if port in self.away:
            raise httpx.ConnectError("away")
        if port in self.refused:
            return httpx.Response(403)
        path = request.url.path.removeprefix("/fhir/")
        if path == "$assess":
            return httpx.Response(200, json=self.assessed.get(port, {"resourceType": "Parameters"}))
        if path.endswith("$everything"):
            return self._everything(path.split("/")[1])
        return httpx.Response(200, json=self._search(port, path, request.url.params))

    def _everything(self, key: str) -> httpx.Response:
        known = [r for r in self.resources[EHR] if r["id"] == key or _holder(r) == key]
        entries = [{"resource": r} for r in known]
        return httpx.Response(200 if known else 404, json={"resourceType": "Bundle", "entry": entries})

    def _search(self, port: int, kind: str, query: httpx.QueryParams) -> Json:
        found = [r for r in self.resources.get(port, []) if r["resourceType"] == kind and _fits(r, query)]
        if query.get("_sort") in ("patient", "subject"):
            found.sort(key=_holder)
        start, count = int(query.get("_cursor") or 0), int(query.get("_count") or 100)
        page: Json = {"resourceType": "Bundle", "total": len(found), "link": []}
        if start + count < len(found):
            page["link"] = [
                {"relation": "next", "url": f"http://evil.example/{kind}?_cursor={start + count}"}
            ]
        return page | {"entry": [{"resource": r} for r in found[start : start + count]]}


def _holder(resource: Json) -> str:
    holder = resource.get("subject") or resource.get("patient") or resource.get("for") or {}
    return str(holder.get("reference", "")).removeprefix("Patient/")


def _fits(resource: Json, query: httpx.QueryParams) -> bool:
    tests: dict[str, Callable[[Json], list[str]]] = {
        "_id": lambda r: [r["id"]],
        "patient": lambda r: [_holder(r), f"Patient/{_holder(r)}"],
        "subject": lambda r: [_holder(r)],
        "status": lambda r: [r.get("status", "")],
        "severity": lambda r: [r.get("severity", "")],
        "business-status": lambda r: [c["code"] for c in r.get("businessStatus", {}).get("coding", [])],
    }
    return all(
        not set(value.split(",")).isdisjoint(tests[name](resource))
        for name, value in query.items()
        if name in tests
    )


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
        assert clinic.asked.total() <= 20
        assert not any("evil.example" in asked for asked in clinic.asked)
        seen += [row.one("a").attributes["href"] for body in page.all("tbody") for row in body.all("tr")]
        following = page.all("a", rel="next")
        if not following:
            break
        path = "/worklist" + following[0].attributes["href"]
    assert len(seen) == many
    assert len(set(seen)) == many


@pytest.mark.parametrize("place", ["x", "high-alert.;.p", "nowhere..", "high-alert..../..", "none.%00."])
def test_a_place_that_no_page_gave_begins_anew(get: Any, services: Services, place: str) -> None:
    assert get(f"/worklist?place={place}", services).status_code == 200


@pytest.mark.parametrize("port", [OPTIONS, PLANS, ALERTS])
@pytest.mark.parametrize("path", ["/worklist", "/worklist/Patient/p1", "/worklist/Patient/p1/board"])
def test_a_service_that_is_away_never_looks_like_nothing_found(
    get: Any, services: Services, port: int, path: str
) -> None:
    assert "not available now" not in get(path, services).text
    services.away = {port}
    answer = get(path, services)
    assert answer.status_code == 200
    assert "not available now" in answer.text


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


def test_a_patients_page_costs_five_requests(get: Any, services: Services) -> None:
    get("/worklist/Patient/p1", services)
    assert services.asked.total() == 5


@pytest.mark.parametrize(
    "path", ["/worklist", "/worklist/Patient/p1", "/worklist/Patient/nobody", "/worklist/assets/worklist.css"]
)
def test_every_answer_tells_browsers_to_run_nothing_and_frame_nothing(
    get: Any, services: Services, path: str
) -> None:
    headers = get(path, services).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
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


def test_counts_are_asked_once_a_minute_for_each_reader_and_at_once_after_a_failure(
    services: Services,
) -> None:
    now = [0.0]
    counts = Counts(lambda: now[0])

    async def ask(token: str) -> int:
        services.asked.clear()
        async with httpx.AsyncClient(transport=httpx.MockTransport(services)) as client:
            await counts.of(Upstream(Settings(), client), token)
        return services.asked.total()

    services.away = {PLANS}
    assert asyncio.run(ask("a")) == 7
    services.away = set()
    assert asyncio.run(ask("a")) == 7
    assert asyncio.run(ask("a")) == 0
    assert asyncio.run(ask("b")) == 7
    now[0] = 61
    assert asyncio.run(ask("a")) == 7


def test_a_long_history_is_read_to_its_end_and_one_too_long_is_said_to_be_not_available(
    get: Any, services: Services
) -> None:
    past = scan("p1", "2020-01-01", "2020-01-29") | {"status": "completed"}
    services.resources[PLANS] = [past] * 1500 + services.resources[PLANS]
    assert "2026-12-01 to 2026-12-29" in read(get("/worklist?name=", services).text).one("tbody").text
    services.resources[PLANS] = [past] * 6000 + services.resources[PLANS]
    row = read(get("/worklist", services).text).one("tbody").all("tr")[0]
    assert "not available now" in row.text
    assert "none planned" not in row.text


def test_results_that_were_withdrawn_are_not_shown(get: Any, services: Services) -> None:
    services.resources[OPTIONS] = [
        group("p4", "Withdrawn option") | {"status": "revoked"},
        guidance("p4", "withdrawn_fact") | {"status": "entered-in-error"},
    ]
    services.resources[PLANS] = [scan("p4", "2027-01-01", "2027-01-29") | {"status": "revoked"}]
    page = get("/worklist", services).text
    for text in ("Withdrawn option", "withdrawn_fact", "2027-01-01"):
        assert text not in page
