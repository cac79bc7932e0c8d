"""The record of a patient, read from the EHR's FHIR server and kept here: all of it, or what is new since
last time.

Reading again does no harm: what is here already makes no new version. https://hl7.org/fhir/R4/http.html#search
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlencode

import httpx
import msgspec

from ehr_ingestion import keeping
from ehr_ingestion.ehr_client import EhrAwayError, EhrClient
from ehr_ingestion.outcomes import Tally
from ehr_ingestion.patient_records import concerned, rebuild
from isodose.fhir.references import relative_to
from isodose.service import Work
from isodose.storage.database import Database

# In this order what others point to is here before them.
TYPES = (
    "Condition", "BodyStructure", "ServiceRequest", "Procedure", "ImagingStudy", "DiagnosticReport",
    "Observation", "MedicationRequest", "MedicationAdministration", "MedicationStatement", "Appointment",
    "AllergyIntolerance", "Device", "Encounter", "EpisodeOfCare", "Consent",
)  # fmt: skip
EXPORTED = ("Patient", "Medication", *TYPES)
_ALONG = {kind: f"{kind}:medication" for kind in TYPES if kind.startswith("Medication")}
PAGE = 100
OVERLAP = dt.timedelta(minutes=5)
"""What the EHR stamped while it was being read is read again the next time."""
MOST_PAGES = 200
AT_ONCE = 100


class _Entry(msgspec.Struct):
    resource: msgspec.Raw = msgspec.Raw()
    search: dict[str, msgspec.Raw] = {}


class _Search(msgspec.Struct, rename="camel"):
    link: list[dict[str, str]] = []
    entry: list[_Entry] = []


@dataclass
class Summary(Tally):
    """What came of a pull: what became of each resource, and the types withheld, each with the status."""

    withheld: dict[str, int] = field(default_factory=dict)

    @property
    def kept(self) -> int:
        return self.accepted + self.changed


class EhrReader:
    """Reads from one FHIR server."""

    def __init__(self, client: EhrClient) -> None:
        self._client = client
        self.relative = relative_to(client.base)

    def patient(self, patient_id: str) -> bytes:
        """The Patient as it is there. Raises `EhrAwayError`."""
        return self.resource("Patient", patient_id)

    def resource(self, kind: str, id: str) -> bytes:
        """One resource as it is there. Raises `EhrAwayError`."""
        answer = self._client.request("GET", f"{kind}/{id}", kind)
        if answer.status_code != httpx.codes.OK:
            said = f"the EHR answered {answer.status_code} for the {kind}"
            raise EhrAwayError(said, answer.status_code)
        return self.relative(answer.content)

    def search(self, kind: str, patient_id: str, since: str | None) -> Iterator[bytes]:
        """Every resource of this type of one patient, page by page. Raises as `pages` does."""
        query = {"patient": patient_id, "_count": str(PAGE)}
        query |= {"_lastUpdated": f"ge{since}"} if since else {}
        query |= {"_include": _ALONG[kind]} if kind in _ALONG else {}
        return self.pages(f"{kind}?{urlencode(query)}", kind)

    def pages(self, url: str, kind: str) -> Iterator[bytes]:
        """Every resource that a search finds. Raises `EhrAwayError`; `WithheldError` for a type not given."""
        for _ in range(MOST_PAGES):
            answer = self._client.request("GET", url, kind)
            if answer.status_code in (400, 403, 404):
                raise WithheldError(answer.status_code)
            if answer.status_code != httpx.codes.OK:
                raise EhrAwayError(f"the EHR answered {answer.status_code} for {kind}", answer.status_code)
            page = _page(answer.content, kind)
            yield from (self.relative(bytes(entry.resource)) for entry in page.entry if _is_found(entry))
            following = [link["url"] for link in page.link if link.get("relation") == "next"]
            if not following:
                return
            url = str(answer.url.join(following[0]))
            if not self._client.holds(url):
                raise EhrAwayError(f"a next page of {kind} lies outside the EHR's FHIR server")
        raise EhrAwayError(f"the EHR has more than {MOST_PAGES} pages of {kind} for one patient")


class WithheldError(Exception):
    """The EHR does not give this type: it does not know it, or the scope does not reach it."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(str(status))


def pull(
    ehr: EhrReader,
    patient_id: str,
    database: Database,
    work: Callable[..., Work],
    since: str | None = None,
) -> Summary:
    """Keep what the EHR has on one patient; with `since`, an instant, what changed from then on.

    Nothing is kept of a pull that breaks off with `EhrAwayError`: the next one begins where this one did.
    """
    summary = Summary()
    found = [ehr.patient(patient_id)]
    for kind in TYPES:
        try:
            found += ehr.search(kind, patient_id, since)
        except WithheldError as withheld:
            summary.withheld[kind] = withheld.status
    for start in range(0, len(found), AT_ONCE):
        keep(found[start : start + AT_ONCE], database, work, summary)
    return summary


def keep(resources: list[bytes], database: Database, work: Callable[..., Work], summary: Summary) -> None:
    """Keep what can be kept of these resources, in one transaction, and count it in `summary`."""
    with database.begin() as conn:
        opened = work(conn)
        outcomes, changed = keeping.keep(opened, resources)
        rebuild(opened, concerned(opened, changed))
    for outcome in outcomes:
        summary.add(outcome)


def _is_found(entry: _Entry) -> bool:
    """A resource of the EHR, not what it remarks on the search."""
    return bool(bytes(entry.resource)) and bytes(entry.search.get("mode", b"")) != b'"outcome"'


def _page(content: bytes, kind: str) -> _Search:
    try:
        return msgspec.json.decode(content, type=_Search)
    except msgspec.DecodeError:
        raise EhrAwayError(
            f"the EHR answered the search of {kind} with something else than a Bundle"
        ) from None
