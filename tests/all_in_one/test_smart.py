"""The whole platform under `auth smart`: it works with tokens, and no way in shows more than another."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet
from typer.testing import CliRunner

from all_in_one.app import AllInOne
from all_in_one.command import app
from isodose.settings import Settings

ISSUER = "https://ehr.example/auth"
PUBLIC = "https://isodose.example.org"
KEY = ECKey.generate_key("P-384", {"kid": "k", "use": "sig"})
FHIR = {"content-type": "application/fhir+json"}


def bearer(scope: str, **claims: Any) -> dict[str, str]:
    now = int(time.time())
    said = {
        "iss": ISSUER, "aud": f"{PUBLIC}/fhir", "sub": "u", "client_id": "c", "iat": now, "exp": now + 300,
        "scope": scope, **claims,
    }  # fmt: skip
    token = jwt.encode({"alg": "ES384", "kid": "k", "typ": "JWT"}, said, KEY, algorithms=["ES384"])
    return {"authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory, serving: Any, patients: list[Path]) -> Iterator[Any]:
    where = tmp_path_factory.mktemp("closed")
    (where / "jwks.json").write_text(json.dumps(KeySet([KEY]).as_dict(private=False)))
    (where / "cds.yaml").write_text(f"- {{iss: {ISSUER}, jwks_file: jwks.json}}\n")
    settings = Settings(
        data_dir=where,
        auth="smart",
        host="0.0.0.0",
        public_url=PUBLIC,
        smart_issuer=ISSUER,
        smart_jwks_file=where / "jwks.json",
        smart_token_url=f"{ISSUER}/token",
        cds_clients_file=where / "cds.yaml",
        cors_origins=("https://ehr.example",),
        requests_per_minute=5000,
        demonstration_day="2026-11-23",
    )
    whole = AllInOne(settings)
    whole.migrate()
    with serving.served(whole, whole.lifespan()) as client:
        for file in (patients[0], next(one for one in patients if one.name.startswith("11-"))):
            headers = FHIR | bearer("system/*.cruds")
            assert client.post("/fhir", content=file.read_bytes(), headers=headers).status_code == 200
        yield client


@pytest.fixture(scope="module")
def ids(closed: Any, serving: Any) -> list[str]:
    def decided() -> Any:
        answer = closed.get("/fhir/RequestGroup?_elements=subject", headers=bearer("system/*.rs"))
        return len(answer.json().get("entry", [])) == 2

    serving.eventually(decided, 20)
    found = closed.get("/fhir/Patient?_sort=_id", headers=bearer("system/*.rs")).json()
    return [entry["resource"]["id"] for entry in found["entry"]]


def test_the_worklist_shows_what_the_token_shows(closed: Any, ids: list[str]) -> None:
    everybody = closed.get("/worklist", headers=bearer("user/*.rs")).text
    assert all(id in everybody for id in ids)
    own = closed.get("/worklist", headers=bearer("patient/*.rs", patient=ids[0])).text
    assert ids[0] in own
    assert ids[1] not in own
    one = closed.get(f"/worklist/Patient/{ids[0]}", headers=bearer("patient/*.rs", patient=ids[0]))
    assert one.status_code == 200
    other = closed.get(f"/worklist/Patient/{ids[1]}", headers=bearer("patient/*.rs", patient=ids[0]))
    assert other.status_code == 404
    assert closed.get("/worklist").status_code == 401
    assert closed.get("/worklist", headers=bearer("user/Practitioner.rs")).status_code == 403


@pytest.mark.parametrize("base", ["/fhir", "/eligibility/fhir", "/surveillance/fhir", "/alerts/fhir"])
def test_every_base_asks_for_tokens_and_tells_where_they_come_from(
    base: str, closed: Any, ids: list[str]
) -> None:
    assert closed.get(f"{base}/metadata").status_code == 200
    assert closed.get(f"{base}/.well-known/smart-configuration").json()["token_endpoint"]
    assert closed.get(f"{base}/Provenance").status_code == 401
    own = closed.get(f"{base}/Provenance", headers=bearer("patient/*.rs", patient=ids[0]))
    assert own.status_code == 200
    assert ids[1] not in str(own.json().get("entry", []))


def test_an_assessment_of_a_stored_patient_is_for_who_may_read_that_patient(
    closed: Any, ids: list[str]
) -> None:
    def asked(scope: str, **claims: Any) -> int:
        subject = {"name": "subject", "valueReference": {"reference": f"Patient/{ids[1]}"}}
        body = {"resourceType": "Parameters", "parameter": [subject]}
        answer = closed.post("/alerts/fhir/$assess", json=body, headers=FHIR | bearer(scope, **claims))
        return int(answer.status_code)

    assert asked("system/*.rs") == 200
    assert asked("patient/*.rs", patient=ids[1]) == 200
    assert asked("patient/*.rs", patient=ids[0]) == 403
    assert asked("system/Observation.rs") == 403


def test_each_operation_is_for_who_may_see_what_it_shows(closed: Any, ids: list[str]) -> None:
    own = bearer("patient/*.cruds", patient=ids[0])
    for path, answer, everybody in (
        (f"/eligibility/fhir/$trials?patient={ids[0]}", 200, 200),
        (f"/eligibility/fhir/$trials?patient={ids[1]}", 403, 200),
        ("/eligibility/fhir/$knowledge", 200, 200),
        ("/alerts/fhir/$override-report", 403, 200),
        (f"/fhir/Patient/{ids[1]}/$everything", 404, 200),
    ):
        assert closed.get(path, headers=own).status_code == answer, path
        assert closed.get(path, headers=bearer("system/*.rs")).status_code == everybody, path


def test_an_alert_is_answered_by_who_may_change_it(closed: Any, serving: Any) -> None:
    def alerts() -> Any:
        found = closed.get("/alerts/fhir/DetectedIssue?_count=1", headers=bearer("system/*.rs")).json()
        return found.get("entry")

    issue = serving.eventually(alerts)[0]["resource"]
    body = {"resourceType": "Parameters", "parameter": [{"name": "outcome", "valueCode": "acknowledged"}]}
    path = f"/alerts/fhir/DetectedIssue/{issue['id']}/$answer"

    def answered(scope: str, **claims: Any) -> int:
        return int(closed.post(path, json=body, headers=FHIR | bearer(scope, **claims)).status_code)

    assert answered("patient/*.cruds", patient="somebody-else") == 404
    assert answered("user/*.rs") == 403
    assert answered("user/DetectedIssue.ru") == 200


def test_cds_calls_are_signed_and_taken_down(closed: Any, serving: Any) -> None:
    def signed(path: str, jti: str) -> dict[str, str]:
        return bearer("", aud=f"{PUBLIC}{path}", jti=jti)

    refused = closed.get("/cds-services")
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert closed.get("/cds-services", headers=signed("/cds-services", "1")).status_code == 200
    call = (Path(__file__).parents[2] / "samples" / "hooks" / "ici-steroid-sign.json").read_bytes()
    path = "/cds-services/ici-steroid-sign"
    headers = {"content-type": "application/json"}
    assert closed.post(path, content=call, headers=headers).status_code == 401
    answer = closed.post(path, content=call, headers=headers | signed(path, "2"))
    assert answer.status_code == 200, answer.text
    assert answer.json()["cards"]

    def taken_down() -> Any:
        trail = closed.get(
            "/alerts/fhir/AuditEvent?subtype=cds-call&outcome=0", headers=bearer("system/AuditEvent.rs")
        )
        return trail.json().get("entry")

    (entry,) = serving.eventually(taken_down)
    assert entry["resource"]["agent"][0]["name"] == ISSUER


@pytest.mark.parametrize("command", [["up"], ["serve", "worklist"], ["serve", "ehr_ingestion"]], ids=" ".join)
@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("ISODOSE_SMART_ISSUER", ISSUER, "ISODOSE_SMART_TOKEN_URL"),
        ("ISODOSE_SERVICE_KEY_FILE", "/nowhere", "/nowhere"),
    ],
)
def test_settings_that_do_not_go_together_stop_the_start_in_one_line(
    command: list[str], name: str, value: str, said: str, tmp_path: Path
) -> None:
    given = {"ISODOSE_AUTH": "smart", "ISODOSE_DATA_DIR": str(tmp_path), name: value}
    ran = CliRunner().invoke(app, command, env=given)
    assert ran.exit_code == 1
    assert said in ran.output.replace("\n", "")
    assert "Traceback" not in ran.output


def test_browsers_may_call_from_listed_origins_alone(closed: Any) -> None:
    def preflight(path: str, origin: str) -> Any:
        asked = {"origin": origin, "access-control-request-method": "POST"}
        asked |= {"access-control-request-headers": "authorization,content-type"}
        return closed.request("OPTIONS", path, headers=asked)

    for path in (
        "/cds-services",
        "/cds-services/srs-eligibility",
        "/cds-services/srs-eligibility/feedback",
        "/fhir/Patient",
    ):
        allowed = preflight(path, "https://ehr.example")
        assert allowed.status_code == 200
        assert allowed.headers["access-control-allow-origin"] == "https://ehr.example"
        assert "access-control-allow-credentials" not in allowed.headers
        assert "access-control-allow-origin" not in preflight(path, "https://elsewhere.example").headers
    refused = closed.get("/fhir/Patient", headers={"origin": "https://ehr.example"})
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == "https://ehr.example", "the page may read why"
