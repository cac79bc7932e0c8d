import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from isodose.settings import Settings


def test_the_environment_is_read_under_one_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISODOSE_KNOWLEDGE_ENABLE", "A-1, B-2")
    monkeypatch.setenv("ISODOSE_DEMONSTRATION_DAY", "2026-03-31")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318")
    settings = Settings()
    assert settings.knowledge_enable == ("A-1", "B-2")
    assert settings.today() == dt.date(2026, 3, 31)
    assert settings.otlp_endpoint == "http://collector:4318"


LISTS = [name for name, field in Settings.model_fields.items() if isinstance(field.default, tuple)]


@pytest.mark.parametrize("name", LISTS)
def test_every_list_is_written_with_commas(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"ISODOSE_{name.upper()}", "10.0.0.0/8, 127.0.0.1")
    assert getattr(Settings(), name) == ("10.0.0.0/8", "127.0.0.1")
    monkeypatch.setenv(f"ISODOSE_{name.upper()}", "")
    assert getattr(Settings(), name) == ()


LEFT_OPEN = [
    name for name, field in Settings.model_fields.items()
    if field.default is None or isinstance(field.default, Path | dict)
]  # fmt: skip


@pytest.mark.parametrize("name", LEFT_OPEN)
def test_a_variable_that_is_left_empty_is_not_set(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"ISODOSE_{name.upper()}", "")
    assert getattr(Settings(), name) == Settings.model_fields[name].default


def test_every_file_may_be_left_out() -> None:
    files = {name for name in Settings.model_fields if name.endswith("_file")}
    assert files
    assert files <= set(LEFT_OPEN)


@pytest.mark.parametrize("name", ["AUTH", "KAFKA_TLS", "MAX_BODY_BYTES"])
def test_a_choice_that_is_left_empty_is_refused_by_its_name(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"ISODOSE_{name}", "")
    with pytest.raises(ValidationError, match=name.lower()):
        Settings()


def test_days_of_tasks_are_written_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISODOSE_TASK_DAYS", '{"treatment": 7, "work-up": 14}')
    assert Settings().task_days == {"treatment": 7, "work-up": 14}
    monkeypatch.setenv("ISODOSE_TASK_DAYS", "treatment: 7")
    with pytest.raises(ValidationError, match="task_days"):
        Settings()


def test_what_is_left_open_is_filled_in_for_each_service() -> None:
    own = Settings(data_dir=Path("/data")).for_service("ehr_ingestion", 8001)
    assert own.database_url == "sqlite:////data/ehr_ingestion.db"
    assert own.event_log_url == "sqlite:////data/events.db"
    assert own.public_url == "http://127.0.0.1:8001"
    assert own.worklist_url == "http://127.0.0.1:8001/worklist"


def test_what_a_site_chose_is_kept_for_each_service() -> None:
    chosen = Settings(
        database_url="postgresql+psycopg://u@h/d",
        event_log_url="kafka://k:9092",
        port=9000,
        public_url="https://x/",
    )
    own = chosen.for_service("ehr_ingestion", 8001)
    assert (own.database_url, own.event_log_url, own.port, own.public_url) == (
        "postgresql+psycopg://u@h/d",
        "kafka://k:9092",
        9000,
        "https://x",
    )


def test_a_value_that_is_not_offered_is_refused() -> None:
    with pytest.raises(ValidationError):
        Settings(auth="maybe")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "chosen", [{"event_log_url": "redis://there"}, {"event_log_url": "kafka:there"}, {"port": 99999}]
)
def test_what_could_not_be_listened_on_or_published_to_is_refused(chosen: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Settings(**chosen)
