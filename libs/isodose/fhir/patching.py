"""JSON Patch of a resource, so that what it does not touch stays as it was written.

https://hl7.org/fhir/R4/http.html#patch · https://www.rfc-editor.org/rfc/rfc6902
"""

from __future__ import annotations

import base64
import binascii
from decimal import Decimal
from typing import Any

import jsonpatch
import jsonpointer
import msgspec

from isodose.fhir import errors
from isodose.fhir.errors import FhirError
from isodose.fhir.resources import MAX_BODY, Resource, parse

JSON_PATCH = "application/json-patch+json"
MOST_STEPS = 1_000
_decode = msgspec.json.Decoder(float_hook=Decimal).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode


def patched(body: bytes, patch: bytes) -> Resource:
    """The resource after the patch, which may be invalid still. Raises FhirError: 400 for what is no
    patch, 409
    where a `test` fails, 422 for a step that cannot be done; then none of it is done.
    """
    try:
        steps = _decode(patch)
    except (msgspec.DecodeError, RecursionError):
        raise _no_patch() from None
    if not isinstance(steps, list) or len(steps) > MOST_STEPS:
        raise _no_patch()
    before: dict[str, Any] = _decode(body)
    named = {name: before[name] for name in ("resourceType", "id")}
    try:
        after = _applied(before, steps)
    except jsonpatch.JsonPatchTestFailed:
        raise errors.conflict("A test of the patch fails: the resource is not as it expects.") from None
    except jsonpatch.InvalidJsonPatch:
        raise _no_patch() from None
    except (
        jsonpatch.JsonPatchException,
        jsonpointer.JsonPointerException,
        TypeError,
        KeyError,
        IndexError,
        RecursionError,
    ):
        raise errors.unprocessable(
            "A step of the patch cannot be done: its path is not there.", code="processing"
        ) from None
    if not isinstance(after, dict) or not named.items() <= after.items():
        raise errors.unprocessable("A patch changes neither the type nor the id of a resource.")
    if isinstance(after.get("meta"), dict):
        # The stamps are this server's: a sender's stamp would say how new its message is.
        after["meta"] = {k: v for k, v in after["meta"].items() if k not in ("lastUpdated", "versionId")}
        after = {k: v for k, v in after.items() if v != {}}
    return parse(_encode(after))


def _applied(resource: Any, steps: list[Any]) -> Any:
    """The resource after every step. A copy into itself doubles it, so its size is watched."""
    for step in steps:
        resource = jsonpatch.JsonPatch([step]).apply(resource, in_place=True)
        if step.get("op") == "copy" and len(_encode(resource)) > MAX_BODY:
            raise errors.too_large(f"The patch makes the resource larger than {MAX_BODY} bytes.")
    return resource


def patch_in(binary: dict[str, Any], path: str) -> bytes:
    """The JSON Patch that a Binary carries, which is how an entry of a Bundle brings one."""
    content = binary.get("data")
    if binary.get("resourceType") != "Binary" or binary.get("contentType") != JSON_PATCH or not content:
        raise errors.bad_request(
            f"A PATCH in a Bundle brings a Binary of contentType {JSON_PATCH}.", f"{path}.resource"
        )
    try:
        return base64.b64decode(content, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise errors.bad_request("The data are not base64.", f"{path}.resource.data", code="value") from None


def _no_patch() -> FhirError:
    said = f"The body is not a JSON Patch: a list of at most {MOST_STEPS} steps with op and path."
    return errors.bad_request(said, code="structure")
