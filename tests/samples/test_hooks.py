"""The CDS calls offered for curl are answered with advice by the services they are for."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

import eligibility_scoring.app
import ici_steroid_alerts.app
from isodose.cds_hooks import Card, CdsService
from isodose.cds_hooks.models import HookRequest
from isodose.cds_hooks.prefetch import PrefetchReader
from isodose.cds_hooks.router import answer
from isodose.settings import Settings

HOOKS = Path(__file__).resolve().parents[2] / "samples" / "hooks"
MODULES = {
    "srs-eligibility": eligibility_scoring.app,
    "srs-order-review": eligibility_scoring.app,
    "ici-steroid-sign": ici_steroid_alerts.app,
}


def owner(name: str) -> CdsService:
    service = MODULES[name].service(Settings().for_service(name, 0))
    return next(cds for cds in service.cds_services if cds.id == name)


def called(name: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads((HOOKS / f"{name}.json").read_text(encoding="utf-8"))
    return body


def cards(name: str) -> list[Card]:
    request = HookRequest.model_validate(called(name))
    return answer(
        owner(name), request, PrefetchReader(), dt.date(2026, 11, 23), lambda _id: "http://localhost"
    )


@pytest.mark.parametrize("name", MODULES)
def test_the_call_sends_every_key_the_service_asks_for(name: str) -> None:
    assert set(called(name)["prefetch"]) == set(owner(name).prefetch)


@pytest.mark.parametrize("name", MODULES)
def test_the_call_is_answered_with_cards(name: str) -> None:
    assert cards(name)
    for card in cards(name):
        assert "Not available" not in (card.detail or "")


def test_dexamethasone_with_a_checkpoint_inhibitor_is_more_than_information() -> None:
    assert cards("ici-steroid-sign")[0].indicator in ("warning", "critical")


def test_radiosurgery_is_offered_to_the_patient_with_two_metastases() -> None:
    said = " ".join(f"{card.summary} {card.detail}" for card in cards("srs-eligibility")).lower()
    assert "radiosurgery" in said or "srs" in said


def test_a_dose_above_the_usual_one_is_told_with_both_numbers() -> None:
    said = [card.summary for card in cards("srs-order-review")]
    assert "20 Gy in 1 for a 2.8 cm, 9.6 ml metastasis: above the usual 18 Gy in 1" in said
