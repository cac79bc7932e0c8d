"""One list of CDS services where several processes stand behind one address.

https://cds-hooks.hl7.org/2.0/#discovery
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx
import orjson
from fastapi import APIRouter, Request, Response

from isodose.cds_hooks import described
from isodose.cds_hooks.hook import merged
from isodose.cds_hooks.trust import CdsTrust
from isodose.fhir.errors import unavailable
from isodose.telemetry import Traced


def discovery_router(
    addresses: Sequence[str],
    transport: httpx.BaseTransport | None = None,
    authorization: Callable[[], Mapping[str, str]] = dict,
    trust: CdsTrust | None = None,
) -> APIRouter:
    """`GET /cds-services` for services that run elsewhere, asked at each request. One that does not answer
    makes the whole 503: a list that left it out would say that its advice does not exist. `authorization`
    are the
    headers by which they know who asks; with `trust`, whoever asks here needs the token of a trusted client.
    """
    router = APIRouter(tags=["CDS Hooks"])

    @router.get("/cds-services", openapi_extra=described.DISCOVERY)
    def discover(request: Request) -> Response:
        if trust is not None:
            trust.check(request.headers.get("authorization"), "/cds-services")
        with httpx.Client(transport=Traced(transport), timeout=5, headers=authorization()) as http:
            document = merged(_ask(address, http) for address in addresses)
        return Response(orjson.dumps(document), media_type="application/json")

    return router


def _ask(address: str, http: httpx.Client) -> dict[str, Any]:
    try:
        answer = http.get(f"{address.rstrip('/')}/cds-services").raise_for_status()
        document: dict[str, Any] = orjson.loads(answer.content)
    except (httpx.HTTPError, orjson.JSONDecodeError):
        raise unavailable(f"The service at {address} does not list its CDS services; try again.") from None
    return document
