"""A result as the EHR is to have it: about its own patient, pointing to what is there, without our versions.

https://hl7.org/fhir/R4/references.html#logical
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import orjson

from isodose.fhir.references import target
from isodose.fhir.resources import result_key

Json = dict[str, Any]
Key = tuple[str, str]
_OF_THE_SERVER = ("id", "meta", "text")


class Rewriter:
    """`at_ehr` tells, by type and id here, what stands where at the EHR; `result` gives a result stored
    here, None
    for what is none. `base` is our own FHIR server, `ehr` theirs.
    """

    def __init__(
        self, at_ehr: Mapping[Key, str], result: Callable[[Key], Json | None], base: str, ehr: str
    ) -> None:
        self._at_ehr = at_ehr
        self._result = result
        self._base = base
        self._ehr = ehr

    def rewritten(self, resource: Json) -> Json:
        """The content to send, without id and meta."""
        content = {name: value for name, value in resource.items() if name not in _OF_THE_SERVER}
        made: Json = self._node(content)
        return made

    def _node(self, node: Any) -> Any:
        if isinstance(node, list):
            return [self._node(one) for one in node]
        if not isinstance(node, dict):
            return node
        if isinstance(node.get("reference"), str) and node.keys() <= {
            "reference",
            "type",
            "identifier",
            "display",
        }:
            return self._reference(node)
        return {name: self._node(value) for name, value in node.items()}

    def _reference(self, reference: Json) -> Json:
        """To what is there by its address there; to a result that is not, by its identifier; to what the
        EHR sent
        as it named it.
        """
        pointer = reference["reference"]
        if pointer.startswith("#"):
            return reference
        key = target(pointer, self._base)
        if key is None:
            return reference if pointer.startswith(f"{self._ehr}/") else _by_address(reference)
        if key in self._at_ehr:
            return {**reference, "reference": self._at_ehr[key]}
        result = self._result(key)
        return reference if result is None else _by_identifier(reference, key, result)


def _by_identifier(reference: Json, key: Key, result: Json) -> Json:
    named = {name: value for name, value in reference.items() if name != "reference"}
    identifier = business_identifier(result)
    if identifier is None:
        return {"display": f"{key[0]} at Isodose"} | named
    return {"type": key[0], "identifier": identifier} | named


def _by_address(reference: Json) -> Json:
    """A definition of our own has an address, and no place at the EHR."""
    named = {name: value for name, value in reference.items() if name != "reference"}
    return {"identifier": {"system": "urn:ietf:rfc:3986", "value": reference["reference"]}} | named


def business_identifier(resource: Json) -> Json | None:
    """The identifier by which a result is known everywhere."""
    identifiers = resource.get("identifier")
    for one in identifiers if isinstance(identifiers, list) else [identifiers]:
        if isinstance(one, dict) and result_key({"identifier": [one]}) is not None:
            return {"system": one["system"], "value": one["value"]}
    return None


def by_identifier(identifier: Json) -> str:
    """The search at the EHR that finds what has this identifier."""
    token = quote(f"{identifier['system']}|{identifier['value']}", safe="")
    return f"identifier={token}"


def digest(content: Mapping[str, Any]) -> str:
    """Of what a resource says; what the server sets and how it is spelled do not count."""
    said = {name: value for name, value in content.items() if name not in _OF_THE_SERVER}
    return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()
