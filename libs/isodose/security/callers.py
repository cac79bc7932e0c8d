"""Who is calling, by the bearer token: someone whom the EHR's authorisation server vouches for, or a
service here.

https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from isodose.fhir.access import Access
from isodose.security.introspection import KEPT_S, Introspection
from isodose.security.keys import Keys
from isodose.security.scopes import access_of
from isodose.security.tokens import BadTokenError, believed, check_claims, header_of

SERVICE_ISSUER = "isodose"
SERVICE_AUDIENCE = "isodose-services"
SERVICE_SCOPE = "system/*.rs"
SERVICE_TOKEN_S = 60
CALLER = "isodose.caller"
"""Where the scope of a request holds its `Caller`."""
KNOWN_TOKENS = 2_000
SHORTEST_KEY = 32
_OWN_KEY = secrets.token_bytes(SHORTEST_KEY)


@dataclass(frozen=True, slots=True)
class Caller:
    """Someone whose token was believed. `user` is the FHIR user where the token names one."""

    client: str
    subject: str
    user: str
    access: Access = field(repr=False)
    until: float
    is_service: bool = False

    @property
    def name(self) -> str:
        return self.user or self.subject or self.client


@dataclass(frozen=True, kw_only=True)
class Issuer:
    """The authorisation server whose tokens are taken, and how it names the patient in the launch context.

    Tokens that are no JWT are asked about by `introspection`; without it they are refused.
    """

    name: str
    keys: Keys = field(repr=False)
    introspection: Introspection | None = field(default=None, repr=False)
    audience: Sequence[str]
    patient_claim: str = "patient"


class ServiceKey:
    """The secret that the services share, to call one another; short tokens are made of it, it is never
    sent.
    """

    def __init__(self, secret: bytes, clock: Callable[[], float] = time.time) -> None:
        if len(secret) < SHORTEST_KEY:
            raise ValueError(f"the service key has {len(secret)} bytes; at least {SHORTEST_KEY} are needed")
        self._key = OctKey.import_key(secret)
        self._clock = clock

    def token(self, service: str) -> str:
        """A token for one call by `service`; it holds a minute."""
        return self._signed({"sub": service, "scope": SERVICE_SCOPE})

    def delegated(self, service: str, user: str, scopes: str, patient: str | None) -> str:
        """A token for calls by `service` on behalf of someone who signed in there: it allows what these
        scopes allow them, about this patient where one is in context, and holds a minute. RFC 8693, `act`.
        """
        told = {"sub": user, "scope": scopes, "patient": patient, "act": {"sub": service}}
        return self._signed({name: value for name, value in told.items() if value is not None})

    def _signed(self, told: dict[str, Any]) -> str:
        now = int(self._clock())
        claims = told | {
            "iss": SERVICE_ISSUER, "aud": SERVICE_AUDIENCE, "iat": now, "exp": now + SERVICE_TOKEN_S,
        }  # fmt: skip
        return jwt.encode({"alg": "HS256", "typ": "JWT"}, claims, self._key, algorithms=["HS256"])

    def claims(self, token: str) -> dict[str, Any]:
        """The claims of a token made of this key. Raises `BadTokenError`."""
        try:
            claims = dict(jwt.decode(token, self._key, algorithms=["HS256"]).claims)
        except (JoseError, ValueError, TypeError):
            raise BadTokenError("the signature does not hold") from None
        check_claims(
            claims,
            issuer=SERVICE_ISSUER,
            audience=[SERVICE_AUDIENCE],
            required=["exp", "sub"],
            clock=self._clock,
        )
        return claims


def service_key(file: Path | None) -> ServiceKey:
    """The key in the file, or one that only this process knows. Raises `ValueError` for a file without
    one.
    """
    if file is None:
        return ServiceKey(_OWN_KEY)
    try:
        return ServiceKey(file.read_bytes().strip())
    except OSError as error:
        raise ValueError(f"{file}: {error.strerror}") from error


class Callers:
    """Tells who is behind a token. A token that was believed is known for as long as it holds."""

    def __init__(
        self, issuer: Issuer | None, services: ServiceKey, clock: Callable[[], float] = time.time
    ) -> None:
        self._issuer = issuer
        self._services = services
        self._clock = clock
        self._known: OrderedDict[bytes, Caller] = OrderedDict()
        self._lock = threading.Lock()

    def known(self, token: str) -> Caller | None:
        """Who it is, when the token was believed before and holds still. Does not wait."""
        digest = hashlib.sha256(token.encode()).digest()
        with self._lock:
            caller = self._known.get(digest)
            if caller is not None and caller.until <= self._clock():
                del self._known[digest]
                return None
        return caller

    def recognise(self, token: str) -> Caller:
        """Who it is. May wait for the issuer's keys. Raises `BadTokenError`."""
        caller = self._judged(token)
        digest = hashlib.sha256(token.encode()).digest()
        with self._lock:
            self._known[digest] = caller
            while len(self._known) > KNOWN_TOKENS:
                self._known.popitem(last=False)
        return caller

    def _judged(self, token: str) -> Caller:
        if self._issuer and self._issuer.introspection and not _is_jwt(token):
            return self._asked_about(token, self._issuer, self._issuer.introspection)
        if header_of(token).get("alg") == "HS256":
            claims = self._services.claims(token)
            if "act" in claims:
                return _on_behalf(claims)
            access = access_of([SERVICE_SCOPE], None)
            return Caller(claims["sub"], claims["sub"], "", access, float(claims["exp"]), is_service=True)
        if self._issuer is None:
            raise BadTokenError("no issuer of tokens is set up here")
        claims = believed(
            token,
            self._issuer.keys,
            issuer=self._issuer.name,
            audience=self._issuer.audience,
            clock=self._clock,
        )
        return _caller(claims, self._issuer, float(claims["exp"]))

    def _asked_about(self, token: str, issuer: Issuer, introspection: Introspection) -> Caller:
        claims = introspection.claims(token)
        # RFC 7662 leaves issuer and audience out where they go without saying.
        told = {"iss": issuer.name, "aud": list(issuer.audience), **claims}
        check_claims(
            told, issuer=issuer.name, audience=issuer.audience, required=["exp", "scope"], clock=self._clock
        )
        return _caller(claims, issuer, min(float(claims["exp"]), self._clock() + KEPT_S))


def _is_jwt(token: str) -> bool:
    return token.count(".") == 2


def _caller(claims: dict[str, Any], issuer: Issuer, until: float) -> Caller:
    patient = claims.get(issuer.patient_claim)
    scopes = claims.get("scope", "")
    listed = scopes.split() if isinstance(scopes, str) else [str(one) for one in scopes]
    return Caller(
        client=_text(claims, "client_id", "azp", "sub"),
        subject=_text(claims, "sub"),
        user=_text(claims, "fhirUser", "profile"),
        access=access_of(listed, patient if isinstance(patient, str) else None),
        until=until,
    )


def _on_behalf(claims: dict[str, Any]) -> Caller:
    access = access_of(str(claims.get("scope", "")).split(), claims.get("patient"))
    return Caller(claims["act"]["sub"], claims["sub"], claims["sub"], access, float(claims["exp"]))


def _text(claims: dict[str, Any], *names: str) -> str:
    return next((claims[name][:255] for name in names if isinstance(claims.get(name), str)), "")
