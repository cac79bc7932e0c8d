"""Under `auth smart`, before tokens can be checked, nothing about patients is answered."""

from pathlib import Path
from types import ModuleType

import pytest

from isodose.service import Service, build_app
from isodose.settings import Settings
from isodose.storage.database import Database

SERVICE = Service(name="quiet", title="Quiet", port=8099)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/fhir/Patient", 401),
        ("POST", "/fhir", 401),
        ("GET", "/fhir/Patient/p1", 401),
        ("GET", "/fhir/metadata/../Patient", 401),
        ("POST", "/fhir/$assess", 401),
        ("POST", "/cds-services/srs-eligibility", 401),
        ("GET", "/patient-record/p1/1", 401),
        ("GET", "/worklist", 401),
        ("GET", "/fhir/metadata", 200),
        ("GET", "/healthz", 200),
        ("GET", "/readyz", 200),
        ("GET", "/metrics", 200),
        ("GET", "/openapi.json", 200),
    ],
)
def test_only_what_is_not_about_patients_is_open(
    tmp_path: Path, serving: ModuleType, method: str, path: str, status: int
) -> None:
    settings = Settings(data_dir=tmp_path, auth="smart", host="0.0.0.0")
    database = Database(settings.for_service("quiet", 1).database_url)
    database.migrate()
    database.dispose()
    with serving.served(build_app(SERVICE, settings)) as client:
        answer = client.request(method, path)
    assert answer.status_code == status
    if status == 401:
        assert answer.json()["resourceType"] == "OperationOutcome"
        assert answer.headers["www-authenticate"] == "Bearer"
