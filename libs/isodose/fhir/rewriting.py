"""Makes the references of a bundle point to what its entries became, in the text itself.

https://hl7.org/fhir/R4/http.html#trules · https://hl7.org/fhir/R4/bundle.html#references
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from os.path import commonprefix
from urllib.parse import parse_qsl

import orjson

from isodose.fhir import errors
from isodose.fhir.identity import the_match
from isodose.fhir.references import located, pointers
from isodose.fhir.resources import Resource
from isodose.fhir.store import ResourceStore

_STRING = re.compile(rb'"((?:urn:|https?://|[A-Z][A-Za-z]+/)[^"\\]*)"')
_CONDITIONAL = re.compile(r"[A-Z][A-Za-z]+\?.+")


class Rewriter:
    """The names that entries go by in one bundle, each with the reference that it now means.

    Most resources hold none of them: a look for `begin`, with which all names begin, tells it soonest.
    """

    def __init__(self, store: ResourceStore, names: Mapping[str, str]) -> None:
        self.store = store
        self.names = {
            name.encode(): reference.encode() for name, reference in names.items() if name != reference
        }
        self.begin = commonprefix([name.decode() for name in self.names]).encode()  # noqa: RUF071 (of texts)
        self.found: dict[str, str] = {}

    def rewritten(self, resource: Resource, path: str) -> Resource:
        raw = resource.raw
        if self.names and self.begin in raw:
            raw = _STRING.sub(self._replace, raw)
        if b"?" in raw:
            raw = self._conditional(resource, raw, path)
        return (
            resource if raw is resource.raw else Resource(resource.type, resource.id, orjson.loads(raw), raw)
        )

    def _replace(self, found: re.Match[bytes]) -> bytes:
        name = found[1]
        reference = self.names.get(name)
        if reference is None and b"#" in name:
            plain, _, fragment = name.partition(b"#")
            known = self.names.get(plain)
            reference = known + b"#" + fragment if known else None
        return b'"' + reference + b'"' if reference is not None else found[0]

    def _conditional(self, resource: Resource, raw: bytes, path: str) -> bytes:
        """References by search, such as `Practitioner?identifier=…`; exactly one resource must fit."""
        for reference in set(pointers(resource.data)):
            if _CONDITIONAL.fullmatch(reference):
                meant = orjson.dumps(self._resolved(resource, reference, path))
                spelled = rb'("reference"\s*:\s*)' + re.escape(orjson.dumps(reference))
                raw = re.sub(spelled, _after(meant), raw)
        return raw

    def _resolved(self, resource: Resource, reference: str, path: str) -> str:
        if reference not in self.found:
            kind, _, query = reference.partition("?")
            where = next((p for p, r in located(resource.data, path) if r == reference), path)
            id = the_match(self.store, kind, parse_qsl(query), where)
            if id is None:
                raise errors.precondition_failed(
                    "No resource fits this conditional reference.", where, code="not-found"
                )
            self.found[reference] = f"{kind}/{id}"
        return self.found[reference]


def _after(text: bytes) -> Callable[[re.Match[bytes]], bytes]:
    return lambda found: found[1] + text
