"""Which tokens are believed: signed by the issuer, meant for this server, and holding now."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey

from isodose.security.callers import Caller, Callers, Issuer, ServiceKey, service_key
from isodose.security.gate import Gate, GateError
from isodose.security.guard import Guard
from isodose.security.keys import FetchedKeys, FixedKeys, NoKeyError, keys_in
from isodose.security.limits import Shares
from isodose.security.tokens import BadTokenError
from isodose.settings import Settings

URL = "/fhir/Patient/p1"
SCOPE = "system/*.rs"


def from_now(claims: dict[str, Any]) -> dict[str, Any]:
    """Claims whose times are given in seconds from now."""
    times = ("exp", "nbf", "iat")
    return {
        name: int(time.time()) + value if name in times and isinstance(value, int) else value
        for name, value in claims.items()
    }


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://elsewhere.example"},
        {"iss": None},
        {"aud": "https://elsewhere.example/fhir"},
        {"aud": None},
        {"aud": []},
        {"aud": 7},
        {"exp": -120},
        {"exp": None},
        {"exp": "tomorrow"},
        {"nbf": 600},
        {"iat": 600},
    ],
    ids=str,
)
def test_a_token_that_does_not_fit_is_not_believed(
    claims: dict[str, Any], service: Any, authority: Any
) -> None:
    answer = service.get(URL, headers=authority.header(SCOPE, **from_now(claims)))
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json()["issue"][0]["code"] == "login"


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": -20},
        {"nbf": 30},
        {"aud": ["https://elsewhere.example", "https://isodose.example.org/fhir"]},
        {"scope": ["system/*.rs", "openid"]},
    ],
    ids=str,
)
def test_clocks_may_differ_by_a_minute_and_an_audience_be_one_of_many(
    claims: dict[str, Any], service: Any, authority: Any
) -> None:
    assert (
        service.get(URL, headers=authority.header(**{"scope": SCOPE, **from_now(claims)})).status_code == 200
    )


def test_both_algorithms_of_smart_are_taken_and_no_other(service: Any, authority: Any) -> None:
    for alg in ("ES384", "RS384"):
        assert service.get(URL, headers=authority.header(SCOPE, alg=alg)).status_code == 200
    shared = OctKey.import_key(b"k" * 32, {"kid": "ec"})
    symmetric = authority.token(SCOPE, alg="HS256", key=shared)
    unsigned = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0." + authority.token(SCOPE).split(".")[1] + "."
    for token in (symmetric, unsigned, "nonsense", "a.b.c", "x" * 20_000, ""):
        answer = service.get(URL, headers={"authorization": f"Bearer {token}"})
        assert answer.status_code == 401


def test_a_key_of_the_same_name_does_not_help_a_forger(service: Any, authority: Any) -> None:
    forged = authority.token(SCOPE, key=ECKey.generate_key("P-384", {"kid": "ec"}))
    assert service.get(URL, headers={"authorization": f"Bearer {forged}"}).status_code == 401
    rsa_as_ec = authority.token(SCOPE, alg="RS384", key=RSAKey.generate_key(2048, {"kid": "ec"}))
    assert service.get(URL, headers={"authorization": f"Bearer {rsa_as_ec}"}).status_code == 401


def test_other_ways_to_sign_in_are_not_taken(service: Any, authority: Any) -> None:
    token = authority.token(SCOPE)
    for value in (f"Basic {token}", token, "Bearer"):
        assert service.get(URL, headers={"authorization": value}).status_code == 401
    assert service.get(f"{URL}?access_token={token}").status_code == 401
    twice = [("authorization", f"Bearer {token}"), ("authorization", f"Bearer {token}")]
    assert service.get(URL, headers=twice).status_code == 401


def test_what_a_client_needs_to_get_a_token_is_told_to_everybody(service: Any) -> None:
    answer = service.get("/fhir/.well-known/smart-configuration", headers={"accept": "text/html"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    told = answer.json()
    for required in (
        "token_endpoint",
        "grant_types_supported",
        "capabilities",
        "code_challenge_methods_supported",
    ):
        assert told[required]
    assert told["code_challenge_methods_supported"] == ["S256"]
    (rest,) = service.get("/fhir/metadata").json()["rest"]
    assert rest["security"]["service"][0]["coding"][0]["code"] == "SMART-on-FHIR"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Publisher:
    """Serves a JWK set and counts how often it is asked."""

    def __init__(self) -> None:
        self.keys = [ECKey.generate_key("P-384", {"kid": "old"})]
        self.asked = 0
        self.headers: dict[str, str] = {}
        self.broken = False

    def __call__(self, _request: httpx.Request) -> httpx.Response:
        self.asked += 1
        if self.broken:
            return httpx.Response(503)
        return httpx.Response(200, json=KeySet(self.keys).as_dict(private=False), headers=self.headers)


@pytest.fixture
def publisher() -> Publisher:
    return Publisher()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fetched(publisher: Publisher, clock: Clock) -> FetchedKeys:
    return FetchedKeys("https://ehr.example/jwks", httpx.MockTransport(publisher), clock)


def test_a_new_key_is_found_at_once_and_asking_for_unknown_ones_does_not_flood_the_issuer(
    fetched: FetchedKeys, publisher: Publisher, clock: Clock
) -> None:
    assert fetched.find("old", "ES384").kid == "old"
    publisher.keys = [ECKey.generate_key("P-384", {"kid": "new"})]
    clock.now += 11
    assert fetched.find("new", "ES384").kid == "new"
    asked = publisher.asked
    for _ in range(20):
        with pytest.raises(NoKeyError):
            fetched.find("unknown", "ES384")
    assert publisher.asked == asked
    with pytest.raises(NoKeyError):
        fetched.find("old", "ES384")


def test_keys_are_kept_no_longer_than_the_issuer_says(
    fetched: FetchedKeys, publisher: Publisher, clock: Clock
) -> None:
    publisher.headers = {"cache-control": "public, max-age=60"}
    fetched.find("old", "ES384")
    clock.now += 59
    fetched.find("old", "ES384")
    assert publisher.asked == 1
    clock.now += 2
    fetched.find("old", "ES384")
    assert publisher.asked == 2


def test_keys_that_cannot_be_read_refuse_and_recover(
    fetched: FetchedKeys, publisher: Publisher, clock: Clock
) -> None:
    publisher.broken = True
    with pytest.raises(NoKeyError):
        fetched.find("old", "ES384")
    publisher.broken = False
    clock.now += 11
    assert fetched.find("old", "ES384").kid == "old"


def test_only_a_key_to_sign_with_of_the_right_kind_is_chosen() -> None:
    signing = ECKey.generate_key("P-384", {"kid": "a", "use": "sig"}).as_dict(private=False)
    sealing = RSAKey.generate_key(2048, {"kid": "b", "use": "enc"}).as_dict(private=False)
    keys = FixedKeys({"keys": [signing, sealing, {"kty": "OKP"}, {"kty": "EC", "crv": "??"}, 7]})
    assert keys.find("a", "ES384").kid == "a"
    for kid, alg in (("a", "ES256"), ("a", "RS384"), ("b", "RS384")):
        with pytest.raises(NoKeyError):
            keys.find(kid, alg)


def test_a_service_token_is_made_of_the_shared_key_and_holds_a_minute() -> None:
    now = Clock()
    key, other = ServiceKey(b"a" * 32, now), ServiceKey(b"b" * 32, now)
    token = key.token("worklist")
    callers = Callers(None, key, now)
    caller = callers.recognise(token)
    assert (caller.name, caller.is_service) == ("worklist", True)
    assert callers.known(token) is not None
    with pytest.raises(BadTokenError):
        Callers(None, other, now).recognise(token)
    now.now += 200
    assert callers.known(token) is None
    with pytest.raises(BadTokenError):
        callers.recognise(token)


def test_a_token_of_the_issuer_is_never_a_service(authority: Any) -> None:
    keys = FixedKeys(KeySet(list(authority.keys.values())).as_dict(private=False))
    issuer = Issuer(name="isodose", keys=keys, audience=["isodose-services"])
    token = authority.token("system/*.rs", iss="isodose", aud="isodose-services", sub="worklist")
    assert not Callers(issuer, ServiceKey(b"a" * 32)).recognise(token).is_service


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"smart_issuer": "https://x.example"}, "ISODOSE_SMART_TOKEN_URL"),
        ({"smart_issuer": "https://x.example", "smart_token_url": "https://x.example/t"}, "SMART_JWKS"),
        ({"service_key_file": "short"}, "at least 32"),
        ({"service_key_file": "nowhere"}, "nowhere"),
    ],
)
def test_settings_that_do_not_suffice_stop_the_start(
    given: dict[str, Any], said: str, tmp_path: Path
) -> None:
    (tmp_path / "short").write_text("secret")
    if "service_key_file" in given:
        given = {"service_key_file": tmp_path / given["service_key_file"]}
    with pytest.raises(GateError, match=said):
        Gate(Settings(auth="smart", **given))


def test_a_share_is_used_up_and_grows_again() -> None:
    clock = Clock()
    shares = Shares(60, clock)
    assert [shares.wait_s("a") for _ in range(60)] == [0.0] * 60
    assert shares.wait_s("a") == pytest.approx(1.0)
    assert shares.wait_s("b") == 0
    clock.now += 1
    assert shares.wait_s("a") == 0


def test_looking_at_a_share_takes_nothing_of_it() -> None:
    shares = Shares(1, Clock())
    assert [shares.wait_s("a", take=False) for _ in range(3)] == [0.0] * 3
    assert shares.wait_s("a") == 0
    assert shares.wait_s("a", take=False) > 0


def test_an_address_that_is_refused_too_often_waits_but_tokens_known_already_do_not(authority: Any) -> None:
    asked: list[str] = []

    class Believing(Callers):
        def _judged(self, token: str) -> Caller:
            asked.append(token)
            return super()._judged(token)

    async def application(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    issuer = Issuer(
        name="https://ehr.example/auth",
        keys=keys_in(authority.file),
        audience=("https://isodose.example.org/fhir",),
    )
    callers = Believing(issuer, service_key(None))
    guard = Guard(application, callers, cds_judges=False, refusals=Shares(5, Clock()))

    def status(address: str, **headers: str) -> int:
        async def call() -> httpx.Response:
            transport = httpx.ASGITransport(guard, client=(address, 1))
            async with httpx.AsyncClient(transport=transport, base_url="http://x") as http:
                return await http.get("/fhir/Patient", headers=headers)

        answer = anyio.run(call)
        assert answer.status_code != 429 or int(answer.headers["retry-after"]) > 0
        return answer.status_code

    known, fresh = authority.header(SCOPE), authority.header(SCOPE, sub="user-2")
    assert status("10.0.0.1", **known) == 200
    spoiled = {"authorization": f"Bearer {authority.token(SCOPE, aud='https://elsewhere.example')}"}
    assert [status("10.0.0.1", **spoiled) for _ in range(4)] == [401] * 4
    assert [status("10.0.0.1"), status("10.0.0.1")] == [401, 429]
    looked_at = len(asked)
    assert status("10.0.0.1", **fresh) == 429
    assert len(asked) == looked_at
    assert status("10.0.0.1", **known) == 200
    assert status("10.0.0.2", **fresh) == 200


def test_the_signature_is_not_in_question_for_a_token_known_already(service: Any, authority: Any) -> None:
    header = authority.header(SCOPE)
    assert [service.get(URL, headers=header).status_code for _ in range(3)] == [200, 200, 200]
    spoiled = header["authorization"][:-6] + "AAAAAA"
    assert service.get(URL, headers={"authorization": spoiled}).status_code == 401


def test_an_answer_carries_the_id_of_its_request_even_when_it_is_refused(service: Any) -> None:
    assert service.get(URL, headers={"x-request-id": "abc-1"}).headers["x-request-id"] == "abc-1"
    spoiled = service.get(URL, headers={"x-request-id": "a b\t<"}).headers["x-request-id"]
    assert spoiled != service.get(URL).headers["x-request-id"]
    assert "<" not in spoiled
    theirs = service.get(URL, headers={"x-request-id": "order 7/b"})
    assert theirs.headers["x-correlation-id"] == "order 7/b"
    assert theirs.headers["x-request-id"] != "order 7/b"
    assert "x-correlation-id" not in service.get(URL, headers={"x-request-id": "abc-1"}).headers
