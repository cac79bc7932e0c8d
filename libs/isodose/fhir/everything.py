"""`Patient/{id}/$everything`: the record of one patient, what the EHR sent and what was concluded.

https://hl7.org/fhir/R4/patient-operation-everything.html
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from isodose.fhir.references import pointers, target
from isodose.fhir.search import searchset
from isodose.fhir.store import ResourceStore
from isodose.fhir.stored import Stored


def everything(
    store: ResourceStore, patient_id: str, types: Collection[str] = (), since: datetime | None = None
) -> tuple[bytes, list[Stored]]:
    """A searchset Bundle and what is in it: the patient first, the compartment, and what it refers to.
    Raises 404
    and 410.
    """
    patient = store.read("Patient", patient_id)
    inside = [one for one in store.of_patient(patient_id) if one.reference != patient.reference]
    wanted = [one for one in [patient, *inside] if _asked(one, types, since)]
    beside = [one for one in _referred(store, [patient, *inside]) if _asked(one, types, since)]
    links = [{"relation": "self", "url": f"{store.base}/{patient.reference}/$everything"}]
    return searchset(store.base, wanted, beside, len(wanted), links), [*wanted, *beside]


def _asked(stored: Stored, types: Collection[str], since: datetime | None) -> bool:
    return (not types or stored.type in types) and (since is None or stored.last_updated >= since)


def _referred(store: ResourceStore, compartment: list[Stored]) -> list[Stored]:
    """Practitioners, organisations, medications and the like: one step outside the compartment."""
    here = {(one.type, one.id) for one in compartment}
    wanted = {
        found
        for one in compartment
        for reference in pointers(one.resource())
        if (found := target(reference, store.base)) is not None
        and found not in here
        and found[0] != "Patient"
    }
    return [
        one for _, one in sorted(store.get_many(wanted).items()) if not one.deleted and one.patient_id is None
    ]
