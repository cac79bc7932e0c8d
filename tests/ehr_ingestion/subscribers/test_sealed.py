"""A header of a Subscription does not stand in the database, and keys change without a word to anybody."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from all_in_one.command import app
from ehr_ingestion.app import service
from ehr_ingestion.subscribers import registry
from ehr_ingestion.subscribers.asking import Asked
from ehr_ingestion.subscribers.sealing import SealedError, Sealing, sealing_of
from isodose.security.gate import GateError
from isodose.service import build_app
from isodose.settings import Settings
from isodose.storage.database import Database
from subscriber import HOOK, Hook, subscribed, topical

OLD, NEW = b"o" * 32, b"n" * 32
ASKED = Asked(topic="", criteria=("Task?",), endpoint=HOOK, content="empty", headers=("Authorization: x",))


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    (tmp_path / "keys").write_bytes(OLD)
    return settings.model_copy(update={"subscriber_key_file": tmp_path / "keys"})


def kept(settings: Settings) -> str:
    with Database(settings.database_url).read() as conn:
        return str(conn.execute(text("SELECT asked FROM subscriber")).scalar_one())


def test_a_header_does_not_stand_in_the_database_and_is_sent_whole(
    client: Any, hook: Hook, serving: Any, settings: Settings
) -> None:
    subscribed(client, topical(), serving)
    assert "very-secret" not in kept(settings)
    assert "Authorization" not in kept(settings)
    assert hook.told[0].headers["authorization"] == "Bearer very-secret"
    shown = client.get("/fhir/Subscription/s1").json()
    assert shown["channel"]["header"] == ["Authorization: ********"]
    hook.told.clear()
    subscribed(client, shown | {"status": "requested", "reason": "again"}, serving)
    serving.eventually(lambda: hook.told)
    assert hook.told[0].headers["authorization"] == "Bearer very-secret", "what came back masked is kept"


def test_keys_are_rotated_without_a_word_to_subscribers(
    client: Any, hook: Hook, decide: Callable[..., None], serving: Any, settings: Settings, tmp_path: Path
) -> None:
    subscribed(client, topical(), serving)
    env = {
        "ISODOSE_SUBSCRIBER_KEY_FILE": str(tmp_path / "keys"),
        "ISODOSE_DATABASE_URL": settings.database_url,
    }
    before = kept(settings)
    (tmp_path / "keys").write_bytes(NEW + b"\n" + OLD)
    ran = CliRunner().invoke(app, ["reseal"], env=env)
    assert (ran.exit_code, "1 Subscriptions" in ran.output) == (0, True), ran.output
    assert kept(settings) != before
    (tmp_path / "keys").write_bytes(NEW)
    with Database(settings.database_url).read() as conn:
        one = registry.get(conn, "s1")
    assert one is not None
    assert sealing_of(settings).opened(one.asked) == ("Authorization: Bearer very-secret",)
    (tmp_path / "keys").write_bytes(b"x" * 32)
    failed = CliRunner().invoke(app, ["reseal"], env=env)
    assert failed.exit_code == 1
    assert "no key" in failed.output.replace("\n", " ")


def test_what_was_kept_in_clear_is_sealed_when_there_is_a_key() -> None:
    clear = Sealing().sealed(ASKED)
    assert clear.headers == ASKED.headers
    sealed = Sealing([NEW, OLD]).sealed(clear)
    assert isinstance(sealed.headers, str)
    assert Sealing([OLD, NEW]).opened(sealed) == ASKED.headers
    assert Sealing([OLD]).sealed(Asked(topic="", criteria=(), endpoint=HOOK, content="empty")).headers == ()


def test_sealed_headers_open_for_no_other_key_and_no_other_address() -> None:
    sealed = Sealing([OLD]).sealed(ASKED)
    moved = Asked(
        topic="", criteria=(), endpoint="https://evil.example/", content="empty", headers=sealed.headers
    )
    for sealing, asked in ((Sealing([NEW]), sealed), (Sealing(), sealed), (Sealing([OLD]), moved)):
        with pytest.raises(SealedError, match="ISODOSE_SUBSCRIBER_KEY_FILE"):
            sealing.opened(asked)


def test_a_key_that_is_lost_is_the_reason_that_is_told(
    client: Any, hook: Hook, serving: Any, settings: Settings, tmp_path: Path
) -> None:
    subscribed(client, topical(), serving)
    with Database(settings.database_url).begin() as conn:
        registry.reseal(conn, lambda asked: Sealing([NEW]).sealed(ASKED))
    masked = client.get("/fhir/Subscription/s1").json() | {"status": "requested"}
    refused = client.put("/fhir/Subscription/s1", json=masked)
    assert refused.status_code == 422
    assert "send the header whole" in refused.text
    subscribed(client, topical() | {"reason": "whole again"}, serving)


def test_a_file_without_a_key_stops_the_start(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "keys").write_bytes(b"short")
    with pytest.raises(GateError, match="keys"):
        build_app(service(settings), settings)
