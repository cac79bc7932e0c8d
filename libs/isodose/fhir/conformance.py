"""The definitions that a server publishes of what it adds to R4: search parameters, operations, code systems.

https://hl7.org/fhir/R4/conformance-module.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from isodose.fhir.access import APART
from isodose.fhir.criteria import MODIFIERS, PREFIXED, PREFIXES
from isodose.fhir.definitions import resource_types
from isodose.fhir.operations import Operation
from isodose.fhir.r4_search import standard
from isodose.fhir.search_parameters import Parameter, parameters

Json = dict[str, Any]
RELEASED = "2026-11-25"


def search_parameters(base: str) -> list[Json]:
    """A SearchParameter for each that R4 does not define."""
    return [
        _search_parameter(base, kind, parameter)
        for kind in sorted(resource_types() - {APART})
        for name, parameter in sorted(parameters(kind).items())
        if name not in standard(kind)
    ]


def operation_definitions(base: str, operations: Iterable[Operation]) -> list[Json]:
    """An OperationDefinition for each operation that HL7 does not define."""
    return [_operation(base, one) for one in operations if not one.definition]


def code_system(
    base: str, id: str, title: str, concepts: Iterable[Mapping[str, str]], *, whole: bool = True
) -> Json:
    """A CodeSystem of our own; a concept has code, and display and definition where there is more to say.
    `whole` is false where other services publish more of the same system.
    """
    listed = [{name: value for name, value in one.items() if value} for one in concepts]
    content = {"content": "complete", "count": len(listed)} if whole else {"content": "fragment"}
    named = {"caseSensitive": True, "valueSet": f"{base}/ValueSet/{id}"}
    return _published("CodeSystem", base, id, title) | named | content | {"concept": listed}


def value_set(base: str, id: str, title: str, include: Sequence[Json] = ()) -> Json:
    """A ValueSet of these codes; of the whole code system of the same id where none are given."""
    included = list(include) or [{"system": f"{base}/CodeSystem/{id}"}]
    return _published("ValueSet", base, id, title) | {"compose": {"include": included}}


def profile(base: str, id: str, title: str, kind: str, elements: Iterable[Json]) -> Json:
    """A StructureDefinition that asks more of a resource type than R4 does, element by element."""
    listed = [{"id": kind, "path": kind}, *({"id": one["path"], **one} for one in elements)]
    return _published("StructureDefinition", base, id, title) | {
        "fhirVersion": "4.0.1",
        "kind": "resource",
        "abstract": False,
        "type": kind,
        "baseDefinition": f"http://hl7.org/fhir/StructureDefinition/{kind}",
        "derivation": "constraint",
        "differential": {"element": listed},
    }


def extension(base: str, id: str, title: str, on: str, content: str | Mapping[str, str]) -> Json:
    """The definition of an extension of the type `on`: of one value, or of named parts with their types."""
    published = _published("StructureDefinition", base, id, title)
    elements: list[Json] = [{"id": "Extension", "path": "Extension"}]
    if isinstance(content, str):
        elements += [
            {"id": "Extension.url", "path": "Extension.url", "fixedUri": published["url"]},
            {"id": "Extension.value[x]", "path": "Extension.value[x]", "min": 1, "type": [{"code": content}]},
        ]
    else:
        for name, kind in content.items():
            part = f"Extension.extension:{name}"
            elements += [
                {"id": part, "path": "Extension.extension", "sliceName": name, "max": "1"},
                {"id": f"{part}.url", "path": "Extension.extension.url", "fixedUri": name},
                {
                    "id": f"{part}.value[x]",
                    "path": "Extension.extension.value[x]",
                    "min": 1,
                    "type": [{"code": kind}],
                },
            ]
        elements += [
            {"id": "Extension.url", "path": "Extension.url", "fixedUri": published["url"]},
            {"id": "Extension.value[x]", "path": "Extension.value[x]", "max": "0"},
        ]
    return published | {
        "fhirVersion": "4.0.1",
        "kind": "complex-type",
        "abstract": False,
        "context": [{"type": "element", "expression": on}],
        "type": "Extension",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Extension",
        "derivation": "constraint",
        "differential": {"element": elements},
    }


def _published(kind: str, base: str, id: str, title: str) -> Json:
    name = "".join(part.capitalize() for part in id.replace("_", "-").split("-"))
    return {
        "resourceType": kind,
        "id": id.replace("_", "-"),
        "url": f"{base}/{kind}/{id.replace('_', '-')}",
        "name": name,
        "title": title,
        "status": "active",
        "experimental": False,
        "date": RELEASED,
    }


def _search_parameter(base: str, kind: str, parameter: Parameter) -> Json:
    spoken = "reference" if parameter.kind == "patient" else parameter.kind
    paths = " | ".join(f"{kind}.{'.'.join(path)}" for path in parameter.paths)
    published = _published("SearchParameter", base, f"{kind}-{parameter.name}", "")
    published.pop("title")
    target = {"target": ["Patient"]} if parameter.kind == "patient" else {}
    modifiers = [one for one in MODIFIERS[parameter.kind] if one != "of-type"]
    return published | {
        "name": f"{kind}{parameter.name.title().replace('-', '')}",
        "description": f"{parameter.name} of {kind}, which R4 does not define.",
        "code": parameter.name,
        "base": [kind],
        "type": spoken,
        "expression": paths,
        **target,
        **({"modifier": modifiers} if modifiers else {}),
        **({"comparator": list(PREFIXES)} if parameter.kind in PREFIXED else {}),
    }


def _operation(base: str, operation: Operation) -> Json:
    code = operation.name.removeprefix("$")
    published = _published("OperationDefinition", base, code, operation.summary or operation.name)
    types = {"resource": list(operation.types)} if operation.types else {}
    listed = [
        {"name": name, "use": use, "min": least, "max": most, "type": kind}
        for name, use, least, most, kind in operation.parameters
    ]
    return {
        **published,
        "kind": "operation",
        "affectsState": operation.writes,
        "code": code,
        **types,
        "system": operation.level == "system",
        "type": operation.level == "type",
        "instance": operation.level == "instance",
        **({"parameter": listed} if listed else {}),
    }
