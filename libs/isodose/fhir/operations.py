"""What a service adds to its FHIR API beyond the interactions: named operations such as `$assess`.

https://hl7.org/fhir/R4/operations.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from isodose.fhir.access import Access
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
    may do (None: everything). `patients` is for the handler: those whose record it looked at, for the audit.
    """

    body: Resource | None
    query: Mapping[str, str] = field(default_factory=dict)
    type: str | None = None
    id: str | None = None
    access: Access | None = None
    patients: list[str] = field(default_factory=list)


Outcome = Answer | Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Operation:
    """`name` starts with $. `handle` gets the open work and gives a resource or an Answer."""

    name: str
    handle: Callable[[Any, Call], Outcome]
    level: Literal["system", "type", "instance"] = "system"
    types: tuple[str, ...] = ()
    writes: bool = False
    definition: str = ""
