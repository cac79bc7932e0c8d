"""What worklist is made of."""

from __future__ import annotations

import httpx
from fastapi import APIRouter
from starlette.middleware import Middleware

from isodose.cds_hooks import discovery_router
from isodose.erasure import GUIDANCE, RECORDS
from isodose.security.gate import Gate, GateError
from isodose.service import Running, Service, cds_trust
from isodose.settings import Settings
from worklist.answering import answering
from worklist.connections import Connections
from worklist.csrf import Csrf
from worklist.handlers import handlers
from worklist.intake.pages import intake
from worklist.pages import pages
from worklist.signin.door import Door
from worklist.signin.ehr import Client
from worklist.signin.routes import Cookies, signing_in
from worklist.signin.sessions import Sessions
from worklist.static import assets
from worklist.watching import changing


def service(settings: Settings, transport: httpx.AsyncBaseTransport | None = None) -> Service:
    """`transport` carries the reads where the other services are not reached over the network."""
    own = settings.for_service("worklist", 8005)
    gate, trust, csrf = Gate(settings), cds_trust(own), Csrf(own.worklist_url.startswith("https:"))
    connections = Connections(own, transport)
    deciding = (
        settings.eligibility_scoring_url,
        settings.are_surveillance_url,
        settings.ici_steroid_alerts_url,
    )
    discovery = discovery_router(deciding, authorization=lambda: gate.authorization("worklist"), trust=trust)

    client, cookies = _client(own), Cookies(own.worklist_url.startswith("https:"))

    def own_routes(running: Running) -> APIRouter:
        made = pages(running, connections, csrf)
        made.include_router(intake(running, connections, csrf))
        made.include_router(changing(running))
        if client is not None:
            made.include_router(signing_in(client, sessions_of(running), cookies, csrf))
        return made

    def door(running: Running) -> Middleware:
        return Middleware(Door, sessions=sessions_of(running), key=gate.services, cookie=cookies.session)

    return Service(
        name="worklist",
        title="Isodose: worklist",
        description="Pages for the clinical team",
        port=8005,
        handlers=handlers(),
        erased_by=(RECORDS, GUIDANCE),
        own_routes=own_routes,
        door=door if client is not None else None,
        close=connections.close,
        routers=(
            assets(),
            answering(connections, csrf),
            discovery,
        ),
    )


def _client(settings: Settings) -> Client | None:
    """As what EHRs know this platform; None where nobody signs in. Raises `GateError`."""
    if settings.auth != "smart" or not settings.smart_client_id:
        return None
    try:
        return Client(settings)
    except ValueError as error:
        raise GateError(str(error)) from error


def sessions_of(running: Running) -> Sessions:
    settings = running.settings
    return Sessions(running.database, settings.session_idle_minutes * 60, settings.session_hours * 3600)
