"""A narrower schema that most resources fit and that is cheaper to judge by; the rest is looked at again.

It leaves out what is rare and dear to check: extensions of primitive values (`_birthDate`), nulls in lists,
contained resources and references to them.
"""

from __future__ import annotations

from itertools import chain
from typing import Any

Schema = dict[str, Any]
_NULL = {"type": "null"}


def narrowed(name: str, schema: Schema) -> Schema:
    """The narrower form of the definition `name`. Whatever fits it fits `schema` too."""
    plain: Schema = _plain(schema)
    if name.startswith("Reference"):
        wanted = plain["properties"]["reference"].get("pattern", "^[^#]").replace("^(#|", "^(")
        plain["properties"]["reference"] = {"type": "string", "pattern": wanted}
    return plain


def _plain(node: Any) -> Any:
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not isinstance(node, dict):
        return node
    alternatives = node.get("anyOf")
    if alternatives is not None and len(alternatives) == 2:
        first, second = alternatives
        if second == _NULL:
            return _plain(first)
        if _is_sibling(first, second):
            return {**{k: v for k, v in node.items() if k not in ("anyOf", "$comment")}, **first}
    plain = {name: _plain(value) for name, value in node.items()}
    if isinstance(plain.get("properties"), dict) and plain.get("additionalProperties") is False:
        plain["properties"] = {
            name: value
            for name, value in plain["properties"].items()
            if not name.startswith("_") and name != "contained"
        }
    return _with_its_own_required(plain)


def _is_sibling(first: Any, second: Any) -> bool:
    """Whether the alternatives ask for a member or for the extension of it: `status` or `_status`."""
    asked = [
        one.get("required") if isinstance(one, dict) and len(one) == 1 else None for one in (first, second)
    ]
    return asked[0] is not None and asked[1] == [f"_{asked[0][0]}"]


def _with_its_own_required(schema: Schema) -> Schema:
    """`allOf` of members that must be there, said as one `required`."""
    conditions = schema.get("allOf")
    if not isinstance(conditions, list):
        return schema
    simple = [one["required"] for one in conditions if isinstance(one, dict) and one.keys() == {"required"}]
    if not simple:
        return schema
    rest = [one for one in conditions if one.keys() != {"required"}]
    merged = {
        **schema,
        "allOf": rest,
        "required": [*schema.get("required", []), *chain.from_iterable(simple)],
    }
    return merged if rest else {name: value for name, value in merged.items() if name != "allOf"}
