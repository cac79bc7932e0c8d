"""The keys of one patient's results, and references between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from isodose.fhir.resources import result_id

Resource = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Identities:
    """Ids and identifiers of the results of one patient."""

    patient_id: str
    base: str

    @property
    def subject(self) -> Resource:
        return {"reference": f"Patient/{self.patient_id}"}

    def of(self, key: str) -> Resource:
        """`id` and `identifier` of the result with this key."""
        value = f"surveillance/{self.patient_id}/{key}"
        system = f"{self.base}/NamingSystem/result"
        return {"id": result_id(value), "identifier": [{"system": system, "value": value}]}

    def to(self, kind: str, key: str) -> Resource:
        """A reference to the result of type `kind` with this key."""
        return {"reference": f"{kind}/{self.of(key)['id']}"}

    def code(self, system: str, code: str, display: str = "") -> Resource:
        coding = {"system": f"{self.base}/CodeSystem/{system}", "code": code}
        return coding | ({"display": display} if display else {})


def references(refs: Sequence[str]) -> list[Resource]:
    """References to what the record names, each once; what has no FHIR reference is left out."""
    return [{"reference": ref} for ref in dict.fromkeys(refs) if "/" in ref]
