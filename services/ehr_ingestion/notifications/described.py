"""What the addresses for the EHR's notifications say of themselves in OpenAPI."""

from __future__ import annotations

from typing import Any

from isodose.fhir.negotiation import FHIR_JSON
from isodose.openapi import answer, described, named, operation, parameter, refusals

Json = dict[str, Any]
_NAME = parameter("name", "path", "The Subscription's name here")
_TYPE = parameter("type", "path", "A resource type of R4", named("ResourceType"))
_ID = parameter("id", "path", "The id of the resource at the EHR")
_BODY: Json = {"required": False, "content": {FHIR_JSON: {"schema": named("Resource")}}}
_TAKEN = answer("It is taken; a warning counts what was not kept", FHIR_JSON, named("OperationOutcome"))
_REFUSED = {400, 401, 403, 404, 413, 415, 422, 429, 500, 503}


def _told(summary: str, *parameters: Json, body: Json | None = _BODY) -> Json:
    answers = {"200": _TAKEN, **refusals(_REFUSED)}
    return operation(summary, answers, tag="notifications", parameters=parameters, body=body)


_NOTIFIED = _told("A notification of the EHR: nothing, a Bundle or a resource", _NAME)
NOTIFIED = described(post=_NOTIFIED, put=_NOTIFIED)
SENT = described(post=_told("A resource that changed at the EHR", _NAME, _TYPE))
_ONE = _told("A resource that changed at the EHR, by its id", _NAME, _TYPE, _ID)
SENT_BY_ID = described(post=_ONE, put=_ONE)
DELETED = described(delete=_told("A resource was deleted at the EHR", _NAME, _TYPE, _ID, body=None))
