"""An authorisation server of the test's own, a service that takes its tokens, and two patients' records."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, Key, KeySet, RSAKey

import ehr_ingestion.app
import served
from isodose.service import build_app
from isodose.settings import Settings
from isodose.storage.database import Database

TESTS = Path(__file__).resolve().parent.parent
ISSUER = "https://ehr.example/auth"
BASE = "https://isodose.example.org/fhir"
FHIR = {"content-type": "application/fhir+json"}


@dataclass
class Authority:
    """Signs tokens, and publishes its keys in a file."""

    file: Path
    keys: dict[str, Key] = field(
        default_factory=lambda: {
            "ES384": ECKey.generate_key("P-384", {"kid": "ec", "use": "sig"}),
            "RS384": RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"}),
        }
    )

    def publish(self) -> None:
        self.file.write_text(json.dumps(KeySet(list(self.keys.values())).as_dict(private=False)))

    def token(self, scope: str = "", alg: str = "ES384", key: Key | None = None, **claims: Any) -> str:
        """A token that holds five minutes. Claims given as None are left out."""
        now = int(time.time())
        said = {
            "iss": ISSUER, "aud": BASE, "sub": "user-1", "client_id": "ehr-app", "iat": now, "exp": now + 300,
            "scope": scope, **claims,
        }  # fmt: skip
        signing = key or self.keys[alg]
        header = {"alg": alg, "kid": signing.kid, "typ": "JWT"}
        held = {name: value for name, value in said.items() if value is not None}
        return jwt.encode(header, held, signing, algorithms=[alg])

    def header(self, scope: str = "", **claims: Any) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token(scope, **claims)}"}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = Authority(tmp_path_factory.mktemp("keys") / "jwks.json")
    made.publish()
    return made


@pytest.fixture(scope="module")
def service_database() -> str:
    """Empty: a file of the test's own. A module that asks both databases overrides this."""
    return ""


@pytest.fixture(scope="module")
def settings(
    authority: Authority, tmp_path_factory: pytest.TempPathFactory, service_database: str
) -> Settings:
    return Settings(
        database_url=service_database,
        data_dir=tmp_path_factory.mktemp("data"),
        auth="smart",
        host="0.0.0.0",
        public_url=BASE.removesuffix("/fhir"),
        smart_issuer=ISSUER,
        smart_jwks_file=authority.file,
        smart_token_url=f"{ISSUER}/token",
        subscriber_origins=("https://hooks.example",),
    )


@pytest.fixture(scope="module")
def service(settings: Settings, authority: Authority) -> Iterator[Any]:
    """A client of ehr_ingestion under `auth smart` that holds two patients."""
    database = Database(settings.for_service("ehr_ingestion", 8001).database_url)
    database.migrate()
    database.dispose()
    with served.served(build_app(ehr_ingestion.app.service(settings), settings)) as client:
        fill(client, authority)
        yield client


def fill(client: Any, authority: Authority) -> None:
    everything = authority.header("system/*.cruds")
    for bundle in (transaction(*of_patient("p1"), *of_patient("p2"), *of_nobody()), transaction(moved("p2"))):
        answer = client.post("/fhir", json=bundle, headers=FHIR | everything)
        assert answer.status_code == 200, answer.text
    for body in (moved("p1"), observation("p1-gone", "p1")):
        client.put(f"/fhir/Observation/{body['id']}", json=body, headers=FHIR | everything)
    client.request("DELETE", "/fhir/Observation/p1-gone", headers=everything)


def observation(id: str, patient: str, category: str = "laboratory", **more: Any) -> dict[str, Any]:
    system = "http://terminology.hl7.org/CodeSystem/observation-category"
    return {
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "category": [{"coding": [{"system": system, "code": category}]}],
        "code": {"text": "x"},
        "subject": {"reference": f"Patient/{patient}"},
        **more,
    }


def of_patient(id: str) -> list[dict[str, Any]]:
    subject = {"reference": f"Patient/{id}"}
    focus = [{"reference": f"BodyStructure/{id}-lesion"}]
    doctor = [{"reference": "Practitioner/doctor"}]
    return [
        {"resourceType": "Patient", "id": id, "name": [{"family": f"Family-{id}"}], "gender": "female"},
        {"resourceType": "BodyStructure", "id": f"{id}-lesion", "patient": subject},
        {"resourceType": "Condition", "id": f"{id}-condition", "subject": subject, "code": {"text": "x"}},
        observation(f"{id}-lab", id, performer=doctor),
        observation(f"{id}-survey", id, "survey", focus=focus),
    ]


def of_nobody() -> list[dict[str, Any]]:
    return [{"resourceType": "Practitioner", "id": "doctor", "name": [{"family": "Doctor"}]}]


def moved(patient: str) -> dict[str, Any]:
    """An Observation that was filed under the wrong patient first."""
    return observation("moved", patient, note=[{"text": f"seen in {patient}"}])


def transaction(*resources: dict[str, Any]) -> dict[str, Any]:
    entries = [
        {"resource": one, "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"}}
        for one in resources
    ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


class Make:
    """The resources above, for test modules, which cannot import from here."""

    observation = staticmethod(observation)
    transaction = staticmethod(transaction)
    FHIR = FHIR
    BASE = BASE
    ISSUER = ISSUER


@pytest.fixture(scope="module")
def make() -> Make:
    return Make()
