"""The form as a FHIR Questionnaire with the extensions of SDC, made of the fact vocabulary.

https://hl7.org/fhir/uv/sdc/STU3 · https://hl7.org/fhir/R4/questionnaire.html
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from isodose.clinical import facts
from isodose.clinical.facts import FactDefinition
from isodose.clinical.record import Scope
from isodose.clinical.terminology import official_uri, value_set
from isodose.clinical.written import parsed
from isodose.fhir.conformance import RELEASED

Json = dict[str, Any]
ID = "isodose-intake"
AS_OF, SITE, SIDE = "as_of", "lesion_site", "lesion_side"
FOCUS: dict[Scope, tuple[str, tuple[str, ...]]] = {
    "lesion": ("lesion", ("BodyStructure", "Condition")),
    "plan": ("plan", ("ServiceRequest",)),
    "imaging": ("imaging", ("ImagingStudy", "DiagnosticReport")),
}
"""For each scope that is repeated: the linkId of its group, and what a group may be about."""
_CORE = "http://hl7.org/fhir/StructureDefinition"
_SDC = "http://hl7.org/fhir/uv/sdc/StructureDefinition"
TYPES = {"boolean": "boolean", "integer": "integer", "number": "decimal", "enum": "choice", "date": "date"}
"""The type of a question, by that of its fact."""
VALUES = {
    "boolean": "valueBoolean",
    "integer": "valueInteger",
    "decimal": "valueDecimal",
    "choice": "valueCoding",
    "date": "valueDate",
    "reference": "valueReference",
}
"""The element of an answer, by the type of its question."""
_SIDES = ("qualifier_left", "qualifier_right", "qualifier_midline", "qualifier_bilateral")
_NO_SITES = ("meninges", "dura_mater", "cochlea", "vestibulocochlear_nerve", "optic_nerve", "eye", "eye_lens",
             "spinal_cord")  # fmt: skip
_FEW = 4
UCUM = "http://unitsofmeasure.org"
_EVER = {"value": 100, "unit": "a", "system": UCUM, "code": "a"}
"""A value is shown however old it is: with its day, which tells whether it still counts."""


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Facts that are asked together; once for each subject of a scope other than patient."""

    id: str
    title: str
    facts: tuple[str, ...]
    scope: Scope = "patient"


class Condition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The answer to another fact on which a question depends."""

    fact: str
    is_: bool | str = msgspec.field(name="is")


class Layout(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where each fact stands in the form. `not_asked` gives the reason for each that does not."""

    sections: tuple[Section, ...]
    asked_when: dict[str, Condition]
    not_asked: dict[str, str]


@cache
def layout() -> Layout:
    text = files("ehr_ingestion.intake").joinpath("sections.yaml").read_text(encoding="utf-8")
    return msgspec.convert(parsed(text), Layout)


def reference_of(scope: Scope) -> str:
    """The linkId of the question which subject of the record a repeated group is about."""
    return f"{FOCUS[scope][0]}_reference"


@cache
def questionnaire(base: str) -> Json:
    """The Questionnaire at `{base}/Questionnaire/isodose-intake`. Not to be changed by who gets it."""
    items = [_section(section, base) for section in layout().sections]
    return {
        "resourceType": "Questionnaire",
        "id": ID,
        "extension": [_launch_context()],
        "url": f"{base}/Questionnaire/{ID}",
        "version": RELEASED,
        "name": "IsodoseIntake",
        "title": "Facts that no EHR codes",
        "status": "active",
        "experimental": False,
        "subjectType": ["Patient"],
        "date": RELEASED,
        "description": "No answer means that it is not known, which is never read as no.",
        "item": [_as_of(), *items],
    }


def _launch_context() -> Json:
    code = {"system": "http://hl7.org/fhir/uv/sdc/CodeSystem/launchContext", "code": "patient"}
    return {
        "url": f"{_SDC}/sdc-questionnaire-launchContext",
        "extension": [
            {"url": "name", "valueCoding": code | {"display": "Patient"}},
            {"url": "type", "valueCode": "Patient"},
        ],
    }


def _as_of() -> Json:
    today = {"language": "text/fhirpath", "expression": "today()"}
    return {
        "extension": [{"url": f"{_SDC}/sdc-questionnaire-initialExpression", "valueExpression": today}],
        "linkId": AS_OF,
        "text": "The day for which the answers hold, such as that of the MRI or of the board",
        "type": "date",
        "required": True,
    }


def _section(section: Section, base: str) -> Json:
    asked = [_fact(name, facts.definition(name), base) for name in section.facts]
    group: Json = {"linkId": section.id, "text": section.title, "type": "group"}
    if section.scope == "patient":
        return group | {"item": asked}
    link, kinds = FOCUS[section.scope]
    about: Json = {
        "extension": [
            {"url": f"{_CORE}/questionnaire-referenceResource", "valueCode": kind} for kind in kinds
        ],
        "linkId": reference_of(section.scope),
        "text": "Which one, where the record has it",
        "type": "reference",
    }
    group |= {"linkId": link, "repeats": True}
    if section.scope == "lesion":
        context = {"url": f"{_SDC}/sdc-questionnaire-itemExtractionContext", "valueCode": "BodyStructure"}
        return {"extension": [context]} | group | {"item": [about, *_place(), *asked]}
    return group | {"item": [about, *asked]}


def _place() -> list[Json]:
    """Where a lesion is, asked of one that the record does not have."""
    new = {"enableWhen": [{"question": reference_of("lesion"), "operator": "exists", "answerBoolean": False}]}
    definition = "http://hl7.org/fhir/StructureDefinition/BodyStructure#BodyStructure"
    return [
        {
            "extension": [_control("drop-down")],
            "linkId": SITE,
            "definition": f"{definition}.location",
            "text": "Site of a new lesion",
            "type": "choice",
            **new,
            "required": True,
            "answerOption": [{"valueCoding": coding} for coding in _codings("body_sites", _NO_SITES)],
        },
        {
            "extension": [_control("radio-button")],
            "linkId": SIDE,
            "definition": f"{definition}.locationQualifier",
            "text": "Side of a new lesion",
            "type": "choice",
            **new,
            "answerOption": [{"valueCoding": coding} for coding in _codings("site_qualifiers", only=_SIDES)],
        },
    ]


def place_of(coding: Json) -> Json:
    """A site or a side of the form with the words that the form has for it."""
    options = (o["valueCoding"] for question in _place() for o in question["answerOption"])
    return next(o for o in options if (o["system"], o["code"]) == (coding["system"], coding["code"]))


def _codings(name: str, without: Iterable[str] = (), only: Iterable[str] = ()) -> list[Json]:
    """The first SNOMED CT code of each concept: the preferred one, for the site as such."""
    found: dict[str, Json] = {}
    for concept, code in value_set(name).codes():
        wanted = concept.id in only if only else concept.id not in without
        if wanted and code.system == "snomed" and code.match and concept.id not in found:
            coding = {"system": official_uri("snomed"), "code": code.code, "display": concept.display}
            found[concept.id] = coding
    return list(found.values())


def _fact(name: str, definition: FactDefinition, base: str) -> Json:
    item: Json = {
        "extension": list(_extensions(definition)),
        "linkId": name,
        "code": [{"system": f"{base}/CodeSystem/fact", "code": name, "display": shown(name)}],
        "text": definition.definition,
        "type": TYPES[definition.type],
    }
    if name in layout().asked_when:
        item["enableWhen"] = [_enabled(layout().asked_when[name], base)]
    if definition.values:
        item["answerOption"] = [{"valueCoding": coding_of(value, base)} for value in definition.values]
    return item


def _extensions(definition: FactDefinition) -> Iterable[Json]:
    yield {"url": f"{_SDC}/sdc-questionnaire-observationExtract", "valueBoolean": True}
    yield {"url": f"{_SDC}/sdc-questionnaire-observationLinkPeriod", "valueDuration": _EVER}
    if definition.type in ("boolean", "enum"):
        few = len(definition.values) <= _FEW
        yield _control("radio-button" if few else "drop-down")
    if definition.unit:
        unit = {"system": UCUM, "code": definition.unit, "display": definition.shown_unit}
        yield {"url": f"{_CORE}/questionnaire-unit", "valueCoding": unit}
    kind, number = ("valueInteger", int) if definition.type == "integer" else ("valueDecimal", float)
    if definition.type in ("integer", "number"):
        for url, limit in (("minValue", definition.least), ("maxValue", definition.most)):
            if math.isfinite(limit):
                yield {"url": f"{_CORE}/{url}", kind: number(limit)}


def _control(code: str) -> Json:
    coding = {"system": "http://hl7.org/fhir/questionnaire-item-control", "code": code}
    return {"url": f"{_CORE}/questionnaire-itemControl", "valueCodeableConcept": {"coding": [coding]}}


def _enabled(condition: Condition, base: str) -> Json:
    asked: Json = {"question": condition.fact, "operator": "="}
    if isinstance(condition.is_, bool):
        return asked | {"answerBoolean": condition.is_}
    return asked | {"answerCoding": coding_of(condition.is_, base)}


def coding_of(value: str, base: str) -> Json:
    """A value of a fact as it is published."""
    return {"system": f"{base}/CodeSystem/fact-value", "code": value, "display": shown(value)}


def shown(name: str) -> str:
    return name.replace("_", " ").replace("-", " ")
