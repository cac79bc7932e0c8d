"""The published JSON Schema of each event type, and the check that a new one breaks no reader of old events.

    python -m isodose.events.schemas docs/events

https://json-schema.org/draft/2020-12
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec

from isodose.events.contract import DATA, SCHEMAS

Schema = dict[str, Any]


def generated() -> dict[str, Schema]:
    """File name to schema of the data, for every event type."""
    return {f"{type_name}.json": _schema(type_name) for type_name in DATA}


def write(folder: Path) -> None:
    """Write the schemas; refuses with `ValueError` when one is incompatible with the published one."""
    for name, schema in generated().items():
        path = folder / name
        if path.exists():
            broken = incompatibilities(msgspec.json.decode(path.read_bytes()), schema)
            if broken:
                raise ValueError(
                    f"{name} would break readers: {'; '.join(broken)}. Publish a new topic version."
                )
        path.write_bytes(msgspec.json.format(msgspec.json.encode(schema, order="sorted"), indent=1) + b"\n")


def incompatibilities(old: Schema, new: Schema) -> list[str]:
    """What in `new` breaks readers of `old` events or events that `old` allowed, one line each."""
    return _compare("data", old, new, old, new)


def _schema(type_name: str) -> Schema:
    [reference], definitions = msgspec.json.schema_components([DATA[type_name]])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"{SCHEMAS}/{type_name}.json",
        "title": f"Data of {type_name}",
        **reference,
        "$defs": definitions,
    }


def _compare(path: str, old: Schema, new: Schema, old_root: Schema, new_root: Schema) -> list[str]:
    if "$ref" in old and "$ref" in new and path.count(".") > 0 and old["$ref"] == new["$ref"]:
        return []
    old, new = _resolved(old, old_root), _resolved(new, new_root)
    broken = []
    if old.get("type") != new.get("type") or old.get("format") != new.get("format"):
        broken.append(f"{path} changed its type from {old.get('type')} to {new.get('type')}")
    if removed := set(map(repr, old.get("enum", []))) - set(map(repr, new.get("enum", []))):
        broken.append(f"{path} no longer allows {', '.join(sorted(removed))}")
    if _kinds(old, old_root) - _kinds(new, new_root):
        broken.append(
            f"{path} no longer allows {', '.join(sorted(_kinds(old, old_root) - _kinds(new, new_root)))}"
        )
    broken += [
        f"{path}.{name} became required"
        for name in set(new.get("required", ())) - set(old.get("required", ()))
    ]
    was, is_now = old.get("properties", {}), new.get("properties", {})
    for name in sorted(was):
        if name not in is_now:
            broken.append(f"{path}.{name} was removed")
        else:
            broken += _compare(f"{path}.{name}", was[name], is_now[name], old_root, new_root)
    if isinstance(old.get("items"), dict) and isinstance(new.get("items"), dict):
        broken += _compare(f"{path}[]", old["items"], new["items"], old_root, new_root)
    if path == "data":
        shared = old_root.get("$defs", {}).keys() & new_root.get("$defs", {}).keys()
        for name in sorted(shared):
            pair = old_root["$defs"][name], new_root["$defs"][name]
            broken += _compare(f"${name}", *pair, old_root, new_root)
    return list(dict.fromkeys(broken))


def _resolved(schema: Schema, root: Schema) -> Schema:
    reference = schema.get("$ref", "")
    found = root.get("$defs", {}).get(reference.removeprefix("#/$defs/")) if reference else None
    return found or schema


def _kinds(schema: Schema, root: Schema) -> set[str]:
    return {str(_resolved(one, root).get("type", one.get("$ref", ""))) for one in schema.get("anyOf", ())}


def main() -> None:
    write(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
