"""SMART scopes, version 1 and 2, as what they allow.

https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import parse_qsl

from isodose.fhir.access import APART, Access, Grant
from isodose.fhir.definitions import resource_types
from isodose.fhir.errors import FhirError
from isodose.fhir.search_query import parse

_SCOPE = re.compile(
    r"(?P<context>patient|user|system)/(?P<type>[A-Za-z]+|\*)\.(?P<rights>read|write|\*|c?r?u?d?s?)(?:\?(?P<query>.+))?"
)
_VERSION_1 = {"read": "rs", "write": "cud", "*": "cruds"}


def access_of(scopes: Iterable[str], patient: str | None) -> Access:
    """What these scopes allow; `patient` is the one in the launch context.

    A scope that is not understood allows nothing, and so does a patient/ scope without a patient.
    """
    grants = (_grant(scope, patient) for scope in scopes)
    return Access(tuple(grant for grant in grants if grant is not None))


def _grant(scope: str, patient: str | None) -> Grant | None:
    found = _SCOPE.fullmatch(scope)
    if found is None or not found["rights"]:
        return None
    kind, query = found["type"], tuple(parse_qsl(found["query"] or "", keep_blank_values=True))
    of_patient = found["context"] == "patient"
    if kind != "*" and kind not in resource_types():
        return None
    if of_patient and (patient is None or kind == APART):
        return None
    if query and (kind == "*" or not _searchable(kind, query)):
        return None
    rights = _VERSION_1.get(found["rights"], found["rights"])
    return Grant(kind, rights, patient if of_patient else None, query)


def _searchable(kind: str, query: tuple[tuple[str, str], ...]) -> bool:
    """Whether every restriction is understood: one that is not would allow too much if it were left out."""
    try:
        understood = parse(kind, query, strict=True)
    except FhirError:
        return False
    return len(understood.criteria) == len(query)
