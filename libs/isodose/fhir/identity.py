"""Conditional interactions: one identity is one resource, however many ask for it at the same time.

https://hl7.org/fhir/R4/http.html#ccreate
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from urllib.parse import parse_qsl, urlencode

from isodose.fhir import errors
from isodose.fhir.errors import FhirError, Issue
from isodose.fhir.search import matching_ids
from isodose.fhir.search_query import Pairs
from isodose.fhir.store import ResourceStore, new_id
from isodose.storage.database import insert
from isodose.storage.tables import conditional_identity

LONGEST = 512


def criteria_of(query: str, path: str = "") -> Pairs:
    """The search behind `If-None-Exist` or the query of a conditional URL."""
    pairs = parse_qsl(query.rpartition("?")[2], keep_blank_values=True)
    if not pairs:
        raise errors.bad_request("The condition holds no search parameter.", *filter(None, [path]))
    return pairs


def lock_identities(store: ResourceStore, wanted: Iterable[tuple[str, Pairs]]) -> None:
    """Make everybody else who asks for one of these identities wait until this transaction ends.

    The unique row decides, even before the resource exists; the order prevents deadlocks.
    """
    for kind, spelled in sorted({(kind, _spelled(pairs)) for kind, pairs in wanted}):
        row = insert(store.conn, conditional_identity).values(type=kind, criteria=spelled, id=new_id())
        keys = [conditional_identity.c.type, conditional_identity.c.criteria]
        store.conn.execute(
            row.on_conflict_do_update(index_elements=keys, set_={"criteria": row.excluded.criteria})
        )


def the_match(store: ResourceStore, kind: str, pairs: Pairs, path: str = "") -> str | None:
    """The id of the one resource that fits, None when there is none; 412 when there are more. What is wrong
    with the condition is named by `path`, where it came from.
    """
    try:
        found = matching_ids(store, kind, pairs)
    except FhirError as error:
        places = tuple(filter(None, [path]))
        told = [Issue(one.code, one.diagnostics, places, one.severity) for one in error.issues]
        raise FhirError(error.status, told) from None
    if len(found) > 1:
        raise errors.precondition_failed(
            f"The condition fits more than one {kind}; make it narrower.",
            *filter(None, [path]),
            code="multiple-matches",
        )
    return found[0] if found else None


def _spelled(pairs: Pairs) -> str:
    """The same condition is always the same text."""
    text = urlencode(sorted(pairs))
    return text if len(text) <= LONGEST else hashlib.sha256(text.encode()).hexdigest()
