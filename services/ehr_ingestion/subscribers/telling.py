"""New results become events of those who asked for them, in the transaction that stores the results."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from urllib.parse import parse_qsl

from sqlalchemy import and_, select

from ehr_ingestion.subscribers import registry
from ehr_ingestion.subscribers.asking import TOLD
from ehr_ingestion.subscribers.registry import NOTIFY, Key, Subscriber
from isodose.events.jobs import ask
from isodose.fhir import search_sql
from isodose.fhir.errors import FhirError
from isodose.fhir.limited import within
from isodose.fhir.search_query import parse
from isodose.fhir.stored import Stored
from isodose.service import Work
from isodose.storage.tables import resource as current


def tell(work: Work, written: Sequence[Stored]) -> None:
    """Give every subscriber its events of these results, and ask for them to be delivered."""
    changed = [one for one in written if one.changed and one.type in TOLD and one.patient_id]
    subscribers = registry.listening(work.conn) if changed else []
    now = dt.datetime.now(dt.UTC)
    for one in subscribers:
        if one.asked.end is not None and one.asked.end <= now:
            continue
        try:
            wanted = _wanted(work, one, changed)
        except FhirError:
            # It must keep no result from being stored; the delivery finds it too, and says so.
            if one.status != "error":
                ask(work.conn, NOTIFY, one.id)
            continue
        if not wanted:
            continue
        registry.add_events(work.conn, one.id, _events(one, wanted))
        if one.status != "error":
            ask(work.conn, NOTIFY, one.id)


def _events(one: Subscriber, wanted: Sequence[Stored]) -> list[tuple[Key, list[Key], str]]:
    """Of a topic one event for each patient, about whom the results are the context; of R4 one for each
    result.
    """
    if not one.asked.topic:
        return [((each.type, each.id), [], each.patient_id or "") for each in wanted]
    by_patient: dict[str, list[Key]] = {}
    for each in wanted:
        by_patient.setdefault(each.patient_id or "", []).append((each.type, each.id))
    return [(("Patient", patient), keys, patient) for patient, keys in sorted(by_patient.items())]


def _wanted(work: Work, one: Subscriber, changed: Sequence[Stored]) -> list[Stored]:
    """Of these results those that are asked for and may be seen."""
    seen = within(work.resources, one.access)
    allowed = seen.get_many([(each.type, each.id) for each in changed])
    found = [each for each in changed if (each.type, each.id) in allowed]
    searches: dict[str, list[str]] = {}
    for text in one.asked.criteria:
        kind, _, query = text.partition("?")
        searches.setdefault(kind, []).append(query)
    if not searches:
        return found
    patients = searches.pop("Patient", None)
    if patients is not None:
        ids = _fitting(work, "Patient", patients, [each.patient_id or "" for each in found])
        found = [each for each in found if each.patient_id in ids]
    if not searches:
        return found
    fitting = {
        (kind, id)
        for kind, queries in searches.items()
        for id in _fitting(work, kind, queries, [each.id for each in found if each.type == kind])
    }
    return [each for each in found if (each.type, each.id) in fitting]


def _fitting(work: Work, kind: str, queries: Sequence[str], ids: Sequence[str]) -> set[str]:
    """Which of these resources fit all of these searches."""
    if not ids:
        return set()
    criteria = [
        criterion
        for query in queries
        for criterion in parse(kind, parse_qsl(query, keep_blank_values=True), strict=True).criteria
    ]
    limits = [current.c.type == kind, current.c.id.in_(sorted(set(ids)))]
    if criteria:
        limits.append(search_sql.matching(work.resources, kind, criteria))
    return set(work.conn.execute(select(current.c.id).where(and_(*limits))).scalars())
