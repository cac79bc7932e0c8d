"""A patient's record is read from the EHR's FHIR server: whole, then what is new, politely, and never half.

The EHR is played by a FHIR server of our own, behind a token endpoint that checks what a backend service
signs.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, Key

from all_in_one.pulling import pull_all
from ehr_ingestion.app import service
from ehr_ingestion.ehr_client import EhrAwayError, EhrClient, pause
from ehr_ingestion.pull import EhrReader
from isodose.security.backend_auth import BackendToken, NoTokenError, private_key
from isodose.service import build_app
from isodose.settings import Settings
from isodose.storage.database import Database

EHR = "https://ehr.example/fhir"
TOKENS = "https://ehr.example/token"
KEY = ECKey.generate_key("P-384", {"kid": "isodose-1"})
FHIR = {"content-type": "application/fhir+json"}


class Ehr(httpx.BaseTransport):
    """Forwards to a FHIR server in this process; `busy` answers come first, `asked` keeps what was asked."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.busy: list[httpx.Response] = []
        self.asked: list[httpx.URL] = []
        self.assertions: list[dict[str, Any]] = []
        self.withheld = ""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/token":
            return self._token(request)
        if request.headers.get("authorization") != "Bearer granted":
            return httpx.Response(401)
        self.asked.append(request.url)
        if self.busy:
            return self.busy.pop(0)
        if self.withheld and request.url.path.endswith(self.withheld):
            return httpx.Response(403)
        answer = self.client.get(request.url.raw_path.decode())
        return httpx.Response(answer.status_code, content=answer.content)

    def _token(self, request: httpx.Request) -> httpx.Response:
        form = {name: values[0] for name, values in parse_qs(request.read().decode()).items()}
        token = jwt.decode(form["client_assertion"], KEY, algorithms=["ES384"])
        self.assertions.append({**token.header, **token.claims})
        granted = {
            "access_token": "granted",
            "token_type": "bearer",
            "expires_in": 300,
            "scope": form["scope"],
        }
        return httpx.Response(200, json=granted)


@pytest.fixture
def here(tmp_path: Path) -> Settings:
    settings = Settings(data_dir=tmp_path / "here")
    settings.data_dir.mkdir()
    database = Database(settings.for_service("ehr_ingestion", 8001).database_url)
    database.migrate()
    database.dispose()
    return settings


@pytest.fixture(scope="module")
def ingestion(tmp_path_factory: pytest.TempPathFactory, serving: Any) -> Iterator[Any]:
    """The FHIR server that plays the EHR; it holds one patient."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("ehr"), public_url=EHR.removesuffix("/fhir"))
    database = Database(settings.for_service("ehr_ingestion", 8001).database_url)
    database.migrate()
    database.dispose()
    subject = {"reference": "Patient/p1"}
    resources: list[dict[str, Any]] = [
        {"resourceType": "Patient", "id": "p1", "birthDate": "1960-05-01"},
        {"resourceType": "Medication", "id": "m1", "code": {"text": "dexamethasone"}},
        {"resourceType": "BodyStructure", "id": "b1", "patient": subject},
        *(observation(number) for number in range(150)),
        {
            "resourceType": "MedicationRequest",
            "id": "r1",
            "status": "active",
            "intent": "order",
            "subject": subject,
            "medicationReference": {"reference": "Medication/m1"},
        },
    ]
    entries = [
        {"resource": one, "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"}}
        for one in resources
    ]
    whole = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    with serving.served(build_app(service(settings), settings)) as client:
        answer = client.post("/fhir", json=whole, headers=FHIR)
        assert answer.status_code == 200, answer.text
        yield client


@pytest.fixture
def ehr(ingestion: Any) -> Ehr:
    return Ehr(ingestion)


def observation(number: int) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": f"o{number}",
        "status": "final",
        "code": {"text": "x"},
        "subject": {"reference": "Patient/p1"},
        "focus": [{"reference": "BodyStructure/b1"}],
        "effectiveDateTime": "2026-03-14",
    }


def reader(ehr: Ehr, slept: list[float] | None = None) -> EhrReader:
    token = BackendToken(TOKENS, client_id="isodose", key=KEY, scope="system/*.rs", transport=ehr)
    return EhrReader(EhrClient(EHR, token.header, ehr, (slept if slept is not None else []).append))


def kept(here: Settings) -> dict[str, int]:
    database = Database(here.for_service("ehr_ingestion", 8001).database_url)
    with database.read() as conn:
        rows = conn.exec_driver_sql("SELECT type, count(*) FROM resource GROUP BY type").all()
    database.dispose()
    return {row[0]: row[1] for row in rows}


def test_the_whole_record_comes_with_what_it_points_to_and_again_changes_nothing(
    ehr: Ehr, here: Settings
) -> None:
    summary = pull_all(reader(ehr), EHR, ["p1"], None, here)["p1"]
    assert (summary.accepted, summary.changed, summary.unchanged, summary.refused) == (154, 0, 0, [])
    assert kept(here) == {
        "Patient": 1, "Medication": 1, "BodyStructure": 1, "Observation": 150, "MedicationRequest": 1
    }  # fmt: skip
    again = pull_all(reader(ehr), EHR, ["p1"], None, here)["p1"]
    assert (again.kept, again.unchanged) == (0, 154)


def test_references_by_the_ehrs_own_address_lead_to_what_is_here(ehr: Ehr, here: Settings) -> None:
    spelled = {**observation(1000), "subject": {"reference": f"{EHR}/Patient/p1"}, "focus": []}
    del spelled["focus"]
    page = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": spelled}]}
    patient = {"resourceType": "Patient", "id": "p1"}
    ehr.busy = [httpx.Response(200, json=patient), httpx.Response(200, json=page)]
    pull_all(reader(ehr), EHR, ["p1"], None, here)
    database = Database(here.for_service("ehr_ingestion", 8001).database_url)
    with database.read() as conn:
        (owner,) = conn.exec_driver_sql("SELECT patient_id FROM resource WHERE id = 'o1000'").scalars()
    database.dispose()
    assert owner == "p1"


def test_the_next_time_only_what_is_new_is_asked_for(ehr: Ehr, here: Settings, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    pull_all(reader(ehr), EHR, ["p1"], state, here)
    ehr.asked.clear()
    pull_all(reader(ehr), EHR, ["p1"], state, here)
    searches = [url for url in ehr.asked if "patient" in url.params]
    assert searches
    assert all(url.params["_lastUpdated"].startswith("ge20") for url in searches)
    assert list(json.loads(state.read_text())[EHR]) == ["p1"]


def test_a_busy_ehr_is_waited_for_as_long_as_it_says(ehr: Ehr, here: Settings) -> None:
    ehr.busy = [httpx.Response(429, headers={"retry-after": "7"}), httpx.Response(503)]
    slept: list[float] = []
    assert pull_all(reader(ehr, slept), EHR, ["p1"], None, here)["p1"].kept == 154
    assert slept[0] == 7
    assert 1 <= slept[1] <= 2


def test_an_ehr_that_stays_away_leaves_nothing_half(ehr: Ehr, here: Settings, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    pull_all(reader(ehr), EHR, [], state, here)
    ehr.busy = [httpx.Response(200, json={"resourceType": "Patient", "id": "p1"})]
    ehr.busy += [httpx.Response(503)] * 5
    with pytest.raises(EhrAwayError):
        pull_all(reader(ehr), EHR, ["p1"], state, here)
    assert kept(here) == {}
    assert not state.exists(), "the next pull begins where this one did"


def test_a_type_that_is_not_given_is_said_and_the_rest_comes(ehr: Ehr, here: Settings) -> None:
    ehr.withheld = "/Observation"
    summary = pull_all(reader(ehr), EHR, ["p1"], None, here)["p1"]
    assert summary.withheld == {"Observation": 403}
    assert "Observation" not in kept(here)


def test_an_invalid_resource_does_not_keep_the_others_out(ehr: Ehr, here: Settings) -> None:
    bad = {**observation(1), "status": "done"}
    page = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": bad}]}
    patient = {"resourceType": "Patient", "id": "p1"}
    ehr.busy = [httpx.Response(200, json=patient), httpx.Response(200, json=page)]
    summary = pull_all(reader(ehr), EHR, ["p1"], None, here)["p1"]
    (refusal,) = summary.refused
    assert refusal.place == "Observation/o1"
    assert refusal.reason.endswith("(Observation.status)")
    assert kept(here)["Observation"] == 150


def test_a_fact_that_cannot_be_read_does_not_keep_the_others_out(ehr: Ehr, here: Settings) -> None:
    code = {"system": "https://isodose.example/fhir/CodeSystem/fact", "code": "kps"}
    bad = {**observation(1), "code": {"coding": [code]}, "valueString": "eighty"}
    page = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": bad}]}
    patient = {"resourceType": "Patient", "id": "p1"}
    ehr.busy = [httpx.Response(200, json=patient), httpx.Response(200, json=page)]
    summary = pull_all(reader(ehr), EHR, ["p1"], None, here)["p1"]
    assert [one.place for one in summary.refused] == ["Observation/o1"]
    assert summary.refused[0].reason.startswith("This states no fact")
    assert kept(here)["Observation"] == 150


@pytest.mark.parametrize(
    ("told", "least", "most"),
    [
        ("7", 7, 7),
        ("Wed, 21 Oct 2099 07:28:00 GMT", 120, 120),
        ("100000", 120, 120),
        ("soon", 2, 4),
        (None, 2, 4),
    ],
)
def test_how_long_is_waited(told: str | None, least: float, most: float) -> None:
    assert least <= pause(2, told) <= most


def test_a_next_page_elsewhere_is_not_followed_with_the_token(ehr: Ehr, here: Settings) -> None:
    link = [{"relation": "next", "url": "https://attacker.example/fhir?x"}]
    page = {"resourceType": "Bundle", "type": "searchset", "link": link}
    ehr.busy = [
        httpx.Response(200, json={"resourceType": "Patient", "id": "p1"}),
        httpx.Response(200, json=page),
    ]
    with pytest.raises(EhrAwayError, match="outside"):
        pull_all(reader(ehr), EHR, ["p1"], None, here)


def test_the_assertion_is_what_backend_services_ask_for(ehr: Ehr) -> None:
    now = [time.time()]
    token = BackendToken(
        TOKENS, client_id="isodose", key=KEY, scope="system/*.rs", transport=ehr, clock=lambda: now[0]
    )
    assert token.header() == {"authorization": "Bearer granted"}
    token.header()
    now[0] += 280
    token.header()
    first, second = ehr.assertions
    assert first["iss"] == first["sub"] == "isodose"
    assert (first["aud"], first["alg"], first["typ"], first["kid"]) == (TOKENS, "ES384", "JWT", "isodose-1")
    assert first["exp"] - first["iat"] <= 300
    assert first["jti"] != second["jti"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (httpx.Response(400, json={"error": "invalid_client"}), "400 invalid_client"),
        (httpx.Response(200, json={"token_type": "bearer"}), "no bearer token"),
        (httpx.Response(200, json=["x"]), "no bearer token"),
        (httpx.Response(502, content=b"<html>"), "cannot be asked"),
    ],
)
def test_a_token_that_is_not_given_is_said_without_secrets(answer: httpx.Response, said: str) -> None:
    transport = httpx.MockTransport(lambda _request: answer)
    token = BackendToken(TOKENS, client_id="isodose", key=KEY, scope="x", transport=transport)
    with pytest.raises(NoTokenError, match=said):
        token.header()


def test_a_private_key_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "key.json"
    file.write_text(json.dumps(KEY.as_dict(private=True)))
    assert private_key(file).kid == "isodose-1"
    public: Key = ECKey.import_key(KEY.as_dict(private=False))
    for content in ("{}", "x", json.dumps(public.as_dict(private=False))):
        file.write_text(content)
        with pytest.raises(ValueError, match=r"key\.json"):
            private_key(file)
