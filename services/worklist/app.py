"""What worklist is made of."""

from __future__ import annotations

from html import escape

import httpx
from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from isodose.cds_hooks import discovery_router
from isodose.service import Service
from isodose.settings import Settings
from worklist import pages
from worklist.reading import AwayError, Reader, Row


def service(settings: Settings, transport: httpx.AsyncBaseTransport | None = None) -> Service:
    """`transport` carries the reads where the other services are not reached over the network."""
    return Service(
        name="worklist",
        title="Isodose: worklist",
        description="Pages for the clinical team",
        port=8005,
        routers=(_pages(settings, transport), discovery_router(_deciding(settings))),
        keeps_state=False,
    )


def _deciding(settings: Settings) -> tuple[str, ...]:
    return (
        settings.eligibility_scoring_url,
        settings.are_surveillance_url,
        settings.ici_steroid_alerts_url,
    )


def _pages(settings: Settings, transport: httpx.AsyncBaseTransport | None) -> APIRouter:
    router = APIRouter()
    fixed = settings.demonstration_day
    day = f'<p class="note">Every decision is made for {escape(str(fixed))}.</p>' if fixed else ""

    @router.get("/worklist")
    async def worklist() -> HTMLResponse:
        try:
            async with httpx.AsyncClient(transport=transport, timeout=10) as client:
                return _html(pages.worklist_page(await Reader(settings, client).all(), day))
        except AwayError:
            return _html(pages.message_page("Worklist", "The patients cannot be read now; try again."), 503)

    @router.get("/worklist/Patient/{patient_id}")
    async def patient(patient_id: str) -> HTMLResponse:
        try:
            async with httpx.AsyncClient(transport=transport, timeout=10) as client:
                row: Row | None = await Reader(settings, client).one(patient_id)
        except AwayError:
            return _html(pages.message_page("Worklist", "The patient cannot be read now; try again."), 503)
        if row is None:
            return _html(pages.message_page("Not found", "There is no patient of this id."), 404)
        return _html(pages.patient_page(row, day))

    return router


def _html(page: str, status: int = 200) -> HTMLResponse:
    headers = {
        "cache-control": "no-store",
        "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
    }
    return HTMLResponse(page, status, headers)
