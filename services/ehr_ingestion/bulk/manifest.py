"""The list of files that a finished export consists of.

https://hl7.org/fhir/uv/bulkdata/export.html#response---output-manifest
"""

from __future__ import annotations

from typing import Literal

import msgspec

from ehr_ingestion.arrival import rank
from ehr_ingestion.ehr_client import EhrAwayError

Kind = Literal["output", "deleted", "error"]
_LAST = ("output", "deleted", "error")


class Link(msgspec.Struct, frozen=True):
    """One file: what it holds and where it is. What errors hold are OperationOutcomes, deletions Bundles."""

    url: str
    type: str = ""
    count: int | None = None
    kind: Kind = "output"


class Manifest(msgspec.Struct, frozen=True, rename="camel"):
    """`transaction_time` is the instant whose state was exported: the next export asks for what came since.

    Version 4 calls the errors `outcome`.
    """

    transaction_time: str
    requires_access_token: bool = False
    output: list[Link] = []
    deleted: list[Link] = []
    error: list[Link] = []
    outcome: list[Link] = []

    def links(self) -> list[Link]:
        """All files in the order in which they are read: what others refer to first, deletions after it."""
        listed = [
            *self.output,
            *(msgspec.structs.replace(one, kind="deleted") for one in self.deleted),
            *(msgspec.structs.replace(one, kind="error") for one in (*self.error, *self.outcome)),
        ]
        return sorted(listed, key=lambda link: (_LAST.index(link.kind), rank(link.type)))


def manifest_of(content: bytes) -> Manifest:
    """Raises `EhrAwayError` for what is none."""
    try:
        return msgspec.json.decode(content, type=Manifest)
    except msgspec.DecodeError:
        raise EhrAwayError("the EHR answered the export with something else than a manifest") from None
