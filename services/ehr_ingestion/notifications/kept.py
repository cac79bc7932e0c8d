"""What the EHR told or gave is kept; those who are not here, and whose resources wait for them, are named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ehr_ingestion.keeping import keep
from ehr_ingestion.patient_records import concerned, rebuild
from isodose.fhir.resources import parse
from isodose.fhir.search_parameters import patient_of
from isodose.service import Running, Work

AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Kept:
    """The patients whose record was written to, those who are not here and whose resources wait for them, and
    how many resources were refused for good.
    """

    patients: frozenset[str] = frozenset()
    strangers: frozenset[str] = frozenset()
    refused: int = 0

    def __or__(self, other: Kept) -> Kept:
        return Kept(
            self.patients | other.patients, self.strangers | other.strangers, self.refused + other.refused
        )


def keep_told(running: Running, texts: Sequence[bytes]) -> Kept:
    """Keep what can be kept of these resources."""
    kept = Kept()
    for start in range(0, len(texts), AT_ONCE):
        with running.transaction() as work:
            kept |= _together(work, texts[start : start + AT_ONCE])
    return kept


def _together(work: Work, texts: Sequence[bytes]) -> Kept:
    outcomes, changed = keep(work, texts)
    rebuild(work, concerned(work, changed))
    refused = [(text, one) for text, one in zip(texts, outcomes, strict=True) if one.became == "refused"]
    strangers = [_stranger(work, text) for text, one in refused if one.is_passing]
    waiting = [one for one in strangers if one is not None]
    patients = frozenset(stored.patient_id for stored in changed if stored.patient_id)
    return Kept(patients, frozenset(waiting), len(refused) - len(waiting))


def _stranger(work: Work, text: bytes) -> str | None:
    """The patient of a resource, where it is one who is not here."""
    resource = parse(text)
    whose = patient_of(resource.type, resource.data, work.resources.base)
    known = work.resources.get("Patient", whose) if whose else None
    return whose if whose and (known is None or known.deleted) else None
