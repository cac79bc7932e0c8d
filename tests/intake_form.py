"""Responses to the intake form as tests write them: sections, and groups about a lesion."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]
BASE = "https://isodose.example/fhir"
VALUES = f"{BASE}/CodeSystem/fact-value"
SNOMED = "http://snomed.info/sct"
FRONTAL = {"valueCoding": {"system": SNOMED, "code": "83251001"}}
LEFT = {"valueCoding": {"system": SNOMED, "code": "7771000"}}
UNKNOWN = {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}


def item(link: str, **answer: Any) -> Json:
    return {"linkId": link, "answer": [answer]}


def not_known(link: str) -> Json:
    return {"linkId": link, "extension": [UNKNOWN]}


def choice(code: str) -> Json:
    return {"system": VALUES, "code": code}


def lesion(reference: str, *answers: Json) -> Json:
    return {
        "linkId": "lesion",
        "item": [item("lesion_reference", valueReference={"reference": reference}), *answers],
    }


def new_lesion(*answers: Json, site: Json = FRONTAL) -> Json:
    return {"linkId": "lesion", "item": [item("lesion_site", **site), item("lesion_side", **LEFT), *answers]}


def condition(*answers: Json) -> Json:
    return {"linkId": "condition", "item": list(answers)}


def response(*groups: Json, day: str = "2026-11-20", **more: Any) -> Json:
    return {
        "resourceType": "QuestionnaireResponse",
        "questionnaire": f"{BASE}/Questionnaire/isodose-intake",
        "status": "completed",
        "subject": {"reference": "Patient/p1"},
        "authored": "2026-11-23T10:00:00Z",
        "author": {"display": "Dr Ada Brown"},
        "item": [item("as_of", valueDate=day), *groups],
    } | more
