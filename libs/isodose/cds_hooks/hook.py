"""What a CDS service is and what it is asked: the seam between the protocol and a decision service."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from isodose.cds_hooks.models import Card

Resource = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Prefetch:
    """One prefetch template: a FHIR read or search relative to the FHIR base. Only `{{context.x}}` of a
    primitive member of the context may stand in it.
    """

    query: str
    required: bool = False


Recall = Callable[[Sequence[tuple[str, str]]], Mapping[tuple[str, str], Resource]]
"""The resources of the service's own store by type and id, those that are there."""


def _nothing_kept(_keys: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], Resource]:
    return {}


@dataclass(frozen=True, slots=True)
class HookCall:
    """One call, with everything it brought or that was fetched for it.

    `resources` are those of prefetch and of the context (draft orders, appointments), each once; a draft wins
    over a prefetched resource of the same identity. `drafts` are the draft orders alone, `selections` the
    references newly picked in order-select. `unavailable` names the prefetch keys of which not everything is
    known; a key known to be empty is not among them. `recall` reads what the service itself keeps, such as
    what was answered to an earlier card; it finds nothing where the store is away.
    """

    service: str
    hook: str
    hook_instance: str
    patient_id: str
    on: dt.date
    context: Mapping[str, Any] = field(repr=False)
    resources: Sequence[Resource] = field(repr=False)
    drafts: Sequence[Resource] = field(default=(), repr=False)
    appointments: Sequence[Resource] = field(default=(), repr=False)
    selections: tuple[str, ...] = ()
    unavailable: tuple[str, ...] = ()
    worklist_url: str = ""
    recall: Recall = field(default=_nothing_kept, repr=False)


@dataclass(frozen=True, slots=True)
class CdsService:
    """One service on one hook. `answer` decides from the call alone: no write, no log, no clock."""

    id: str
    hook: str
    title: str
    description: str
    prefetch: Mapping[str, Prefetch]
    answer: Callable[[HookCall], Sequence[Card]] = field(repr=False)
    usage_requirements: str = ""

    def described(self) -> dict[str, Any]:
        """The service as discovery lists it."""
        entry: dict[str, Any] = {
            "hook": self.hook,
            "id": self.id,
            "title": self.title,
            "description": self.description,
        }
        if self.prefetch:
            entry["prefetch"] = {key: wanted.query for key, wanted in self.prefetch.items()}
        if self.usage_requirements:
            entry["usageRequirements"] = self.usage_requirements
        return entry


def discovery(services: Iterable[CdsService]) -> dict[str, Any]:
    """The discovery document. Raises `ValueError` where two services claim the same id on the same hook."""
    return merged([{"services": [service.described() for service in services]}])


def merged(documents: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """One discovery document of several. Raises `ValueError` where two entries have one id and one hook."""
    entries = [entry for document in documents for entry in document["services"]]
    claimed: set[tuple[str, str]] = set()
    for entry in entries:
        name = (entry["id"], entry["hook"])
        if name in claimed:
            raise ValueError(f"two CDS services are called {name[0]} on {name[1]}")
        claimed.add(name)
    return {"services": entries}
