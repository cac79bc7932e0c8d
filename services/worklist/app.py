"""What worklist is made of."""

from __future__ import annotations

import httpx
from fastapi import APIRouter

from isodose.cds_hooks import discovery_router
from isodose.erasure import GUIDANCE, RECORDS
from isodose.security.gate import Gate
from isodose.service import Running, Service, cds_trust
from isodose.settings import Settings
from worklist.answering import answering
from worklist.csrf import Csrf
from worklist.handlers import handlers
from worklist.intake.pages import intake
from worklist.pages import pages


def service(settings: Settings, transport: httpx.AsyncBaseTransport | None = None) -> Service:
    """`transport` carries the reads where the other services are not reached over the network."""
    own = settings.for_service("worklist", 8005)
    gate, trust, csrf = Gate(settings), cds_trust(own), Csrf(own.worklist_url.startswith("https:"))
    deciding = (
        settings.eligibility_scoring_url,
        settings.are_surveillance_url,
        settings.ici_steroid_alerts_url,
    )
    discovery = discovery_router(deciding, authorization=lambda: gate.authorization("worklist"), trust=trust)

    def own_routes(running: Running) -> APIRouter:
        return pages(running, transport, csrf)

    return Service(
        name="worklist",
        title="Isodose: worklist",
        description="Pages for the clinical team",
        port=8005,
        handlers=handlers(),
        erased_by=(RECORDS, GUIDANCE),
        own_routes=own_routes,
        routers=(answering(settings, transport, csrf), intake(settings, transport, csrf), discovery),
    )
