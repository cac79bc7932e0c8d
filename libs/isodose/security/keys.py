"""The public keys of those who sign tokens: from an address, kept for a while and read again for a new key.

https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html · RFC 7517
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import httpx
import orjson
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, KeySet, RSAKey

MAX_BYTES = 200_000
KEPT_S = 300.0
AGAIN_S = 10.0
SIGNING = ("ES256", "ES384", "RS256", "RS384")
_MAX_AGE = re.compile(r"max-age=(\d{1,6})")


class NoKeyError(Exception):
    """There is no key of this id, or the keys cannot be read; the message says which and holds no secret."""


class Keys(Protocol):
    """The keys of one signer."""

    def find(self, kid: str | None, alg: str) -> Key:
        """The one key of this id that fits the algorithm. Raises `NoKeyError`."""


class FixedKeys:
    """Keys that were given, from a file for instance."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._keys = _read(document)

    def find(self, kid: str | None, alg: str) -> Key:
        return _chosen(self._keys, kid, alg)


class FetchedKeys:
    """Keys at an address. They are kept as long as Cache-Control says, five minutes at most, and read
    again at once,
    though not more often than every ten seconds, when a token names a key that is not among them.
    """

    def __init__(
        self,
        url: str,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.url = url
        self._http = httpx.Client(
            transport=transport,
            timeout=5,
            follow_redirects=False,
            limits=httpx.Limits(max_keepalive_connections=0),
        )
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: list[Key] = []
        self._good_until = 0.0
        self._tried_at = float("-inf")

    def find(self, kid: str | None, alg: str) -> Key:
        with self._lock:
            now = self._clock()
            if now >= self._good_until:
                self._fetch(now)
            try:
                return _chosen(self._keys, kid, alg)
            except NoKeyError:
                if now - self._tried_at < AGAIN_S:
                    raise
                self._fetch(now)
                return _chosen(self._keys, kid, alg)

    def _fetch(self, now: float) -> None:
        if now - self._tried_at < AGAIN_S and not self._keys:
            raise NoKeyError("the keys cannot be read")
        self._tried_at = now
        try:
            answer = self._http.get(self.url, headers={"accept": "application/json"})
            answer.raise_for_status()
            if len(answer.content) > MAX_BYTES:
                raise NoKeyError("the keys are too large to be keys")
            self._keys = _read(orjson.loads(answer.content))
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise NoKeyError(f"the keys cannot be read: {type(error).__name__}") from None
        age = _MAX_AGE.search(answer.headers.get("cache-control", ""))
        self._good_until = now + (min(float(age[1]), KEPT_S) if age else KEPT_S)


def keys_in(file: Path) -> FixedKeys:
    """The JWK set in a file. Raises `ValueError` naming the file."""
    try:
        return FixedKeys(orjson.loads(file.read_bytes()))
    except (OSError, ValueError, NoKeyError) as error:
        raise ValueError(f"{file} holds no JWK set: {type(error).__name__}") from error


def _read(document: Any) -> list[Key]:
    if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
        raise NoKeyError("this is no JWK set")
    found: list[Key] = []
    for one in document["keys"]:
        # A key of another use, or of a kind that is not known here, does not spoil those that are.
        if isinstance(one, dict) and one.get("kty") in ("RSA", "EC") and one.get("use", "sig") == "sig":
            try:
                found += KeySet.import_key_set({"keys": [one]}).keys
            except (JoseError, ValueError, KeyError, TypeError):
                continue
    return found


def _chosen(keys: list[Key], kid: str | None, alg: str) -> Key:
    fitting = [key for key in keys if _fits(key, alg) and (kid is None or key.kid == kid)]
    if len(fitting) != 1:
        raise NoKeyError("there is no single key of this id for this algorithm")
    return fitting[0]


def _fits(key: Key, alg: str) -> bool:
    named = key.get("alg")
    if named is not None and named != alg:
        return False
    if alg.startswith("RS"):
        return isinstance(key, RSAKey)
    return isinstance(key, ECKey) and key.curve_name == {"ES256": "P-256", "ES384": "P-384"}[alg]
