"""What worklist is made of."""

from __future__ import annotations

from html import escape

import httpx
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from isodose.cds_hooks import discovery_router
from isodose.security.gate import Gate
from isodose.service import Service, cds_trust
from isodose.settings import Settings
from worklist import pages
from worklist.reading import AwayError, Reader, RefusedError, Row


def service(settings: Settings, transport: httpx.AsyncBaseTransport | None = None) -> Service:
    """`transport` carries the reads where the other services are not reached over the network."""
    return Service(
        name="worklist",
        title="Isodose: worklist",
        description="Pages for the clinical team",
        port=8005,
        routers=(_pages(settings, transport), _discovery(settings)),
        keeps_state=False,
    )


def _deciding(settings: Settings) -> tuple[str, ...]:
    return (
        settings.eligibility_scoring_url,
        settings.are_surveillance_url,
        settings.ici_steroid_alerts_url,
    )


def _discovery(settings: Settings) -> APIRouter:
    gate, trust = Gate(settings), cds_trust(settings.for_service("worklist", 8005))
    return discovery_router(
        _deciding(settings), authorization=lambda: gate.authorization("worklist"), trust=trust
    )


def _pages(settings: Settings, transport: httpx.AsyncBaseTransport | None) -> APIRouter:
    router = APIRouter()
    fixed = settings.demonstration_day
    day = f'<p class="note">Every decision is made for {escape(str(fixed))}.</p>' if fixed else ""

    @router.get("/worklist")
    async def worklist(request: Request) -> HTMLResponse:
        try:
            async with _client(request, transport) as client:
                return _html(pages.worklist_page(await Reader(settings, client).all(), day))
        except RefusedError:
            return _refused()
        except AwayError:
            return _html(pages.message_page("Worklist", "The patients cannot be read now; try again."), 503)

    @router.get("/worklist/Patient/{patient_id}")
    async def patient(request: Request, patient_id: str) -> HTMLResponse:
        try:
            async with _client(request, transport) as client:
                row: Row | None = await Reader(settings, client).one(patient_id)
        except RefusedError:
            return _refused()
        except AwayError:
            return _html(pages.message_page("Worklist", "The patient cannot be read now; try again."), 503)
        if row is None:
            return _html(pages.message_page("Not found", "There is no patient of this id."), 404)
        return _html(pages.patient_page(row, day))

    return router


def _client(request: Request, transport: httpx.AsyncBaseTransport | None) -> httpx.AsyncClient:
    """Reads with the very token of whoever looks at the page, so that nobody sees more here than
    elsewhere.
    """
    token = request.headers.get("authorization")
    headers = {"authorization": token} if token else {}
    return httpx.AsyncClient(transport=transport, timeout=10, headers=headers)


def _refused() -> HTMLResponse:
    return _html(pages.message_page("Worklist", "Your access does not include the patients."), 403)


def _html(page: str, status: int = 200) -> HTMLResponse:
    headers = {
        "cache-control": "no-store",
        "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
    }
    return HTMLResponse(page, status, headers)
