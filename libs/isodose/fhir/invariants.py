"""What a schema cannot say and matters here: the invariants of R4 that a decision would trip over.

https://hl7.org/fhir/R4/condition.html#invs · observation.html#invs · references.html#contained
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import orjson

from isodose.fhir.errors import Issue
from isodose.fhir.references import located, pointers

Json = dict[str, Any]
_ABATEMENT = frozenset(f"abatement{kind}" for kind in ("DateTime", "Age", "Period", "Range", "String"))


def broken(resource: Json, path: str) -> Iterator[Issue]:
    """Issues of one resource that already fits its schema. Warnings are told, not refused."""
    text = orjson.dumps(resource)
    if b"null" in text:
        yield from _nulls_without_reason(resource, path)
    if b'"#' in text or "contained" in resource:
        local = {reference[1:] for reference in pointers(resource) if reference[0] == "#"} - {""}
        yield from _contained(resource, path, local)
    rule = _RULES.get(resource["resourceType"])
    if rule is not None:
        yield from rule(resource, path)


def is_sound(resource: Json) -> bool:
    """Whether a resource without nulls, contained resources and `#` references breaks none of these rules."""
    rule = _RULES.get(resource["resourceType"])
    return rule is None or all(issue.severity != "error" for issue in rule(resource, ""))


def _contained(resource: Json, path: str, local: set[str]) -> Iterator[Issue]:
    contained = resource.get("contained", [])
    ids = {one.get("id") for one in contained}
    if not local <= ids:
        for where, reference in located(resource, path):
            if reference.startswith("#") and reference != "#" and reference[1:] not in ids:
                yield Issue("not-found", "No contained resource has this id (ref-1); contain it.", (where,))
    for index, one in enumerate(contained):
        where = f"{path}.contained[{index}]"
        if "contained" in one:
            yield Issue(
                "invariant", "A contained resource contains nothing itself (dom-2).", (f"{where}.contained",)
            )
        if {"versionId", "lastUpdated"} & one.get("meta", {}).keys():
            yield Issue(
                "invariant", "A contained resource has no version of its own (dom-4).", (f"{where}.meta",)
            )
        if one.get("id") not in local and "#" not in pointers(one):
            yield Issue(
                "invariant", "Nothing refers to this contained resource (dom-3).", (where,), "warning"
            )


def _nulls_without_reason(node: Any, path: str) -> Iterator[Issue]:
    """A null in a list keeps the place of a value whose `_name` sibling holds its extension."""
    if isinstance(node, list):
        for index, value in enumerate(node):
            yield from _nulls_without_reason(value, f"{path}[{index}]")
    elif isinstance(node, dict):
        for name, value in node.items():
            yield from _nulls_without_reason(value, f"{path}.{name}")
            if isinstance(value, list) and None in value:
                yield from _unexplained(value, node.get(_sibling(name)), f"{path}.{name}")


def _unexplained(values: list[Any], others: Any, path: str) -> Iterator[Issue]:
    for index, value in enumerate(values):
        explained = isinstance(others, list) and index < len(others) and others[index] is not None
        if value is None and not explained:
            yield Issue("structure", "FHIR has no null values: leave the element out.", (f"{path}[{index}]",))


def _sibling(name: str) -> str:
    return name[1:] if name.startswith("_") else f"_{name}"


def _condition(resource: Json, path: str) -> Iterator[Issue]:
    abated = not _ABATEMENT.isdisjoint(resource)
    if "clinicalStatus" in resource and "verificationStatus" not in resource and not abated:
        return
    in_error = "entered-in-error" in _codes(resource, "verificationStatus")
    if "clinicalStatus" not in resource:
        listed = any(
            "problem-list-item" in _coding_codes(category) for category in resource.get("category", ())
        )
        if listed and not in_error:
            yield Issue(
                "invariant", "A problem-list item should have a clinicalStatus (con-3).", (path,), "warning"
            )
    elif in_error:
        yield Issue(
            "invariant",
            "An entry made in error has no clinicalStatus (con-5); leave it out.",
            (f"{path}.clinicalStatus",),
        )
    if abated and _codes(resource, "clinicalStatus").isdisjoint(("inactive", "resolved", "remission")):
        yield Issue(
            "invariant",
            "What has abated is inactive, resolved or in remission (con-4); set clinicalStatus so.",
            (f"{path}.clinicalStatus",),
        )


def _observation(resource: Json, path: str) -> Iterator[Issue]:
    if "dataAbsentReason" not in resource and "component" not in resource:
        return
    value = next((name for name in resource if name.startswith("value")), None)
    if value is None:
        return
    if "dataAbsentReason" in resource:
        yield Issue(
            "invariant",
            "A value and a reason for its absence exclude each other (obs-6); leave one out.",
            (f"{path}.dataAbsentReason",),
        )
    code = _codings(resource.get("code", {}))
    if any(code & _codings(component.get("code", {})) for component in resource.get("component", [])):
        yield Issue(
            "invariant",
            "An observation has no value of its own when a component has its code (obs-7); keep one of them.",
            (f"{path}.{value}",),
        )


def _version(resource: Any) -> str | None:
    """The version that an entry's resource states; the resource itself need not be valid yet."""
    meta = resource.get("meta") if isinstance(resource, dict) else None
    version = meta.get("versionId") if isinstance(meta, dict) else None
    return version if isinstance(version, str) else None


def _bundle(resource: Json, path: str) -> Iterator[Issue]:
    """bdl-7: a fullUrl stands once, unless two versions of one resource are told apart by meta.versionId."""
    urls = [entry["fullUrl"] for entry in resource.get("entry", ()) if "fullUrl" in entry]
    if len(set(urls)) == len(urls):
        return
    seen: set[tuple[Any, Any]] = set()
    for index, entry in enumerate(resource.get("entry", [])):
        url = entry.get("fullUrl")
        key = (url, _version(entry.get("resource")))
        if url is not None and key in seen and resource.get("type") != "history":
            yield Issue(
                "invariant",
                "Two entries have the same fullUrl (bdl-7); make it unique.",
                (f"{path}.entry[{index}].fullUrl",),
            )
        seen.add(key)


def _codes(resource: Json, element: str) -> set[Any]:
    return _coding_codes(resource.get(element, {}))


def _coding_codes(concept: Json) -> set[Any]:
    return {coding.get("code") for coding in concept.get("coding", ())}


def _codings(concept: Json) -> set[tuple[Any, Any]]:
    return {
        (coding.get("system"), coding.get("code")) for coding in concept.get("coding", []) if "code" in coding
    }


_RULES: dict[str, Callable[[Json, str], Iterator[Issue]]] = {
    "Bundle": _bundle,
    "Condition": _condition,
    "Observation": _observation,
}
