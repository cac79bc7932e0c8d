"""Gets access tokens for Isodose itself, as a backend service that the EHR has registered.

https://hl7.org/fhir/smart-app-launch/backend-services.html
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from pathlib import Path

import httpx
import orjson
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, KeySet

ASSERTION_S = 240
EARLY_S = 30
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class NoTokenError(Exception):
    """The EHR gave no token. The message says why, and holds neither key nor token."""


def private_key(file: Path) -> Key:
    """The private JWK in a file, alone or the first of a set. Raises `ValueError` naming the file."""
    try:
        document = orjson.loads(file.read_bytes())
        (key, *_) = KeySet.import_key_set(document if "keys" in document else {"keys": [document]}).keys
    except (OSError, ValueError, TypeError, JoseError) as error:
        raise ValueError(f"{file} holds no private JWK: {type(error).__name__}") from error
    if not key.is_private or not key.kid:
        raise ValueError(f"{file} holds a key that is not private, or has no kid")
    return key


class BackendToken:
    """A token for one EHR, asked for when it is needed and again shortly before it ends."""

    def __init__(
        self,
        token_url: str,
        *,
        client_id: str,
        key: Key,
        scope: str,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._token_url = token_url
        self._client_id = client_id
        self._key = key
        self._scope = scope
        self._http = httpx.Client(transport=transport, timeout=10, follow_redirects=False)
        self._clock = clock
        self._token = ""
        self._until = 0.0

    def header(self) -> dict[str, str]:
        """The Authorization header. Raises `NoTokenError`."""
        if self._clock() >= self._until - EARLY_S:
            self._ask()
        return {"authorization": f"Bearer {self._token}"}

    def _ask(self) -> None:
        form = {
            "grant_type": "client_credentials",
            "scope": self._scope,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": assertion(self._key, self._client_id, self._token_url, self._clock),
        }
        try:
            answer = self._http.post(self._token_url, data=form, headers={"accept": "application/json"})
            told = answer.json() if answer.content else {}
        except (httpx.HTTPError, ValueError) as error:
            raise NoTokenError(f"the token endpoint cannot be asked: {type(error).__name__}") from None
        if answer.status_code != httpx.codes.OK:
            said = told.get("error") if isinstance(told, dict) else None
            raise NoTokenError(f"the token endpoint answered {answer.status_code} {_plain(said)}".rstrip())
        token = told.get("access_token") if isinstance(told, dict) else None
        if not isinstance(token, str) or str(told.get("token_type", "")).lower() != "bearer":
            raise NoTokenError("the token endpoint gave no bearer token")
        self._token, self._until = token, self._clock() + float(told.get("expires_in", 60))


def assertion(key: Key, client_id: str, token_url: str, clock: Callable[[], float] = time.time) -> str:
    """What a client that holds a private key proves with it at the token endpoint: private_key_jwt."""
    now = int(clock())
    alg = "ES384" if isinstance(key, ECKey) else "RS384"
    claims = {
        "iss": client_id, "sub": client_id, "aud": token_url,
        "iat": now, "exp": now + ASSERTION_S, "jti": str(uuid.uuid4()),
    }  # fmt: skip
    return jwt.encode({"alg": alg, "kid": key.kid, "typ": "JWT"}, claims, key, algorithms=[alg])


def _plain(said: object) -> str:
    return said if isinstance(said, str) and said.replace("_", "").isalpha() else ""
