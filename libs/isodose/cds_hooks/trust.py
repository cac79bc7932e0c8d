"""Which CDS clients are trusted, and whether a call comes from one of them: the signed token of the call.

https://cds-hooks.hl7.org/2.0/#trusting-cds-clients
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import yaml
from joserfc import jws
from joserfc.errors import JoseError

from isodose.cds_hooks.replay import Memory, OwnMemory
from isodose.fhir.access import Access
from isodose.fhir.errors import FhirError, Issue
from isodose.security.callers import Caller, ServiceKey
from isodose.security.keys import FetchedKeys, Keys, keys_in
from isodose.security.tokens import BadTokenError, believed, header_of

LONGEST_S = 3600
_REQUIRED = ("exp", "iat", "jti")
_MEMBERS = frozenset({"iss", "jku", "jwks_file", "tenants"})


@dataclass(frozen=True, kw_only=True)
class CdsClient:
    """One EHR: its name in `iss`, its keys, the address of them that a token may name, and its tenants if
    limited.
    """

    iss: str
    keys: Keys = field(repr=False)
    jku: str = ""
    tenants: frozenset[str] = frozenset()


class CdsTrust:
    """The clients that may call the CDS services at `base`, the address before /cds-services. `memory` knows
    which tokens were used.
    """

    def __init__(
        self,
        clients: Sequence[CdsClient],
        base: str,
        services: ServiceKey | None = None,
        clock: Callable[[], float] = time.time,
        memory: Memory | None = None,
    ) -> None:
        self._clients = {client.iss: client for client in clients}
        self._base = base.rstrip("/")
        self._services = services
        self._clock = clock
        self._memory = memory or OwnMemory(clock)

    def check(self, authorization: str | None, path: str) -> Caller:
        """Who calls `path`, such as /cds-services/x. Raises `FhirError`: 401, or 403 for a tenant not
        listed.
        """
        token = bearer(authorization)
        try:
            if path == "/cds-services" and self._services and header_of(token).get("alg") == "HS256":
                return _caller(self._services.claims(token)["sub"], self._clock())
            claims = self._claims(token, path)
        except BadTokenError as error:
            raise _refused(f"The token of the call is not believed: {error}.") from None
        return _caller(claims["iss"], float(claims["exp"]))

    def _claims(self, token: str, path: str) -> Mapping[str, Any]:
        header, issuer = header_of(token), _issuer_of(token)
        client = self._clients.get(issuer)
        if client is None:
            raise BadTokenError("its issuer is not a client that is trusted here")
        if str(header.get("typ", "")).upper() != "JWT" or not isinstance(header.get("kid"), str):
            raise BadTokenError("its header needs typ JWT and a kid")
        if "jku" in header and header["jku"] != client.jku:
            raise BadTokenError("it names another address of keys than the one registered")
        claims = believed(
            token,
            client.keys,
            issuer=client.iss,
            audience=[self._base + path],
            required=_REQUIRED,
            clock=self._clock,
        )
        if client.tenants and claims.get("tenant") not in client.tenants:
            raise FhirError(403, [Issue("forbidden", "This tenant is not one that may call.")])
        if claims["exp"] > self._clock() + LONGEST_S:
            raise BadTokenError("it holds longer than an hour")
        believed_until = float(claims["exp"]) + LONGEST_S
        if not self._memory.use(client.iss, str(claims["jti"]), believed_until):
            raise BadTokenError("it was used before")
        return claims


def bearer(authorization: str | None) -> str:
    """The token in an Authorization header. Raises `FhirError` 401."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise _refused("A call carries a signed token: Authorization: Bearer, as CDS Hooks says.")
    return token.strip()


def clients_in(file: Path) -> list[CdsClient]:
    """The clients listed in a YAML file: `iss`, and `jku` or `jwks_file`; `tenants` if only some may call.

    Raises `ValueError` naming the file and what is wrong.
    """
    try:
        listed = yaml.safe_load(file.read_text("utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ValueError(f"{file} cannot be read: {type(error).__name__}") from error
    if not isinstance(listed, list):
        raise ValueError(f"{file} is not a list of clients")
    return [_client(one, file) for one in listed]


def _client(listed: Any, file: Path) -> CdsClient:
    if not isinstance(listed, dict) or not listed.get("iss") or listed.keys() - _MEMBERS:
        raise ValueError(f"{file}: a client has iss, jku or jwks_file, and tenants; nothing else")
    jku, jwks_file = listed.get("jku", ""), listed.get("jwks_file")
    if jwks_file:
        keys: Keys = keys_in(file.parent / jwks_file)
    elif jku:
        keys = FetchedKeys(jku)
    else:
        raise ValueError(f"{file}: {listed['iss']} needs jku or jwks_file")
    return CdsClient(iss=listed["iss"], keys=keys, jku=jku, tenants=frozenset(listed.get("tenants", ())))


def _issuer_of(token: str) -> str:
    """The issuer as the token claims it, only to look up the keys that will tell."""
    try:
        issuer = orjson.loads(jws.extract_compact(token.encode("ascii")).payload).get("iss")
    except (JoseError, ValueError, AttributeError):
        issuer = None
    if not isinstance(issuer, str):
        raise BadTokenError("it names no issuer")
    return issuer


def _caller(name: str, until: float) -> Caller:
    return Caller(client=name, subject=name, user="", access=Access(()), until=until)


def _refused(said: str) -> FhirError:
    return FhirError(401, [Issue("login", said)])
