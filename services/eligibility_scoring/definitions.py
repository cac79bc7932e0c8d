"""The knowledge of this service as FHIR definitions: the pathway, what it rests on, and each option.

https://hl7.org/fhir/R4/plandefinition.html · https://hl7.org/fhir/R4/library.html
"""

from __future__ import annotations

from typing import Any

from eligibility_scoring import pathway
from eligibility_scoring.arguments import ARGUMENTS, Argument
from eligibility_scoring.citations import artifact, artifacts
from isodose.clinical.finding import Citation
from isodose.clinical.knowledge import Knowledge
from isodose.fhir.conformance import extension
from isodose.fhir.rest import Operation

Resource = dict[str, Any]


def operation(knowledge: Knowledge, base: str) -> Operation:
    """`$knowledge`: a Bundle of the definitions that results point to."""
    return Operation(name="$knowledge", handle=lambda _work, _call: bundle(knowledge, base), judges=True)


def bundle(knowledge: Knowledge, base: str) -> Resource:
    """The definitions as a collection."""
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [
            {"fullUrl": resource["url"], "resource": resource} for resource in definitions(knowledge, base)
        ],
    }


def definitions(knowledge: Knowledge, base: str) -> list[Resource]:
    """The pathway, the knowledge it rests on, and each option, each with the id that its URL ends in."""
    return [_plan(knowledge, base), _library(knowledge, base), *_activities(knowledge, base)]


def extensions(base: str) -> list[Resource]:
    """What results say of an option beyond the elements of R4."""
    action, whole = "RequestGroup.action", "RequestGroup"
    parts = {"code": "code", "points": "integer", "given": "integer"}
    return [
        extension(base, "option-score", "Score of an option, 0 to 100", action, "integer"),
        extension(base, "option-score-bound", "Lowest and highest score that can result", action, "Range"),
        extension(base, "option-criterion", "A criterion with its points and those given", action, parts),
        extension(base, "no-treatment-waits", "No option leads as no treatment waits", whole, "boolean"),
    ]


def _plan(knowledge: Knowledge, base: str) -> Resource:
    return {
        **_definition(
            "PlanDefinition", "srs-pathway", "Pathway for brain metastases (Fig. 1)", knowledge, base
        ),
        "library": [f"{base}/Library/eligibility-knowledge"],
        "action": [
            *(_node(rule.code, knowledge) for rule in pathway.RULES),
            *(_option(argument, base) for argument in ARGUMENTS),
        ],
    }


def _option(argument: Argument, base: str) -> Resource:
    return {
        "id": argument.code,
        "title": argument.title,
        "textEquivalent": f"What would change it: {argument.change}",
        "definitionCanonical": f"{base}/ActivityDefinition/{argument.code}",
    }


def _node(code: str, knowledge: Knowledge) -> Resource:
    entry = knowledge.entry(code)
    return {
        "id": code,
        "title": code,
        "description": entry.statement,
        "textEquivalent": entry.action,
        "documentation": [artifact(source) for source in entry.evidence],
    }


def _library(knowledge: Knowledge, base: str) -> Resource:
    cited: dict[Citation, list[str]] = {}
    for code, entry in sorted(knowledge.entries.items()):
        for source in entry.evidence:
            cited.setdefault(source, []).append(code)
    return {
        **_definition(
            "Library", "eligibility-knowledge", "Knowledge on choosing a treatment", knowledge, base
        ),
        "type": {
            "coding": [
                {"system": "http://terminology.hl7.org/CodeSystem/library-type", "code": "logic-library"}
            ]
        },
        "relatedArtifact": [
            {**artifact(source), "display": ", ".join(codes)} for source, codes in cited.items()
        ],
    }


def _activities(knowledge: Knowledge, base: str) -> list[Resource]:
    return [
        {
            **_definition("ActivityDefinition", argument.code, argument.title, knowledge, base),
            "library": [f"{base}/Library/eligibility-knowledge"],
            "relatedArtifact": _cited(argument, knowledge),
            "kind": "ServiceRequest",
            "intent": "proposal",
            "code": {
                "coding": [{"system": f"{base}/CodeSystem/option", "code": argument.code}],
                "text": argument.title,
            },
        }
        for argument in ARGUMENTS
    ]


def _cited(argument: Argument, knowledge: Knowledge) -> list[Resource]:
    """The sources of what speaks for and against the option, and of the evidence beside it."""
    spoken = (code.removeprefix("~") for code in (*argument.speaks_for, *argument.speaks_against))
    return artifacts((*spoken, *knowledge.evidence_for(argument.code)), knowledge)


def _definition(kind: str, name: str, title: str, knowledge: Knowledge, base: str) -> Resource:
    return {
        "resourceType": kind,
        "id": name,
        "url": f"{base}/{kind}/{name}",
        "version": knowledge.version,
        "title": title,
        "status": "active",
        "experimental": True,
        "description": f"{title}. Material for decision support that awaits clinical sign-off.",
    }
