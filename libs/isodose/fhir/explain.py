"""Turns what the schema found wrong into an issue: the FHIRPath, and a sentence saying what to do.

Values are never repeated: they may be a patient's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import jsonschema_rs

from isodose.fhir.definitions import schema_at
from isodose.fhir.errors import Issue

_WANTED = {
    "base64Binary": "is not base64",
    "canonical": "must be a URL without white space",
    "code": "must be a code without leading, trailing or double spaces",
    "date": "is not a date that exists; write YYYY, YYYY-MM or YYYY-MM-DD",
    "dateTime": "is not a date that exists; write YYYY, YYYY-MM, YYYY-MM-DD or a time with its zone",
    "id": "must be 1 to 64 letters, digits, '-' or '.'",
    "instant": "is not an instant that exists; write YYYY-MM-DDThh:mm:ss with a zone",
    "oid": "must be a URN of the form urn:oid:1.2.3",
    "time": "is not a time; write hh:mm:ss",
    "uri": "must be a URI without white space",
    "url": "must be a URL without white space",
    "xhtml": "holds script, a form or a link to code; a narrative may not run anything (txt-1)",
    "uuid": "must be a URN of the form urn:uuid:…",
}


def issues_of(error: jsonschema_rs.ValidationError, root: str) -> Iterator[Issue]:
    """The issues of one schema error, its paths starting at `root` (such as `Bundle.entry[3].resource`)."""
    path = _fhirpath(root, error.instance_path)
    kind = error.kind.name
    if kind == "additionalProperties":
        for name in (
            error.kind.value["unexpected"] if isinstance(error.kind.value, dict) else error.kind.value
        ):
            shown = name if name.lstrip("_").isalnum() else ""
            yield Issue(
                "structure",
                "This element is not part of FHIR R4 here; check spelling and place, or use an extension.",
                (f"{path}.{shown}" if shown else path,),
            )
        return
    nested = _inside_choice(error)
    if nested is not None:
        yield from issues_of(nested, root)
        return
    yield _issue(error, kind, path)


def _issue(error: jsonschema_rs.ValidationError, kind: str, path: str) -> Issue:  # noqa: PLR0911
    definition = _definition(error)
    match kind:
        case "required":
            return _required(error, path)
        case "type":
            return Issue("structure", f"{_type_wanted(error)}.", (path,))
        case "enum":
            return Issue("code-invalid", _allowed(error), (path,))
        case "constant":
            return Issue("structure", "This is not the resource type that is expected here.", (path,))
        case "pattern" | "not" | "minLength" if definition.startswith("Reference("):
            targets = definition[10:-1].replace(",", ", ")
            return Issue("value", f"The reference must point to one of: {targets}.", (path,))
        case "minItems" | "minProperties" | "minLength":
            return Issue(
                "structure", "This is empty; FHIR has no empty values: leave the element out.", (path,)
            )
        case "pattern" | "not":
            return Issue(
                "value", f"The value {_WANTED.get(definition, 'is not written as FHIR wants it')}.", (path,)
            )
        case "minimum" | "maximum":
            return Issue("value", "The number is outside the range of this type.", (path,))
        case "contains":
            return Issue(
                "code-invalid", "One coding must come from the required value set of this element.", (path,)
            )
        case "startBeforeEnd":
            return Issue(
                "invariant", "The period ends before it starts (per-1); correct one of them.", (path,)
            )
        case _:
            return _rule(error, path)


def _required(error: jsonschema_rs.ValidationError, path: str) -> Issue:
    if "dependentRequired" in error.schema_path:
        return Issue(
            "invariant",
            "A coded unit needs its system (qty-3); add http://unitsofmeasure.org.",
            (f"{path}.system",),
        )
    name = getattr(error.kind, "property", "")
    return Issue("required", f"The element {name} is required; add it.", (f"{path}.{name}",))


def _rule(error: jsonschema_rs.ValidationError, path: str) -> Issue:
    """Rules of an object that the schema says with anyOf and oneOf; their comment names the element."""
    name = str(_fragment(error).get("$comment", ""))
    if name == "ext-1":
        return Issue(
            "invariant",
            "An extension has exactly one value, or nested extensions, not both (ext-1).",
            (path,),
        )
    if name.endswith("[x]"):
        element = name.removesuffix("[x]")
        many = error.kind.name == "oneOf" and isinstance(
            error.kind, jsonschema_rs.ValidationErrorKind.OneOfMultipleValid
        )
        said = (
            f"Only one {element}[x] may be given; keep one."
            if many
            else f"The element {name} is required; add it."
        )
        return Issue("structure" if many else "required", said, (f"{path}.{element}",))
    if name:
        return Issue("required", f"The element {name} is required; add it.", (f"{path}.{name}",))
    return Issue("structure", "This does not have the structure FHIR R4 defines here.", (path,))


def _inside_choice(error: jsonschema_rs.ValidationError) -> jsonschema_rs.ValidationError | None:
    """A list item is a value or a null: what matters is what is wrong with the value."""
    if (
        not isinstance(error.kind, jsonschema_rs.ValidationErrorKind.AnyOf)
        or "items" not in error.schema_path
    ):
        return None
    branches = error.kind.context
    return branches[0][0] if len(branches) == 2 and branches[0] else None


def _definition(error: jsonschema_rs.ValidationError) -> str:
    """The name of the type whose rule was broken."""
    return str(error.schema_path[1]) if len(error.schema_path) > 1 else ""


def _fragment(error: jsonschema_rs.ValidationError) -> dict[str, Any]:
    """The object of the schema that holds the broken rule."""
    return schema_at(error.schema_path[:-1])


def _type_wanted(error: jsonschema_rs.ValidationError) -> str:
    wanted = " or ".join(str(kind) for kind in getattr(error.kind, "types", ()))
    found = "null" if error.instance is None else "something else"
    return f"This must be a JSON {wanted}, not {found}"


def _allowed(error: jsonschema_rs.ValidationError) -> str:
    codes = _fragment(error).get("enum")
    listed = ", ".join(str(code) for code in codes[:20]) if isinstance(codes, list) else ""
    return (
        f"The code is not in the required value set; use one of: {listed}."
        if listed
        else "Not an allowed code."
    )


def _fhirpath(root: str, steps: Sequence[str | int]) -> str:
    return root + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
