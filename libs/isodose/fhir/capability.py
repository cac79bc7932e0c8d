"""What this server can do, told in FHIR's own words; a test holds the statement to what it does.

https://hl7.org/fhir/R4/capabilitystatement.html
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from isodose.fhir import audit_trail
from isodose.fhir.access import APART
from isodose.fhir.conformance import RELEASED
from isodose.fhir.criteria import MODIFIERS, REFERENCES
from isodose.fhir.definitions import resource_types
from isodose.fhir.negotiation import FHIR_JSON
from isodose.fhir.operations import Operation
from isodose.fhir.patching import JSON_PATCH
from isodose.fhir.r4_search import standard
from isodose.fhir.resources import BASE
from isodose.fhir.search_parameters import parameters

Json = dict[str, Any]
_INTERACTIONS = (
    "read", "vread", "update", "patch", "delete", "history-instance", "history-type", "create", "search-type",
)  # fmt: skip
_HL7 = "http://hl7.org/fhir/OperationDefinition"
_OF_WRITING = ("updateCreate", "conditionalCreate", "conditionalUpdate", "conditionalDelete")
_TOPIC = (
    "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"
    "capabilitystatement-subscriptiontopic-canonical"
)
_EVERY_SEARCH = ("_id", "_lastUpdated")
_MODIFIERS = "Modifiers of search parameters. " + "; ".join(
    f"{kind}: {' '.join(f':{one}' for one in known)}"
    for kind, known in MODIFIERS.items()
    if known and kind != "patient"
)
_OAUTH = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"


def statement(
    base: str,
    title: str,
    operations: Sequence[Operation],
    *,
    smart: Json | None = None,
    canonical: str = BASE,
    read_only: Collection[str] = (),
    topics: Sequence[str] = (),
) -> Json:
    """The same for every call, so that its ETag changes only when the server does.

    Types in `read_only` are written by nobody; `topics` may be subscribed to.
    """
    rest: Json = {
        "mode": "server",
        "security": _security(smart),
        "resource": [
            _topical(_read_only(one) if one["type"] in read_only else one, topics)
            for one in (_resource(name, operations, canonical) for name in sorted(resource_types()))
        ],
        "documentation": _MODIFIERS,
        "interaction": [{"code": "transaction"}, {"code": "batch"}, {"code": "history-system"}],
        "operation": [
            {"name": "validate", "definition": f"{_HL7}/Resource-validate"},
            *(_operation(one, canonical) for one in operations if one.level == "system"),
        ],
    }
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": RELEASED,
        "kind": "instance",
        "software": {"name": "Isodose"},
        "implementation": {"description": title, "url": base},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "json"],
        "patchFormat": [FHIR_JSON, JSON_PATCH],
        "rest": [rest],
    }


def _security(smart: Json | None) -> Json:
    if smart is None:
        return {"description": "No access control: this server listens on the loopback interface only."}
    endpoints = {"token": smart.get("token_endpoint"), "authorize": smart.get("authorization_endpoint")}
    uris = [{"url": name, "valueUri": value} for name, value in endpoints.items() if value]
    security: Json = {
        "cors": True,
        "service": [
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
                        "code": "SMART-on-FHIR",
                    }
                ]
            }
        ],
        "description": "SMART on FHIR: see .well-known/smart-configuration.",
    }
    return security | ({"extension": [{"url": _OAUTH, "extension": uris}]} if uris else {})


def _resource(name: str, operations: Sequence[Operation], canonical: str) -> Json:
    if name == APART:
        return {
            "type": name,
            "interaction": [{"code": "read"}, {"code": "search-type"}],
            "versioning": "no-version",
            "searchParam": [
                {"name": "_id", "type": "token"},
                *({"name": key, "type": kind} for key, kind in sorted(audit_trail.PARAMETERS.items())),
            ],
        }
    own = [{"name": "validate", "definition": f"{_HL7}/Resource-validate"}]
    if name == "Patient":
        own.append({"name": "everything", "definition": f"{_HL7}/Patient-everything"})
    own += [_operation(one, canonical) for one in operations if one.level != "system" and name in one.types]
    pointing = [one.name for one in parameters(name).values() if one.kind in REFERENCES]
    includes = [f"{name}:{parameter}" for parameter in pointing]
    return {
        "type": name,
        "interaction": [{"code": code} for code in _INTERACTIONS],
        "versioning": "versioned",
        "readHistory": True,
        "updateCreate": True,
        "conditionalCreate": True,
        "conditionalRead": "full-support",
        "conditionalUpdate": True,
        "conditionalDelete": "single",
        **({"searchInclude": ["*", *includes]} if includes else {}),
        **({"searchRevInclude": _pointing_to(name)} if _pointing_to(name) else {}),
        "searchParam": _search_parameters(name, canonical),
        "operation": own,
    }


def _read_only(resource: Json) -> Json:
    writing = {"create", "update", "patch", "delete"}
    kept = {name: value for name, value in resource.items() if name not in _OF_WRITING}
    return kept | {"interaction": [one for one in resource["interaction"] if one["code"] not in writing]}


def _topical(resource: Json, topics: Sequence[str]) -> Json:
    if resource["type"] != "Subscription" or not topics:
        return resource
    return resource | {"extension": [{"url": _TOPIC, "valueCanonical": topic} for topic in topics]}


def _pointing_to(name: str) -> list[str]:
    """The references of other listed types that R4 lets point here, for `_revinclude`."""
    return [
        f"{source}:{parameter.name}"
        for source in sorted(resource_types())
        if source != APART
        for parameter in parameters(source).values()
        if parameter.kind in REFERENCES and name in _targets(source, parameter.name, parameter.kind)
    ]


def _targets(source: str, name: str, kind: str) -> tuple[str, ...]:
    if kind == "patient":
        return ("Patient",)
    defined = standard(source).get(name)
    return defined.targets if defined is not None else ()


def _search_parameters(kind: str, canonical: str) -> list[Json]:
    defined = standard(kind)
    listed = [
        {"name": name, "definition": defined[name].url, "type": defined[name].kind} for name in _EVERY_SEARCH
    ]
    for one in parameters(kind).values():
        at = defined.get(one.name)
        spoken = "reference" if one.kind == "patient" else one.kind
        url = at.url if at is not None else f"{canonical}/SearchParameter/{kind}-{one.name}"
        listed.append({"name": one.name, "definition": url, "type": at.kind if at is not None else spoken})
    return listed


def _operation(operation: Operation, canonical: str) -> dict[str, str]:
    name = operation.name.removeprefix("$")
    return {"name": name, "definition": operation.definition or f"{canonical}/OperationDefinition/{name}"}
