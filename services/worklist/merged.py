"""A patient who was merged into another: every page about them leads to the record that is used instead.

Who replaces whom is what the record says of itself, as the events told it to the worklist (`replaced_by`).
"""

from __future__ import annotations

from urllib.parse import quote, urlencode

from fastapi import Request, Response
from starlette.concurrency import run_in_threadpool

from isodose.fhir.exchange import Deed
from isodose.service import Running
from worklist.replies import message, see
from worklist.sight import sight_of

_BEYOND = "The record that you asked for was merged into another one, which your access does not include."


class Merged:
    """Looks at the records of those who were merged, which the worklist keeps."""

    def __init__(self, running: Running) -> None:
        self._running = running

    async def onward(self, request: Request, patient_id: str, page: str = "") -> Response | None:
        """The way to the same `page` of the patient who is used, noted for the audit; None where this one is.

        A reader who may not see the one who was merged learns nothing here; one who may see nobody else is
        told so.
        """
        may_see = sight_of(request).patients
        if may_see is not None and patient_id not in may_see:
            return None
        survivor = await self.survivor(patient_id)
        if not survivor:
            return None
        status = 303 if may_see is None or survivor in may_see else 403
        self._running.witness(request, Deed("read", "Patient", patient_id, "", status, (patient_id,)))
        if status == 403:
            return message("Merged", _BEYOND, status)
        place = f"../{quote(survivor, safe='')}/{page}" if page else quote(survivor, safe="")
        asked = urlencode({"merged": request.query_params.get("merged") or patient_id})
        return see(f"{place}?{asked}")

    async def into(self, request: Request, patient_id: str) -> str:
        """The id under which this patient was asked for, where it was merged into theirs; else empty."""
        before = request.query_params.get("merged", "")
        return before if before and await self.survivor(before) == patient_id else ""

    async def survivor(self, patient_id: str) -> str:
        """Who is used in the place of this patient; empty for one who was not merged."""

        def read() -> str:
            with self._running.reading() as work:
                record = work.records.get(patient_id)
            return record.replaced_by if record else ""

        return await run_in_threadpool(read)
