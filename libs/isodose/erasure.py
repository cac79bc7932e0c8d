"""One patient erased on request: in the one record first, then by tombstones in every service and topic."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from isodose.fhir.exchange import Deed
from isodose.fhir.resources import BASE
from isodose.security.audit import by_operator, write
from isodose.storage import erasure
from isodose.storage.erasure import Related
from isodose.work import Work

RECORDS = "isodose.patient-record.v1"
GUIDANCE = "isodose.guidance.v1"
AlsoErased = Callable[[Work, str], Related]


@dataclass(frozen=True, slots=True)
class Eraser:
    """How one service erases. `also` tells what is about a patient and does not name the patient."""

    site: str
    audit_key: bytes | None
    also: AlsoErased | None = None
    canonical: str = BASE

    def erase(self, work: Work, patient_id: str, who: str, topics: Sequence[str]) -> int:
        """Delete what is kept here, leave tombstones in `topics` under every id of the patient, and audit it;
        how many rows.

        Who was merged into the patient is the same person: others may hold something under that id. All in
        the transaction of `work`. A second time finds nothing, and does no harm.
        """
        known_as = [patient_id, *work.identities.merged_into(patient_id)]
        work.records.lock(*known_as)
        found = [self.also(work, one) for one in known_as] if self.also else []
        also = Related(
            [key for one in found for key in one.resources], [key for one in found for key in one.events]
        )
        rows = erasure.erase(work.conn, patient_id, also)
        for topic in topics:
            for one in known_as:
                work.outbox.bury(topic, one)
        deed = Deed("erase", "Patient", patient_id, "", 200, tuple(known_as))
        write(work.conn, [by_operator(deed, who)], self.site, self.audit_key, self.canonical)
        return rows

    def on_tombstone(
        self, of: Sequence[str] = (RECORDS,), leaving: Sequence[str] = (GUIDANCE,)
    ) -> Mapping[str, Callable[[Work, Sequence[str]], None]]:
        """What follows a tombstone in the topics `of`: the record is gone, so is all that was concluded.
        Tombstones are left in the topics in which this service tells something itself.
        """

        def bury(work: Work, patient_ids: Sequence[str]) -> None:
            for patient_id in patient_ids:
                self.erase(work, patient_id, "tombstone", leaving)

        return dict.fromkeys(of, bury)
