"""The knowledge of this service as FHIR definitions: the pathway, what it rests on, and each option.

https://hl7.org/fhir/R4/plandefinition.html · https://hl7.org/fhir/R4/library.html
"""

from __future__ import annotations

from typing import Any

from eligibility_scoring import pathway
from eligibility_scoring.arguments import ARGUMENTS
from eligibility_scoring.citations import artifact
from isodose.clinical.knowledge import Knowledge
from isodose.fhir.rest import Operation

Resource = dict[str, Any]


def operation(knowledge: Knowledge, base: str) -> Operation:
    """`$knowledge`: a Bundle of the definitions that results point to."""
    return Operation(name="$knowledge", handle=lambda _work, _call: bundle(knowledge, base))


def bundle(knowledge: Knowledge, base: str) -> Resource:
    """The definitions as a collection."""
    made = [_plan(knowledge, base), _library(knowledge, base), *_activities(knowledge, base)]
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"fullUrl": resource["url"], "resource": resource} for resource in made],
    }


def _plan(knowledge: Knowledge, base: str) -> Resource:
    return {
        **_definition(
            "PlanDefinition", "srs-pathway", "Pathway for brain metastases (Fig. 1)", knowledge, base
        ),
        "library": [f"{base}/Library/eligibility-knowledge"],
        "action": [_node(rule.code, knowledge) for rule in pathway.RULES],
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
    cited = dict.fromkeys(source for entry in knowledge.entries.values() for source in entry.evidence)
    return {
        **_definition(
            "Library", "eligibility-knowledge", "Knowledge on choosing a treatment", knowledge, base
        ),
        "type": {
            "coding": [
                {"system": "http://terminology.hl7.org/CodeSystem/library-type", "code": "logic-library"}
            ]
        },
        "relatedArtifact": [artifact(source) for source in cited],
    }


def _activities(knowledge: Knowledge, base: str) -> list[Resource]:
    return [
        {
            **_definition("ActivityDefinition", argument.code, argument.title, knowledge, base),
            "kind": "ServiceRequest",
            "intent": "proposal",
            "code": {
                "coding": [{"system": f"{base}/CodeSystem/option", "code": argument.code}],
                "text": argument.title,
            },
        }
        for argument in ARGUMENTS
    ]


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
