"""A form of ours is told from one that another site made a browser send.

The page and a cookie hold the same secret: another site can make a browser send the cookie, but can neither
read nor set it.
https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html
"""

from __future__ import annotations

import re
import secrets

from fastapi import Request, Response

FIELD = "token"
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")


class ForgedError(Exception):
    """A form did not come from a page of ours that this browser was given."""


class Csrf:
    """`secure` where browsers reach the pages by https: the cookie then is this host's own and never sent
    in the clear.
    """

    def __init__(self, secure: bool) -> None:
        self._secure = secure
        self.cookie = "__Host-isodose-form" if secure else "isodose-form"

    def token(self, request: Request) -> str:
        """What the forms of a page carry in the field `token`: the browser's own secret, or a new one."""
        held = request.cookies.get(self.cookie, "")
        return held if _SECRET.fullmatch(held) else secrets.token_urlsafe(32)

    def give(self, response: Response, token: str) -> None:
        """Let the browser hold the token until it is closed."""
        response.set_cookie(
            self.cookie, token, path="/", secure=self._secure, httponly=True, samesite="strict"
        )

    def check(self, request: Request, told: str) -> None:
        """Raise `ForgedError` unless the form's token is the browser's, and the browser names no other
        origin.
        """
        held = request.cookies.get(self.cookie, "")
        if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
            raise ForgedError
        if not _SECRET.fullmatch(held) or not secrets.compare_digest(held, told):
            raise ForgedError
