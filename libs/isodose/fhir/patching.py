"""A patch of a resource in either form, so that what it does not touch stays as it was written.

https://hl7.org/fhir/R4/http.html#patch · https://hl7.org/fhir/R4/fhirpatch.html ·
https://www.rfc-editor.org/rfc/rfc6902
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
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
_UNDOABLE = (
    jsonpatch.JsonPatchException,
    jsonpointer.JsonPointerException,
    TypeError,
    KeyError,
    IndexError,
    RecursionError,
)
_decode = msgspec.json.Decoder(float_hook=Decimal).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode


Patch = Callable[[Any], Any]
"""What is done to a parsed resource, which it may change in place; raises FhirError, half done."""


def patched(body: bytes, patch: Patch) -> Resource:
    """The resource after the patch, which may be invalid still; what is not touched stays as it was written.

    Raises what the patch raises, and 422 where it would be another resource.
    """
    before: dict[str, Any] = _decode(body)
    named = {name: before[name] for name in ("resourceType", "id")}
    after = patch(before)
    if not isinstance(after, dict) or not named.items() <= after.items():
        raise errors.unprocessable("A patch changes neither the type nor the id of a resource.")
    if isinstance(after.get("meta"), dict):
        # The stamps are this server's: a sender's stamp would say how new its message is.
        after["meta"] = {k: v for k, v in after["meta"].items() if k not in ("lastUpdated", "versionId")}
        after = {k: v for k, v in after.items() if v != {}}
    return parse(_encode(after))


def json_patch(content: bytes) -> Patch:
    """A JSON Patch. Raises 400 for what is none; done, 409 where a `test` fails, 422 for a step that cannot
    be done.
    """
    try:
        steps = _decode(content)
    except (msgspec.DecodeError, RecursionError):
        raise _no_patch() from None
    if not isinstance(steps, list) or len(steps) > MOST_STEPS:
        raise _no_patch()
    return lambda resource: _applied(resource, steps)


def fhirpath_patch(parameters: Resource, at: str = "Parameters") -> Patch:
    """A FHIRPath Patch: a valid Parameters resource, which stands at this path of what was sent. Done, it
    raises 400 for what is no patch, 422 for an operation that cannot be done.
    """
    # Imported when first wanted: it takes 15 MB and a quarter of a second that few servers need.
    from isodose.fhir.fhirpath_patch import apply  # noqa: PLC0415

    said = _decode(parameters.raw)

    def done(resource: Any) -> Any:
        apply(resource, said, at)
        return resource

    return done


def _applied(resource: Any, steps: list[Any]) -> Any:
    """The resource after every step. A copy into itself doubles it, so its size is watched."""
    for number, step in enumerate(steps, 1):
        try:
            resource = jsonpatch.JsonPatch([step]).apply(resource, in_place=True)
        except jsonpatch.JsonPatchTestFailed:
            said = f"The test of step {number} fails: the resource is not as it expects."
            raise errors.conflict(said) from None
        except jsonpatch.InvalidJsonPatch:
            raise _no_patch(number) from None
        except _UNDOABLE:
            said = f"Step {number} of the patch cannot be done: its path is not there."
            raise errors.unprocessable(said, code="processing") from None
        if step.get("op") == "copy" and len(_encode(resource)) > MAX_BODY:
            raise errors.too_large(f"The patch makes the resource larger than {MAX_BODY} bytes.")
    return resource


def patch_in(sent: dict[str, Any], raw: bytes, path: str) -> Patch:
    """The patch that an entry of a Bundle brings: Parameters, or a Binary that holds a JSON Patch."""
    at = f"{path}.resource"
    if sent.get("resourceType") == "Parameters":
        return fhirpath_patch(Resource("Parameters", None, sent, raw), at)
    content = sent.get("data")
    if sent.get("resourceType") != "Binary" or sent.get("contentType") != JSON_PATCH or not content:
        said = f"A PATCH in a Bundle brings Parameters, or a Binary of contentType {JSON_PATCH}."
        raise errors.bad_request(said, at)
    try:
        return json_patch(base64.b64decode(content, validate=True))
    except (binascii.Error, TypeError, ValueError):
        raise errors.bad_request("The data are not base64.", f"{at}.data", code="value") from None


def _no_patch(number: int | None = None) -> FhirError:
    said = f"The body is not a JSON Patch: a list of at most {MOST_STEPS} steps with op and path"
    return errors.bad_request(f"{said}{f'; see step {number}' if number else ''}.", code="structure")
