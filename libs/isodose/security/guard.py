"""Under `auth smart` nothing about patients is answered without a token that was checked: closed by default.

https://hl7.org/fhir/smart-app-launch/conformance.html · RFC 6750
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool

from isodose.fhir.errors import FhirError, Issue, outcome
from isodose.fhir.exchange import ACCESS
from isodose.security.callers import CALLER, Callers
from isodose.security.limits import Shares, address_of, too_many
from isodose.security.tokens import BadTokenError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

_OPEN = re.compile(
    r"(/healthz|/readyz|/metrics|/openapi\.json|(/\w+)?/fhir/(metadata|\.well-known/smart-configuration))/?"
    r"|/worklist/(launch|callback|sign-out|assets/[a-z.-]+)"
)
# An EHR shows the secret of its Subscription there, which the routes judge themselves.
_NOTIFICATIONS = re.compile(r"/notifications(/.*)?")
# CDS calls carry tokens of another kind, which the routes of CDS Hooks judge themselves.
_CDS = re.compile(r"/cds-services(/.*)?")
_SERVICES_ONLY = re.compile(r"/patient-record/.*")


class Guard:
    """ASGI: puts who is calling and what they may do into the scope, or answers 401, 403 with an
    OperationOutcome.

    `refusals` are what an address may be refused; when they are used up, its further tokens are not looked at
    for a while, but for those that were believed before.
    """

    def __init__(self, app: ASGIApp, callers: Callers, cds_judges: bool, refusals: Shares | None) -> None:
        self._app = app
        self._callers = callers
        self._cds_judges = cds_judges
        self._refusals = refusals

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._is_open(scope["path"]):
            await self._app(scope, receive, send)
            return
        address = address_of(scope)
        try:
            token = _token(scope)
            caller = self._callers.known(token)
            if caller is None:
                if self._refusals and (wait := self._refusals.wait_s(address, take=False)):
                    await too_many(send, wait)
                    return
                caller = await run_in_threadpool(self._callers.recognise, token) if token else None
        except BadTokenError as error:
            self._count(address)
            said = f"This needs an access token that holds here: {error}."
            await _refused(send, 401, Issue("login", said), b'Bearer realm="isodose", error="invalid_token"')
            return
        if caller is None:
            self._count(address)
            issue = Issue("login", "This needs an access token; see .well-known/smart-configuration.")
            await _refused(send, 401, issue, b"Bearer")
            return
        if _SERVICES_ONLY.fullmatch(scope["path"]) and not caller.is_service:
            await _refused(send, 403, Issue("forbidden", "This is for the services here alone."), b"Bearer")
            return
        scope[ACCESS], scope[CALLER] = caller.access, caller
        await self._app(scope, receive, send)

    def _is_open(self, path: str) -> bool:
        if _OPEN.fullmatch(path) or _NOTIFICATIONS.fullmatch(path):
            return True
        return self._cds_judges and _CDS.fullmatch(path) is not None

    def _count(self, address: str) -> None:
        if self._refusals:
            self._refusals.wait_s(address)


def _token(scope: Scope) -> str:
    """The bearer token, empty where there is none. Raises `BadTokenError` for anything else."""
    given = [value for name, value in scope["headers"] if name == b"authorization"]
    if not given:
        return ""
    scheme, _, token = given[0].decode("latin-1").partition(" ")
    if scheme.lower() != "bearer" or not token.strip() or len(given) > 1:
        raise BadTokenError("it is not one bearer token")
    return str(token.strip())


async def _refused(send: Send, status: int, issue: Issue, challenge: bytes) -> None:
    headers = [(b"content-type", b"application/fhir+json"), (b"www-authenticate", challenge)]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": outcome(FhirError(status, [issue]))})
