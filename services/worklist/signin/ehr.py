"""The EHR's authorisation server: where it is, and what it gives for a code.

https://hl7.org/fhir/smart-app-launch/app-launch.html
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
from joserfc.jwk import Key
from starlette.concurrency import run_in_threadpool

from isodose.security.backend_auth import ASSERTION_TYPE, assertion, private_key
from isodose.security.keys import FetchedKeys
from isodose.security.tokens import BadTokenError, believed
from isodose.settings import Settings
from worklist.signin.sessions import Begun

_ALGORITHMS = ("RS256", "RS384", "ES256", "ES384")
_LOCAL = ("127.0.0.1", "localhost", "::1")


class SignInError(Exception):
    """Nobody is signed in. The message says why, and holds neither code nor token."""


@dataclass(frozen=True)
class Place:
    """What `.well-known/smart-configuration` tells of one FHIR server."""

    issuer: str
    authorize_url: str
    token_url: str
    keys: FetchedKeys


@dataclass(frozen=True)
class SignedIn:
    """Who signed in, with which scopes, and the patient in context."""

    user: str
    scopes: str
    patient: str | None


class Client:
    """This platform as a client that EHRs have registered: public, or with a secret or a key of its own."""

    def __init__(self, settings: Settings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.client_id = settings.smart_client_id
        self.redirect_url = f"{settings.worklist_url}/callback"
        self._scopes = " ".join(settings.smart_launch_scopes)
        self._issuers = settings.smart_launch_issuers
        self._secret = _secret(settings.smart_client_secret_file)
        self._key: Key | None = (
            private_key(settings.smart_client_key_file) if settings.smart_client_key_file else None
        )
        self._transport = transport
        self._places: dict[str, Place] = {}
        if not self._issuers:
            raise ValueError("ISODOSE_SMART_CLIENT_ID needs ISODOSE_SMART_LAUNCH_ISSUERS")
        if self._secret and self._key:
            raise ValueError("give one of ISODOSE_SMART_CLIENT_SECRET_FILE and ISODOSE_SMART_CLIENT_KEY_FILE")

    def known(self, issuer: str) -> str:
        """The FHIR server that is meant: one that may launch, or the first where none is named. Raises
        `SignInError`.
        """
        wanted = issuer.rstrip("/") or self._issuers[0]
        if wanted not in self._issuers:
            raise SignInError(
                "This EHR may not launch here; its FHIR server is not among those that are set up."
            )
        return wanted

    async def place(self, issuer: str) -> Place:
        """Where to sign in for this FHIR server. Raises `SignInError`."""
        if issuer not in self._places:
            told = await self._ask("GET", f"{issuer}/.well-known/smart-configuration")
            if "S256" not in told.get("code_challenge_methods_supported", ()):
                raise SignInError("The EHR's authorization server does not support PKCE with S256.")
            urls = [str(told.get(n, "")) for n in ("authorization_endpoint", "token_endpoint", "jwks_uri")]
            if not all(map(_is_safe, urls)):
                raise SignInError("The EHR's smart-configuration names no safe addresses.")
            self._places[issuer] = Place(str(told.get("issuer", "")), urls[0], urls[1], FetchedKeys(urls[2]))
        return self._places[issuer]

    def address(self, place: Place, begun: Begun, state: str, launch: str) -> str:
        """Where the browser is sent to sign in."""
        asked = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_url,
            "scope": f"launch {self._scopes}" if launch else self._scopes,
            "state": state,
            "aud": begun.issuer,
            "nonce": begun.nonce,
            "code_challenge": challenge(begun.verifier),
            "code_challenge_method": "S256",
        }
        asked |= {"launch": launch} if launch else {}
        return f"{place.authorize_url}{'&' if '?' in place.authorize_url else '?'}{urlencode(asked)}"

    async def exchange(self, place: Place, begun: Begun, code: str) -> SignedIn:
        """What the code stands for, once the id token is believed. Raises `SignInError`."""
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": self.redirect_url,
            "code_verifier": begun.verifier,
        }  # fmt: skip
        told = await self._ask("POST", place.token_url, data=form | self._named(place), auth=self._auth())
        claims = await run_in_threadpool(self._believed, place, str(told.get("id_token", "")))
        if claims.get("nonce") != begun.nonce:
            raise SignInError("The EHR answered another sign-in than this one.")
        patient, scopes = told.get("patient"), told.get("scope")
        return SignedIn(
            user=str(claims.get("fhirUser") or claims["sub"])[:255],
            scopes=scopes if isinstance(scopes, str) else self._scopes,
            patient=patient if isinstance(patient, str) and patient else None,
        )

    def _believed(self, place: Place, token: str) -> dict[str, Any]:
        try:
            return believed(
                token,
                place.keys,
                issuer=place.issuer,
                audience=[self.client_id],
                required=("exp", "sub", "iat"),
                algorithms=_ALGORITHMS,
            )
        except BadTokenError as error:
            raise SignInError(f"The EHR's id token is not believed: {error}.") from None

    def _named(self, place: Place) -> dict[str, str]:
        """How the form names the client; one with a secret is named in the header instead."""
        if self._key is not None:
            signed = assertion(self._key, self.client_id, place.token_url)
            return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": signed}
        return {} if self._secret else {"client_id": self.client_id}

    def _auth(self) -> httpx.BasicAuth | None:
        return httpx.BasicAuth(self.client_id, self._secret) if self._secret else None

    async def _ask(self, method: str, url: str, **given: Any) -> dict[str, Any]:
        try:
            async with httpx.AsyncClient(
                transport=self._transport, timeout=10, follow_redirects=False
            ) as http:
                answer = await http.request(method, url, headers={"accept": "application/json"}, **given)
            told = answer.json() if answer.status_code == httpx.codes.OK else None
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise SignInError(f"The EHR cannot be asked now ({type(error).__name__}); try again.") from None
        if not isinstance(told, dict):
            raise SignInError(f"The EHR did not let you in: it answered {answer.status_code}.")
        return told


def challenge(verifier: str) -> str:
    """RFC 7636, S256."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _secret(file: Path | None) -> str:
    try:
        return file.read_text(encoding="utf-8").strip() if file else ""
    except OSError as error:
        raise ValueError(f"{file}: {error.strerror}") from error


def _is_safe(url: str) -> bool:
    """Over TLS, or on this machine."""
    split = urlsplit(url)
    return split.scheme == "https" or (split.scheme == "http" and split.hostname in _LOCAL)
