"""An EHR's authorization server for the tests: it lets everybody in, and holds clients to SMART App Launch 2.

https://hl7.org/fhir/smart-app-launch/app-launch.html
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from joserfc import jwt
from joserfc.jwk import ECKey, Key, KeySet

CLIENT, SECRET = "isodose-worklist", "a secret of the test's own"


@dataclass
class Ehr:
    """`grants` is what the next sign-in gives; `public_key` that of a client that proves itself by a key."""

    address: str
    scopes: str = "openid fhirUser user/*.rs"
    patient: str | None = None
    way: str = "secret"
    public_key: Key | None = None
    spoil: dict[str, Any] = field(default_factory=dict)
    key: Key = field(default_factory=lambda: ECKey.generate_key("P-384", {"kid": "ehr", "use": "sig"}))
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)

    @property
    def base(self) -> str:
        return f"{self.address}/fhir"

    def authorize(self, asked: dict[str, str]) -> str:
        """Where the browser goes on: back to the client, with a code."""
        self.asked.append(asked)
        assert asked["response_type"] == "code"
        assert asked["aud"] == self.base
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def token(self, form: dict[str, str], authorization: str) -> dict[str, Any] | None:
        """What the code stands for; None for a client that does not prove what it has to."""
        asked = self.codes.pop(form.get("code", ""), None)
        if (
            asked is None
            or form["redirect_uri"] != asked["redirect_uri"]
            or not self._is_client(form, authorization)
        ):
            return None
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != asked["code_challenge"]:
            return None
        now = int(time.time())
        claims = {
            "iss": self.address, "aud": CLIENT, "sub": "u1", "fhirUser": f"{self.base}/Practitioner/u1",
            "nonce": asked["nonce"], "iat": now, "exp": now + 300,
        } | self.spoil  # fmt: skip
        signed = jwt.encode({"alg": "ES384", "kid": "ehr"}, claims, self.key, algorithms=["ES384"])
        told = {"access_token": secrets.token_urlsafe(16), "token_type": "Bearer", "expires_in": 300}
        given = {"scope": self.scopes, "id_token": signed, "patient": self.patient}
        return told | {name: value for name, value in given.items() if value is not None}

    def _is_client(self, form: dict[str, str], authorization: str) -> bool:
        if self.way == "public":
            return form.get("client_id") == CLIENT and not authorization
        if self.way == "secret":
            pair = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
            return authorization == f"Basic {pair}"
        assert self.public_key is not None
        claims = jwt.decode(form["client_assertion"], self.public_key, algorithms=["ES384"]).claims
        return claims["sub"] == CLIENT and claims["aud"] == f"{self.address}/token"


def application(ehr: Ehr) -> FastAPI:
    app = FastAPI()

    @app.get("/fhir/.well-known/smart-configuration")
    def configuration() -> dict[str, Any]:
        return {
            "issuer": ehr.address,
            "jwks_uri": f"{ehr.address}/jwks",
            "token_endpoint": f"{ehr.address}/token",
            "authorization_endpoint": f"{ehr.address}/authorize",
            "code_challenge_methods_supported": ["S256"],
        }

    @app.get("/jwks")
    def keys() -> dict[str, Any]:
        return dict(KeySet([ehr.key]).as_dict(private=False))

    @app.get("/authorize")
    def authorize(request: Request) -> Response:
        return Response(status_code=302, headers={"location": ehr.authorize(dict(request.query_params))})

    @app.post("/token")
    async def token(request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        told = ehr.token(form, request.headers.get("authorization", ""))
        return JSONResponse(told or {"error": "invalid_grant"}, 200 if told else 400)

    return app
