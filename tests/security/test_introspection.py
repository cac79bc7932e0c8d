"""A token that is no JWT is believed when its issuer says that it is active, and no longer than that."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from isodose.security.callers import Callers, Issuer, service_key
from isodose.security.gate import Gate, GateError
from isodose.security.introspection import Introspection, credentials_in
from isodose.security.keys import FixedKeys
from isodose.security.tokens import BadTokenError
from isodose.settings import Settings

NAME = "https://ehr.example/auth"
BASE = "https://isodose.example.org/fhir"
NOW = 1_700_000_000.0
ACTIVE = {
    "active": True, "scope": "patient/*.rs", "client_id": "app", "exp": NOW + 900, "patient": "p1",
    "sub": "user-7", "fhirUser": "Practitioner/7",
}  # fmt: skip
Answer = Callable[[httpx.Request], httpx.Response]


class Clock:
    now = NOW

    def __call__(self) -> float:
        return self.now


def callers(answer: Answer, clock: Clock | None = None, credentials: Any = lambda: None) -> Callers:
    asked = Introspection(f"{NAME}/introspect", credentials, httpx.MockTransport(answer))
    issuer = Issuer(name=NAME, keys=FixedKeys({"keys": []}), audience=(BASE,), introspection=asked)
    return Callers(issuer, service_key(None), clock or Clock())


def saying(**claims: Any) -> Answer:
    return lambda _request: httpx.Response(200, json={k: v for k, v in claims.items() if v is not None})


def test_an_active_token_is_believed_with_what_the_issuer_says_of_it() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=ACTIVE)

    caller = callers(answer, credentials=lambda: ("isodose", "s3cret")).recognise("opaque-token")
    assert (caller.client, caller.subject, caller.user) == ("app", "user-7", "Practitioner/7")
    caller.access.require_patient("p1")
    assert parse_qs(seen[0].content.decode()) == {
        "token": ["opaque-token"], "token_type_hint": ["access_token"],
    }  # fmt: skip
    assert seen[0].headers["authorization"] == f"Basic {base64.b64encode(b'isodose:s3cret').decode()}"
    assert "s3cret" not in repr(caller)


def test_it_is_asked_about_again_after_a_minute_so_that_a_revoked_one_ends() -> None:
    clock, answers = Clock(), [ACTIVE, {"active": False}]
    known = callers(lambda _request: httpx.Response(200, json=answers.pop(0)), clock)
    known.recognise("opaque-token")
    clock.now += 59
    assert known.known("opaque-token") is not None
    clock.now += 2
    assert known.known("opaque-token") is None
    with pytest.raises(BadTokenError, match="not active"):
        known.recognise("opaque-token")


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"active": False}, "not active"),
        ({"active": "true"}, "not active"),
        ({}, "not active"),
        (ACTIVE | {"exp": NOW - 120}, "expired"),
        (ACTIVE | {"exp": None}, "lacks exp"),
        (ACTIVE | {"scope": None}, "lacks scope"),
        (ACTIVE | {"iss": "https://elsewhere.example"}, "another issuer"),
        (ACTIVE | {"aud": "https://elsewhere.example/fhir"}, "another audience"),
        (ACTIVE | {"nbf": NOW + 600}, "does not hold yet"),
    ],
)
def test_what_does_not_fit_is_not_believed(claims: dict[str, Any], said: str) -> None:
    with pytest.raises(BadTokenError, match=said):
        callers(saying(**claims)).recognise("opaque-token")


@pytest.mark.parametrize(
    "answer",
    [
        lambda _request: httpx.Response(503),
        lambda _request: httpx.Response(401),
        lambda _request: httpx.Response(302, headers={"location": "https://elsewhere.example"}),
        lambda _request: httpx.Response(200, content=b"<html>"),
        lambda _request: httpx.Response(200, content=b"[]"),
        lambda _request: httpx.Response(200, content=b'{"active": true, "x": "' + b"a" * 200_000 + b'"}'),
    ],
)
def test_an_issuer_that_does_not_answer_lets_nobody_in(answer: Answer) -> None:
    with pytest.raises(BadTokenError) as refused:
        callers(answer).recognise("opaque-token")
    assert "opaque-token" not in str(refused.value)


def test_a_jwt_is_judged_here_and_nobody_is_asked() -> None:
    def asked(_request: httpx.Request) -> httpx.Response:
        raise AssertionError("asked")

    with pytest.raises(BadTokenError):
        callers(asked).recognise("e30.e30.e30")


def test_the_settings_say_where_to_ask_and_as_whom(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("isodose:s3cret\n")
    settings = Settings(
        auth="smart",
        smart_issuer=NAME,
        smart_token_url=f"{NAME}/token",
        smart_introspection_url=f"{NAME}/introspect",
        smart_introspection_secret_file=file,
    )
    told = Gate(settings).configuration()
    assert told is not None
    assert told["introspection_endpoint"] == f"{NAME}/introspect"
    assert credentials_in(file)() == ("isodose", "s3cret")
    file.write_text("nothing")
    with pytest.raises(GateError, match="NAME:SECRET"):
        Gate(settings)
