"""What a subscriber may be told of: what the token might read with which it asked."""

from __future__ import annotations

from isodose.fhir.access import Access
from isodose.fhir.limited import LimitedStore
from isodose.fhir.store import ResourceStore


def visible(store: ResourceStore, access: Access | None) -> ResourceStore:
    """The resources within this access; all of them where it is None."""
    return store if access is None else LimitedStore(store, access)
