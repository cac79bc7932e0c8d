"""Puts the guards before an application, as the settings say: tokens, shares, and who may call from a
browser.

https://hl7.org/fhir/smart-app-launch/conformance.html
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from isodose.security.callers import Callers, Issuer, ServiceKey, service_key
from isodose.security.guard import Guard
from isodose.security.introspection import Introspection, credentials_in
from isodose.security.keys import FetchedKeys, FixedKeys, Keys, keys_in
from isodose.security.limits import Limited, Shares
from isodose.settings import Settings

_CAPABILITIES = (
    "client-confidential-asymmetric",
    "permission-patient",
    "permission-user",
    "permission-v1",
    "permission-v2",
)
_SENT = (
    "authorization", "content-type", "accept", "prefer", "if-match", "if-none-match", "if-none-exist",
    "if-modified-since", "x-request-id",
)  # fmt: skip
_READ = (
    "etag", "location", "content-location", "last-modified", "www-authenticate", "retry-after",
    "x-request-id", "x-correlation-id",
)  # fmt: skip


class GateError(ValueError):
    """The settings of access control do not go together; the message says which and what to do."""


class Gate:
    """Access control of one service. Raises `GateError` where the settings do not suffice."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.closed = settings.auth == "smart"
        try:
            self.services: ServiceKey = service_key(settings.service_key_file)
            self.callers = Callers(_issuer(settings) if self.closed else None, self.services)
        except ValueError as error:
            raise GateError(str(error)) from error

    def configuration(self) -> dict[str, Any] | None:
        """`.well-known/smart-configuration`; None where no tokens are asked for."""
        return smart_configuration(self.settings) if self.closed else None

    def install(self, app: FastAPI, cds_judges: bool) -> None:
        """`cds_judges` tells that the routes of CDS Hooks judge their callers themselves."""
        if self.settings.requests_per_minute:
            app.add_middleware(Limited, shares=Shares(self.settings.requests_per_minute))
        if self.closed:
            most = self.settings.refusals_per_minute
            refusals = Shares(most) if most else None
            app.add_middleware(Guard, callers=self.callers, cds_judges=cds_judges, refusals=refusals)
        allow_origins(app, self.settings)

    def authorization(self, service: str) -> dict[str, str]:
        """The header by which one service calls another."""
        return {"authorization": f"Bearer {self.services.token(service)}"} if self.closed else {}


def allow_origins(app: FastAPI, settings: Settings) -> None:
    """Let browsers at the listed origins call; no others, and never with cookies."""
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=_SENT,
            expose_headers=_READ,
            max_age=600,
        )


def smart_configuration(settings: Settings) -> dict[str, Any]:
    """What a client needs to know to get a token for this server."""
    told = {
        "issuer": settings.smart_issuer,
        "jwks_uri": settings.smart_jwks_url,
        "authorization_endpoint": settings.smart_authorize_url,
        "token_endpoint": settings.smart_token_url,
        "introspection_endpoint": settings.smart_introspection_url,
    }
    grants = ["client_credentials", *(["authorization_code"] if settings.smart_authorize_url else [])]
    return {name: value for name, value in told.items() if value} | {
        "grant_types_supported": grants,
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["RS384", "ES384"],
        "scopes_supported": [
            "system/*.rs",
            "system/*.cruds",
            "user/*.rs",
            "patient/*.rs",
            "system/AuditEvent.rs",
        ],
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["S256"],
        "capabilities": list(_CAPABILITIES),
    }


def _issuer(settings: Settings) -> Issuer | None:
    if not settings.smart_issuer:
        return None
    if not settings.smart_token_url:
        raise GateError("ISODOSE_SMART_ISSUER needs ISODOSE_SMART_TOKEN_URL, which clients are told of")
    return Issuer(
        name=settings.smart_issuer,
        keys=_keys(settings),
        introspection=_introspection(settings),
        audience=settings.smart_audience or (f"{settings.public_url}/fhir",),
        patient_claim=settings.smart_patient_claim,
    )


def _keys(settings: Settings) -> Keys:
    if settings.smart_jwks_file is not None:
        return keys_in(settings.smart_jwks_file)
    if settings.smart_jwks_url:
        return FetchedKeys(settings.smart_jwks_url)
    if settings.smart_introspection_url:
        return FixedKeys({"keys": []})
    raise GateError(
        "ISODOSE_SMART_ISSUER needs ISODOSE_SMART_JWKS_URL, ISODOSE_SMART_JWKS_FILE or "
        "ISODOSE_SMART_INTROSPECTION_URL"
    )


def _introspection(settings: Settings) -> Introspection | None:
    url = settings.smart_introspection_url
    return Introspection(url, credentials_in(settings.smart_introspection_secret_file)) if url else None
