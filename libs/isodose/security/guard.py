"""Under `auth smart` nothing about patients is answered without a token that was checked.

Tokens are not checked yet, so every request for patient data is refused: closed, never open by omission.
https://hl7.org/fhir/smart-app-launch/conformance.html
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from isodose.fhir.errors import FhirError, Issue, outcome

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

_OPEN = re.compile(r"(/healthz|/readyz|/metrics|/cds-services|(/\w+)?/fhir/metadata)/?")


class Closed:
    """ASGI: 401 with an OperationOutcome for every path that may give patient data."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _OPEN.fullmatch(scope["path"]):
            await self._app(scope, receive, send)
            return
        said = "This needs an access token, which cannot be checked yet; run on loopback with auth none."
        body = outcome(FhirError(401, [Issue("login", said)]))
        headers = [(b"content-type", b"application/fhir+json"), (b"www-authenticate", b"Bearer")]
        await send({"type": "http.response.start", "status": 401, "headers": headers})
        await send({"type": "http.response.body", "body": body})
