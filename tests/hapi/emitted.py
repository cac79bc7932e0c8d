"""Every kind of resource that the platform emits: concluded, published, answered; each with its source."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from clinic import day
from intake_form import condition, item, lesion, new_lesion, not_known, response

BASES = ("/fhir", "/eligibility/fhir", "/surveillance/fhir", "/alerts/fhir")
PUBLISHED = ("StructureDefinition", "ValueSet", "CodeSystem", "Questionnaire")
DAY = "2026-11-23"
HOOKS = {
    "ici-steroid-sign": "/cds-services/ici-steroid-sign",
    "srs-eligibility": "/cds-services/srs-eligibility",
    "srs-order-review": "/cds-services/srs-order-review",
}
ASKED = (
    "/fhir/Patient/demo-12/$everything?_count=500",
    "/eligibility/fhir/$knowledge",
    "/eligibility/fhir/$trials?patient=demo-05",
    "/alerts/fhir/$override-report",
)
_SENT_TO_US = {"Observation": 40, "MedicationAdministration": 10, "ImagingStudy": 10, "BodyStructure": 10}
"""Of what only came in with the samples, so many of a type are enough."""
_REASON = {"code": "benefit-outweighs-risk", "system": "http://isodose.example/override"}
_LESION = "BodyStructure/demo-11-lesion-1"
_AT = "2026-11-23T10:00:00Z"
Json = dict[str, Any]


def without_claims(value: Any) -> Any:
    """The same without the profiles of mCODE that the samples claim: HAPI has no definitions of them."""
    if isinstance(value, list):
        return [without_claims(one) for one in value]
    if not isinstance(value, dict):
        return value
    copy = {name: without_claims(held) for name, held in value.items()}
    if "/us/mcode/" in str(copy.get("meta", {}).get("profile")):
        copy["meta"] = {name: held for name, held in copy["meta"].items() if name != "profile"}
        if not copy["meta"]:
            del copy["meta"]
    return copy


def emitted(client: Any, samples: Path) -> Iterator[tuple[str, Json]]:
    """Load the sample patients into the running platform, use it, and give what it then says, with the
    source; what two services hold alike comes once.
    """
    files = sorted((samples / "patients").glob("*.json"))
    answers = [(file, client.post("/fhir", json=orjson.loads(file.read_bytes())).json()) for file in files]
    yield f"answer to {files[0].name}", answers[0][1]
    answer_cards(client, samples / "hooks")
    yield from answered_form(client)
    settle(client)
    seen: set[bytes] = set()
    for base in BASES:
        for source, resource in served(client, base):
            same = orjson.dumps(resource | {"meta": None}, option=orjson.OPT_SORT_KEYS)
            if same not in seen:
                seen.add(same)
                yield source, resource
        yield from refused(client, base)
    for base in BASES[1:]:
        for file in files[1::7]:
            record = {"name": "record", "resource": orjson.loads(file.read_bytes())}
            asked = {"resourceType": "Parameters", "parameter": [record, {"name": "on", "valueDate": DAY}]}
            yield f"{base}/$assess of {file.name}", client.post(f"{base}/$assess", json=asked).json()
    yield from ((url, client.get(url).json()) for url in ASKED)
    yield from proposed()


def proposed() -> Iterator[tuple[str, Json]]:
    """What the cards of a day in a clinic would write."""
    for visit, card in day(20261123, 400)[1]:
        for suggestion in card.suggestions:
            for action in suggestion.actions:
                if action.resource:
                    yield f"{visit.patient}: {suggestion.label}", dict(action.resource)


def answered_form(client: Any) -> Iterator[tuple[str, Json]]:
    """Answer the intake form for a patient, and give what filling and extracting it say."""
    volume, diameter = (
        item("lesion_volume_ml", valueDecimal=3.5),
        item("lesion_diameter_cm", valueDecimal=1.5),
    )
    about = {"subject": {"reference": "Patient/demo-11"}}
    groups = (condition(item("kps", valueInteger=80), not_known("ecog")), lesion(_LESION, volume))
    kept = client.post("/fhir/QuestionnaireResponse", json=response(*groups, new_lesion(diameter), **about))
    assert kept.status_code == 201, kept.text
    for url in (
        "/fhir/Questionnaire/isodose-intake/$populate?subject=Patient/demo-11",
        f"/fhir/QuestionnaireResponse/{kept.json()['id']}/$extract",
    ):
        yield url, client.get(url).json()


def answer_cards(client: Any, hooks: Path) -> None:
    """Override the first card of each sample call."""
    for name, url in HOOKS.items():
        call = orjson.loads((hooks / f"{name}.json").read_bytes())
        for card in client.post(url, json=call).json()["cards"][:1]:
            override = {"card": card["uuid"], "outcome": "overridden", "outcomeTimestamp": _AT}
            reason = {"overrideReason": {"reason": card.get("overrideReasons", [_REASON])[0]}}
            answer = client.post(f"{url}/feedback", json={"feedback": [override | reason]})
            assert answer.status_code == 200, answer.text


def settle(client: Any, seconds: float = 60) -> None:
    """Wait until every service has results and none adds to them any more."""
    needed = ("/fhir/GuidanceResponse", "/surveillance/fhir/CarePlan", "/alerts/fhir/DetectedIssue")
    more = ("/fhir/Task", "/fhir/Provenance", "/alerts/fhir/Basic")
    urls = [f"{url}?_summary=count" for url in (*needed, *more)]
    last: list[int] = []
    same, until = 0, time.monotonic() + seconds
    while same < 4:
        assert time.monotonic() < until, f"results still change after {seconds} s: {last}"
        time.sleep(0.25)
        now = [client.get(url).json()["total"] for url in urls]
        same = same + 1 if now == last and all(now) else 0
        last = now


def served(client: Any, base: str) -> Iterator[tuple[str, Json]]:
    """The statement, a search Bundle and the resources of each type, and the history of one of each."""
    statement = client.get(f"{base}/metadata").json()
    yield f"{base}/metadata", statement
    for kind in [one["type"] for one in statement["rest"][0]["resource"]]:
        found = client.get(f"{base}/{kind}?_count=500").json()
        if not found.get("entry"):
            continue
        yield f"{base}/{kind}", found | {"entry": found["entry"][:2]}
        for entry in found["entry"][: _SENT_TO_US.get(kind)]:
            yield f"{base}/{kind}/{entry['resource']['id']}", entry["resource"]
        history = f"{base}/{kind}/{found['entry'][-1]['resource']['id']}/_history"
        yield history, client.get(history).json()


def refused(client: Any, base: str) -> Iterator[tuple[str, Json]]:
    """OperationOutcomes: of what is not there, not understood, not valid, and asked to be checked."""
    wrong = {"resourceType": "Observation", "status": "x", "subject": {"reference": "Nobody/1"}}
    yield f"{base} not found", client.get(f"{base}/Patient/nobody").json()
    yield f"{base} not understood", client.get(f"{base}/Patient?colour=red", headers=_STRICT).json()
    yield f"{base} not valid", client.post(f"{base}/Observation", json=wrong).json()
    yield f"{base} checked", client.post(f"{base}/Observation/$validate", json=wrong).json()
    yield f"{base} not JSON", client.post(f"{base}/Patient", content=b"{").json()


_STRICT = {"prefer": "handling=strict"}
