"""Judges a signed token: who signed it, for whom, and when it holds. Nothing is believed before the
signature is.

RFC 7519 · https://hl7.org/fhir/smart-app-launch/backend-services.html
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import JoseError

from isodose.security.keys import SIGNING, Keys, NoKeyError

SKEW_S = 60
LONGEST = 16_384


class BadTokenError(Exception):
    """The token is not believed. The message says why without a word of the token."""


def header_of(token: str) -> dict[str, Any]:
    """The header as it stands, not yet to be believed. Raises `BadTokenError`."""
    if len(token) > LONGEST:
        raise BadTokenError("the token is too long")
    try:
        return dict(jws.extract_compact(token.encode("ascii")).headers())
    except (JoseError, ValueError, UnicodeError, TypeError):
        raise BadTokenError("the token is not a JWT") from None


def believed(
    token: str,
    keys: Keys,
    *,
    issuer: str,
    audience: Collection[str],
    required: Collection[str] = ("exp",),
    algorithms: Collection[str] = SIGNING,
    clock: Callable[[], float] = time.time,
) -> dict[str, Any]:
    """The claims of a token that `issuer` signed for one of `audience` and that holds now, give or take a
    minute.

    Raises `BadTokenError`.
    """
    header = header_of(token)
    alg, kid = header.get("alg"), header.get("kid")
    if alg not in algorithms:
        raise BadTokenError(f"the algorithm is not one of {', '.join(algorithms)}")
    try:
        key = keys.find(kid if isinstance(kid, str) else None, str(alg))
        claims = dict(jwt.decode(token, key, algorithms=[str(alg)]).claims)
    except NoKeyError as error:
        raise BadTokenError(str(error)) from None
    except (JoseError, ValueError, TypeError):
        raise BadTokenError("the signature does not hold") from None
    check_claims(claims, issuer=issuer, audience=audience, required=required, clock=clock)
    return claims


def check_claims(
    claims: dict[str, Any],
    *,
    issuer: str,
    audience: Collection[str],
    required: Collection[str],
    clock: Callable[[], float] = time.time,
) -> None:
    """Raise `BadTokenError` unless issuer, audience and times are right."""
    missing = [name for name in required if claims.get(name) in (None, "")]
    if missing:
        raise BadTokenError(f"the token lacks {', '.join(missing)}")
    if claims.get("iss") != issuer:
        raise BadTokenError("the token is of another issuer")
    meant = claims.get("aud")
    named = [meant] if isinstance(meant, str) else meant if isinstance(meant, list) else []
    if not any(one in audience for one in named):
        raise BadTokenError("the token is meant for another audience")
    now = clock()
    if _time(claims, "exp", now) < now - SKEW_S:
        raise BadTokenError("the token has expired")
    if _time(claims, "nbf", now) > now + SKEW_S or _time(claims, "iat", now) > now + SKEW_S:
        raise BadTokenError("the token does not hold yet")


def _time(claims: dict[str, Any], name: str, otherwise: float) -> float:
    value = claims.get(name, otherwise)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadTokenError(f"{name} is not a time")
    return float(value)
