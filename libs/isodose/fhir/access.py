"""What one asker may do, in the words of FHIR: rights on types, within a compartment or a search.

Where the rights come from, a token for instance, is not known here.
https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from isodose.fhir.errors import FhirError, Issue

Right = Literal["c", "r", "u", "d", "s"]
_WORDS = {"c": "create", "r": "read", "u": "update", "d": "delete", "s": "search"}
# Who asked for what is for auditors: a right on every type does not include it.
APART = "AuditEvent"
# What names no patient, and belongs to the one whose token made it, if a patient's did.
OF_ASKER = frozenset({"Subscription"})


@dataclass(frozen=True, slots=True)
class Grant:
    """Rights on one type (`*` is every type but AuditEvent), limited to a patient's compartment when
    `patient`
    is given, and to what a search finds when `query` is given.
    """

    type: str
    rights: str
    patient: str | None = None
    query: tuple[tuple[str, str], ...] = ()

    def covers(self, right: Right, kind: str) -> bool:
        named = self.type == kind or (self.type == "*" and kind != APART)
        return named and right in self.rights


@dataclass(frozen=True, slots=True)
class Access:
    """All that one asker was granted. Nothing is allowed that no grant covers."""

    grants: tuple[Grant, ...]

    def covering(self, right: Right, kind: str) -> tuple[Grant, ...]:
        """The grants that cover this; raises 403 when there is none."""
        found = tuple(grant for grant in self.grants if grant.covers(right, kind))
        if not found:
            said = f"The access token does not allow to {_WORDS[right]} {kind}; ask for the scope."
            raise FhirError(403, [Issue("forbidden", said)])
        return found

    def allows(self, right: Right, kind: str) -> bool:
        return any(grant.covers(right, kind) for grant in self.grants)

    def within(self, patient: str) -> Access:
        """What of this reaches the record of one patient, and nothing else."""
        reaching = (grant for grant in self.grants if grant.patient in (None, patient))
        return Access(tuple(replace(grant, patient=patient) for grant in reaching))

    def require_patient(self, id: str) -> None:
        """Raise 403 unless the record of this patient may be read."""
        if not any(grant.patient in (None, id) for grant in self.covering("r", "Patient")):
            raise FhirError(403, [Issue("forbidden", "The access token is for another patient.")])


EVERYTHING = Access((Grant("*", "cruds"),))
"""What is allowed where nobody has to ask."""
