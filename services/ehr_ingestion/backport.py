"""The words of the R5 Subscriptions backport, which we speak to the EHR and to our own subscribers alike.

https://hl7.org/fhir/uv/subscriptions-backport/
"""

from __future__ import annotations

from typing import Literal, get_args

Kind = Literal["handshake", "heartbeat", "event-notification", "query-status", "query-event"]
KINDS: tuple[Kind, ...] = get_args(Kind)
CONTENTS = ("empty", "id-only", "full-resource")
"""How much a notification tells, from the least."""
_BASE = "http://hl7.org/fhir/uv/subscriptions-backport"


def structure(name: str) -> str:
    """The address of a profile or an extension of the backport."""
    return f"{_BASE}/StructureDefinition/backport-{name}"


def operation(name: str) -> str:
    """The address of the definition of an operation on Subscriptions."""
    return f"{_BASE}/OperationDefinition/backport-subscription-{name}"
