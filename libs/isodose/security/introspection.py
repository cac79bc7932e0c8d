"""Asks the authorisation server about a token that only it can read.

RFC 7662 · https://hl7.org/fhir/smart-app-launch/token-introspection.html
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import orjson

from isodose.security.tokens import LONGEST, BadTokenError

KEPT_S = 60.0
"""How long an answer is relied on: a token that is revoked is taken for so long."""
MAX_BYTES = 100_000
Credentials = Callable[[], tuple[str, str] | None]


class Introspection:
    """What the server at `url` says of tokens. `credentials` gives the name and secret by which it knows who
    asks; None where it does not want to know.
    """

    def __init__(
        self, url: str, credentials: Credentials, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._url = url
        self._credentials = credentials
        self._http = httpx.Client(transport=transport, timeout=5, follow_redirects=False)

    def claims(self, token: str) -> dict[str, Any]:
        """What is said of a token that is active. Raises `BadTokenError` for one that is not, or where nobody
        answers: nothing is believed unasked.
        """
        if len(token) > LONGEST or not token.isascii():
            raise BadTokenError("the token is not one that can be asked about")
        try:
            answer = self._http.post(
                self._url,
                data={"token": token, "token_type_hint": "access_token"},
                headers={"accept": "application/json"},
                auth=self._credentials() or httpx.USE_CLIENT_DEFAULT,
            )
            answer.raise_for_status()
            said = orjson.loads(answer.content) if len(answer.content) <= MAX_BYTES else None
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            raise BadTokenError(f"the issuer cannot be asked about it: {type(error).__name__}") from None
        if not isinstance(said, dict) or said.get("active") is not True:
            raise BadTokenError("the issuer says that it is not active")
        return said


def credentials_in(file: Path | None) -> Credentials:
    """Name and secret as `NAME:SECRET` in a file, read at each question so that they may be changed.
    Raises `ValueError` for a file without them.
    """
    if file is None:
        return lambda: None

    def read() -> tuple[str, str]:
        name, colon, secret = file.read_text(encoding="utf-8").strip().partition(":")
        if not (name and colon and secret):
            raise ValueError(f"{file} does not hold NAME:SECRET")
        return name, secret

    try:
        read()
    except OSError as error:
        raise ValueError(f"{file}: {error.strerror}") from error
    return read
