"""What the responses of a patient state, as Observations and BodyStructures: the same whatever came first.

Of two answers on one fact for one day the one authored last counts. https://hl7.org/fhir/uv/sdc/STU3/extraction.html
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from ehr_ingestion.intake.answers import STANDING, About, Given, as_of, base_of, subjects
from ehr_ingestion.intake.form import UCUM, coding_of, place_of, shown
from isodose.clinical import facts
from isodose.fhir.dates import bounds
from isodose.fhir.resources import CREATED
from isodose.mcode.chart import target_of

Json = dict[str, Any]
Key = tuple[str, str]
SYSTEM_END = "/NamingSystem/intake"
_SOMEBODY = {"display": "Not named in the response"}


def extracted(responses: Iterable[Json]) -> dict[Key, Json]:
    """By type and id all that the standing `responses` to the intake form state of the patients whom they
    name, with a Provenance for each response.
    """
    made = _Made()
    standing = [r for r in responses if base_of(r) is not None and r.get("status") in STANDING]
    for response in sorted(standing, key=_authored):
        made.add(response)
    return made.resources(standing)


def is_extracted(resource: Mapping[str, Any]) -> bool:
    """Whether this Observation or BodyStructure was extracted from a response."""
    identifiers = resource.get("identifier")
    return isinstance(identifiers, list) and any(
        str(one.get("system", "")).endswith(SYSTEM_END) for one in identifiers
    )


def withdrawn(resource: Json) -> Json:
    """The same, no longer stated by any response."""
    if resource["resourceType"] == "BodyStructure":
        return resource | {"active": False}
    return resource | {"status": "entered-in-error"}


def _authored(response: Json) -> tuple[Any, str]:
    return bounds(response["authored"])[0], response["id"]


class _Made:
    """What has been stated so far, response by response."""

    def __init__(self) -> None:
        self._stated: dict[tuple[str, str, str, str], Json] = {}
        self._lesions: dict[str, Json] = {}

    def add(self, response: Json) -> None:
        new = 0
        for about in subjects(response):
            focus = about.reference
            if about.scope == "lesion" and not focus:
                new += 1
                focus = self._lesion(about, response, new)
            for given in about.given:
                self._state(given, focus, response)

    def resources(self, responses: Iterable[Json]) -> dict[Key, Json]:
        made = [*self._lesions.values(), *self._stated.values()]
        told = [_provenance(response, made) for response in responses]
        return {(one["resourceType"], one["id"]): one for one in [*made, *told] if one}

    def _state(self, given: Given, focus: str, response: Json) -> None:
        subject, day = _subject(response)["reference"], as_of(response)
        if not given.value:
            for key in [key for key in self._stated if key[:3] == (subject, focus, given.fact)]:
                del self._stated[key]
        elif not given.is_prefilled:
            self._stated[subject, focus, given.fact, day] = _observation(given, focus, response)

    def _lesion(self, about: About, response: Json, number: int) -> str:
        identity = _identity("lesion", response["id"], str(number))
        structure: Json = {
            "resourceType": "BodyStructure",
            "id": identity,
            "identifier": [{"system": f"{base_of(response)}{SYSTEM_END}", "value": identity}],
            "active": True,
            "location": {"coding": [place_of(about.site or {})]},
            "patient": _subject(response),
        }
        if about.side:
            structure["locationQualifier"] = [{"coding": [place_of(about.side)]}]
        self._lesions[f"BodyStructure/{identity}"] = structure
        return f"BodyStructure/{identity}"


def _subject(response: Json) -> Json:
    """Whom the response names, also where that patient was merged into another since."""
    return {"reference": target_of(response["subject"])}


def _observation(given: Given, focus: str, response: Json) -> Json:
    base, subject, day = str(base_of(response)), _subject(response), as_of(response)
    code = {"system": f"{base}/CodeSystem/fact", "code": given.fact, "display": shown(given.fact)}
    identity = _identity(subject["reference"], focus, given.fact, day)
    performer = [response["author"]] if response.get("author") else []
    return {
        "resourceType": "Observation",
        "id": identity,
        "identifier": [{"system": f"{base}{SYSTEM_END}", "value": identity}],
        "status": "amended" if response["status"] == "amended" else "final",
        "code": {"coding": [code]},
        "subject": subject,
        **({"focus": [{"reference": focus}]} if focus else {}),
        "effectiveDateTime": day,
        **({"performer": performer} if performer else {}),
        **_value(given, base),
        "derivedFrom": [{"reference": f"QuestionnaireResponse/{response['id']}"}],
    }


def _value(given: Given, base: str) -> Json:
    """An answer as the value of an Observation."""
    ((kind, held),) = given.value.items()
    if kind == "valueCoding":
        return {"valueCodeableConcept": {"coding": [coding_of(held["code"], base)]}}
    if kind == "valueDecimal":
        definition = facts.definition(given.fact)
        unit = {"unit": definition.shown_unit, "system": UCUM, "code": definition.unit}
        return {"valueQuantity": {"value": held, **unit}}
    return {"valueDateTime" if kind == "valueDate" else kind: held}


def _provenance(response: Json, made: Iterable[Json]) -> Json | None:
    """Who stated what was extracted from this response, and when it was kept."""
    source = f"QuestionnaireResponse/{response['id']}"
    targets = [
        {"reference": f"{one['resourceType']}/{one['id']}"}
        for one in made
        if _source(one) == source or _is_lesion_of(one, response)
    ]
    if not targets:
        return None
    author = {
        "system": "http://terminology.hl7.org/CodeSystem/provenance-participant-type",
        "code": "author",
        "display": "Author",
    }
    return {
        "resourceType": "Provenance",
        "id": _identity("provenance", response["id"]),
        "target": targets,
        "occurredDateTime": response["authored"],
        "recorded": response["meta"]["lastUpdated"],
        "activity": {"coding": [CREATED], "text": "Extracted from the intake form"},
        "agent": [
            {
                "type": {"coding": [author]},
                "who": response.get("author") or response.get("source") or _SOMEBODY,
            }
        ],
        "entity": [{"role": "source", "what": {"reference": source}}],
    }


def _source(resource: Json) -> str:
    return str(next((one["reference"] for one in resource.get("derivedFrom", [])), ""))


def _is_lesion_of(resource: Json, response: Json) -> bool:
    if resource["resourceType"] != "BodyStructure":
        return False
    groups = range(1, len(response.get("item", [])) + 1)
    return resource["id"] in {_identity("lesion", response["id"], str(number)) for number in groups}


def _identity(*parts: str) -> str:
    """The same parts give the same id everywhere, always."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "|".join(("isodose-intake", *parts))))
