"""What each hook puts into `context`, read strictly: a call we misread would be advice about something else.

Specification: the hook pages of the CDS Hooks library, https://cds-hooks.org/hooks/.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from isodose.cds_hooks.hook import Resource
from isodose.fhir.errors import FhirError, Issue

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_REFERENCE = re.compile(r"[A-Z][A-Za-z]+/[^/\s]+")
_BUNDLES = {"order-select": "draftOrders", "order-sign": "draftOrders", "appointment-book": "appointments"}
_TOKENS = ("userId", "patientId", "encounterId")
_USERS = {
    "Practitioner": "userPractitionerId",
    "PractitionerRole": "userPractitionerRoleId",
    "Patient": "userPatientId",
    "RelatedPerson": "userRelatedPersonId",
}


@dataclass(frozen=True, slots=True)
class Placed:
    """A resource and the FHIRPath-like place in the request where it stood."""

    resource: Resource = field(repr=False)
    place: str


@dataclass(frozen=True, slots=True)
class HookContext:
    """The context of one call. `tokens` are what a prefetch template may name."""

    patient_id: str
    tokens: Mapping[str, str]
    drafts: tuple[Placed, ...] = ()
    appointments: tuple[Placed, ...] = ()
    selections: tuple[str, ...] = ()


def read_context(hook: str, context: Mapping[str, Any]) -> HookContext:
    """The context of `hook`. Raises `FhirError` 400 naming every member missing or of a wrong kind."""
    issues: list[Issue] = []
    patient_id = context.get("patientId")
    if not isinstance(patient_id, str) or not _ID.fullmatch(patient_id):
        issues.append(_wrong("context.patientId", "must be the bare id of the patient, without `Patient/`"))
    user_id = context.get("userId")
    if not isinstance(user_id, str) or not _REFERENCE.fullmatch(user_id):
        issues.append(_wrong("context.userId", "must be a reference such as `Practitioner/123`"))
    placed: tuple[Placed, ...] = ()
    member = _BUNDLES.get(hook, "")
    if member:
        placed = _bundle(context.get(member), f"context.{member}", issues)
    selections = _selections(context, placed, issues) if hook == "order-select" else ()
    if issues:
        raise FhirError(400, issues)
    return HookContext(
        patient_id=str(patient_id),
        tokens=_tokens(context),
        drafts=placed if member == "draftOrders" else (),
        appointments=placed if member == "appointments" else (),
        selections=selections,
    )


def _tokens(context: Mapping[str, Any]) -> dict[str, str]:
    tokens = {f"context.{name}": context[name] for name in _TOKENS if isinstance(context.get(name), str)}
    kind, _, identity = str(context["userId"]).partition("/")
    if kind in _USERS:
        tokens[_USERS[kind]] = identity
    return tokens


def _bundle(value: Any, place: str, issues: list[Issue]) -> tuple[Placed, ...]:
    if not isinstance(value, dict) or value.get("resourceType") != "Bundle":
        issues.append(_wrong(place, "must be a FHIR Bundle"))
        return ()
    return bundle_entries(value, place, issues)


def bundle_entries(bundle: Mapping[str, Any], place: str, issues: list[Issue]) -> tuple[Placed, ...]:
    """The resources of a Bundle with their places; what is no entry with a resource becomes an issue."""
    entries = bundle.get("entry", [])
    if not isinstance(entries, list):
        issues.append(_wrong(f"{place}.entry", "must be an array"))
        return ()
    found = []
    for index, entry in enumerate(entries):
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if isinstance(resource, dict) and isinstance(resource.get("resourceType"), str):
            found.append(Placed(resource, f"{place}.entry[{index}].resource"))
        else:
            issues.append(_wrong(f"{place}.entry[{index}].resource", "must be a FHIR resource"))
    return tuple(found)


def _selections(
    context: Mapping[str, Any], drafts: tuple[Placed, ...], issues: list[Issue]
) -> tuple[str, ...]:
    selections = context.get("selections")
    if not isinstance(selections, list) or not selections:
        issues.append(_wrong("context.selections", "must name at least one of the draft orders"))
        return ()
    known = {f"{draft.resource['resourceType']}/{draft.resource.get('id')}" for draft in drafts}
    for index, selection in enumerate(selections):
        if selection not in known:
            issues.append(_wrong(f"context.selections[{index}]", "must name an order in context.draftOrders"))
    return tuple(map(str, selections))


def _wrong(place: str, must: str) -> Issue:
    return Issue("invalid", f"{place} {must}.", (place,))
