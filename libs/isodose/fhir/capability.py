"""What this server can do, told in FHIR's own words: the CapabilityStatement.

https://hl7.org/fhir/R4/capabilitystatement.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from isodose.fhir.definitions import resource_types
from isodose.fhir.operations import Operation
from isodose.fhir.search_parameters import parameters

RELEASED = "2026-11-23"
_INTERACTIONS = ("read", "vread", "update", "delete", "history-instance", "create", "search-type")
_OWN = {
    "$validate": "http://hl7.org/fhir/OperationDefinition/Resource-validate",
    "$everything": "http://hl7.org/fhir/OperationDefinition/Patient-everything",
}


def statement(base: str, title: str, operations: Sequence[Operation]) -> dict[str, Any]:
    """The same for every call, so that its ETag changes only when the server does."""
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": RELEASED,
        "kind": "instance",
        "software": {"name": "Isodose"},
        "implementation": {"description": title, "url": base},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "json"],
        "rest": [
            {
                "mode": "server",
                "resource": [_resource(name, operations) for name in sorted(resource_types())],
                "interaction": [{"code": "transaction"}, {"code": "batch"}],
                "operation": [_operation(base, one) for one in operations if one.level == "system"],
            }
        ],
    }


def compact(statement: dict[str, Any]) -> dict[str, Any]:
    """Without the empty lists that FHIR does not allow."""
    rest = [{name: value for name, value in one.items() if value} for one in statement["rest"]]
    return {**statement, "rest": rest}


def _resource(name: str, operations: Sequence[Operation]) -> dict[str, Any]:
    own = [{"name": "validate", "definition": _OWN["$validate"]}]
    if name == "Patient":
        own.append({"name": "everything", "definition": _OWN["$everything"]})
    own += [_operation("", one) for one in operations if one.level != "system" and name in one.types]
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
        "searchParam": [
            {"name": "_id", "type": "token"},
            {"name": "_lastUpdated", "type": "date"},
            *(
                {"name": one.name, "type": "reference" if one.kind == "patient" else one.kind}
                for one in parameters(name).values()
            ),
        ],
        "operation": own,
    }


def _operation(base: str, operation: Operation) -> dict[str, str]:
    name = operation.name.removeprefix("$")
    return {"name": name, "definition": operation.definition or f"{base}/OperationDefinition/{name}"}
