"""What a service adds to its FHIR API beyond the interactions: named operations such as `$assess`.

https://hl7.org/fhir/R4/operations.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from isodose.fhir.access import Access
from isodose.fhir.errors import bad_request
from isodose.fhir.interactions import Answer
from isodose.fhir.resources import Resource
from isodose.fhir.store import ResourceStore


class HasResources(Protocol):
    """One transaction over a store; the work of a service is one."""

    @property
    def resources(self) -> ResourceStore: ...


@dataclass(frozen=True, slots=True)
class Call:
    """What an operation was called with: the body, the query, the resource it was called on, and what the
    caller
    may do (None: everything). `patients` are those whose record was looked at, for the audit.
    """

    body: Resource | None
    query: Mapping[str, str] = field(default_factory=dict)
    type: str | None = None
    id: str | None = None
    access: Access | None = None
    patients: list[str] = field(default_factory=list)

    def look_at(self, patient_id: str) -> None:
        """Say that the record of this patient is looked at; raises 403 where the caller may not read it."""
        if self.access is not None:
            self.access.require_patient(patient_id)
        self.patients.append(patient_id)


def parameters_of(body: Resource) -> list[dict[str, Any]]:
    """The parameters of a Parameters resource. Raises 400 where they are no objects with a name."""
    listed = body.data.get("parameter", [])
    if not isinstance(listed, list):
        raise bad_request("parameter is a list.", "Parameters.parameter", code="structure")
    for index, one in enumerate(listed):
        if not isinstance(one, dict) or not isinstance(one.get("name"), str):
            said = "A parameter is an object with a name."
            raise bad_request(said, f"Parameters.parameter[{index}]", code="structure")
    return listed


Outcome = Answer | Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Operation:
    """`name` starts with $. `handle` gets the open work and gives a resource or an Answer.

    One on a resource asks for the right to read it, or to update it when it `writes`; another one for a right
    on everything, unless `judges` says that the handler itself calls `look_at` for each patient it looks at.
    `definition` is the address of one that HL7 defines; else `summary` and `parameters` (name, use, least,
    most,
    type) are published as our own. `media_type` is that of the answer where it is not FHIR.
    """

    name: str
    handle: Callable[[Any, Call], Outcome]
    level: Literal["system", "type", "instance"] = "system"
    types: tuple[str, ...] = ()
    writes: bool = False
    judges: bool = False
    definition: str = ""
    summary: str = ""
    parameters: tuple[tuple[str, str, int, str, str], ...] = ()
    media_type: str = ""
