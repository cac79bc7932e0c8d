"""A draft radiation order reviewed over HTTP, as an EHR asks at order-sign."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest

from eligibility_scoring import app
from isodose.clinical import facts
from isodose.service import build_app
from isodose.settings import Settings
from isodose.storage.database import Database
from served import Client, served

Json = dict[str, Any]
BASE = "https://isodose.example/fhir"
CODEX = "http://hl7.org/fhir/us/codex-radiation-therapy/StructureDefinition"
TODAY = dt.date.today()
PATIENT = {"resourceType": "Patient", "id": "p"}
UCUM = {"system": "http://unitsofmeasure.org"}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("orders")
    settings = Settings(database_url=f"sqlite:///{folder}/db", event_log_url=f"sqlite:///{folder}/events")
    database = Database(settings.database_url)
    database.migrate()
    database.dispose()
    with served(build_app(app.service(settings), settings)) as running:
        yield running


def lesion(identity: str) -> Json:
    return {"resourceType": "BodyStructure", "id": identity, "patient": {"reference": "Patient/p"}}


def stated(name: str, value: Any, about: str = "", *, on: dt.date = TODAY) -> Json:
    definition = facts.definition(name)
    units = {**UCUM, "code": definition.unit}
    value_as = {
        "boolean": ("valueBoolean", value),
        "integer": ("valueInteger", value),
        "number": ("valueQuantity", {"value": value, **units}),
        "enum": ("valueString", value),
    }
    key, given = value_as[definition.type]
    made: Json = {
        "resourceType": "Observation",
        "id": f"{name}-{about}".replace("_", "-").replace(".", "-").replace("/", "-").rstrip("-"),
        "status": "final",
        "code": {"coding": [{"system": f"{BASE}/CodeSystem/fact", "code": name}]},
        "subject": {"reference": "Patient/p"},
        "effectiveDateTime": on.isoformat(),
        key: given,
    }
    return {**made, "focus": [{"reference": about}]} if about else made


def told(usual: Json, **changed: Any) -> list[Json]:
    """What is known of the usual patient with one usual lesion, with changes; None takes a fact away."""
    known = {**usual["usual_patient"], **usual["usual_lesion"], **changed}
    return [
        stated(name, value, "BodyStructure/l1" if facts.definition(name).scope == "lesion" else "")
        for name, value in known.items()
        if value is not None
    ]


def dose(gray: float, fractions: int, target: str) -> Json:
    parts = [
        {"url": "volume", "valueReference": {"reference": f"BodyStructure/{target}"}},
        {"url": "totalDose", "valueQuantity": {"value": gray * 100, "code": "cGy", **UCUM}},
        {"url": "fractions", "valueUnsignedInt": fractions},
    ]
    return {"url": f"{CODEX}/codexrt-radiotherapy-dose-prescribed-to-volume", "extension": parts}


def draft(text: str, *doses: Json, start: dt.date | None = None) -> Json:
    made: Json = {
        "resourceType": "ServiceRequest",
        "id": "d1",
        "status": "draft",
        "intent": "order",
        "subject": {"reference": "Patient/p"},
        "code": {"text": text},
    }
    if doses:
        made["extension"] = list(doses)
    if start:
        made["occurrencePeriod"] = {"start": start.isoformat()}
    return made


def review(client: Client, order: Json, observations: list[Json], **more: Any) -> list[Json]:
    found = {"resourceType": "Bundle", "type": "searchset"}
    call = {
        "hook": "order-sign",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {
            "userId": "Practitioner/1",
            "patientId": "p",
            "draftOrders": {
                "resourceType": "Bundle",
                "type": "collection",
                "entry": [{"resource": order}],
            },
        },
        "prefetch": {
            "patient": PATIENT,
            "observations": {**found, "entry": [{"resource": o} for o in observations]},
            "conditions": None,
            "lesions": {**found, "entry": [{"resource": r} for r in more.pop("lesions", [lesion("l1")])]},
            "procedures": {**found, "entry": [{"resource": r} for r in more.pop("procedures", [])]},
            "serviceRequests": None,
            "medicationRequests": None,
            **more,
        },
    }
    answer = client.post("/cds-services/srs-order-review", json=call)
    assert answer.status_code == 200, answer.text
    cards: list[Json] = answer.json()["cards"]
    return cards


def seen(cards: list[Json]) -> dict[str, str]:
    return {card["source"]["topic"]["code"]: card["indicator"] for card in cards}


def test_an_order_in_range_brings_no_card(client: Client, usual: Json) -> None:
    order = draft("Stereotactic radiosurgery of brain, 22 Gy in 1 fraction")
    assert review(client, order, told(usual)) == []


def test_a_dose_above_the_usual_range_is_one_short_sourced_warning(client: Client, usual: Json) -> None:
    order = draft("Stereotactic radiosurgery of brain", dose(24, 1, "l1"))
    (card,) = review(client, order, told(usual, lesion_diameter_cm=2.4, lesion_volume_ml=7.0))
    assert card["summary"] == "24 Gy in 1 for a 2.4 cm, 7 ml metastasis: above the usual 18 Gy in 1"
    assert (card["indicator"], card["source"]["topic"]["code"]) == ("warning", "SUP-DOSE-astro-size-bands")
    for words in (
        "Ordered: 24 Gy in 1",
        "27 Gy in 3 or 30 Gy in 5 (ASTRO 2022)",
        "16 Gy in 1 (volume bands of a cavity trial)",
        "BED 81.6 Gy for tumour (alpha/beta 10 Gy)",
        "disputed above 10 Gy per fraction",
        f"2.4 cm ({TODAY.isoformat()}, Observation/",
        "Strength: standard of care",
        "Gondi (ASTRO), Pract Radiat Oncol 2022",
        "(review 32)",
        "source awaits clinical sign-off",
        "a clinician decides",
    ):
        assert words in card["detail"], words
    assert len(card["detail"]) < 3000


def test_at_exactly_3_cm_both_schemes_are_shown_without_a_warning(client: Client, usual: Json) -> None:
    order = draft("Stereotactic radiosurgery of brain", dose(18, 1, "l1"))
    cards = review(client, order, told(usual, lesion_diameter_cm=3.0))
    assert seen(cards) == {"F1-fraction": "warning", "SUP-DOSE-astro-size-bands": "info"}
    assert "the lower dose is taken" in cards[1]["detail"]


def test_a_late_cavity_order_is_told_with_its_days(client: Client, usual: Json) -> None:
    resected = {
        "resourceType": "Procedure",
        "id": "op",
        "status": "completed",
        "code": {"text": "Resection of brain metastasis"},
        "subject": {"reference": "Patient/p"},
        "performedDateTime": (TODAY - dt.timedelta(days=25)).isoformat(),
        "extension": [
            {
                "url": "http://hl7.org/fhir/StructureDefinition/procedure-targetBodyStructure",
                "valueReference": {"reference": "BodyStructure/l1"},
            }
        ],
    }
    day = TODAY + dt.timedelta(days=10)
    order = draft("Fractionated stereotactic radiosurgery of brain", dose(27, 3, "l1"), start=day)
    known = told(usual, lesion_setting="resection_cavity", cavity_volume_ml=14.0)
    (card,) = review(client, order, known, procedures=[resected])
    assert card["summary"] == "Cavity SRS 35 days after surgery: beyond 28 days local control can suffer"
    assert card["indicator"] == "warning"
    assert "(review 179)" in card["detail"]


def test_each_lesion_of_an_order_is_compared_with_its_own_dose(client: Client, usual: Json) -> None:
    known = {"lesion_diameter_cm": 2.4, "lesion_setting": "intact", "lesion_near_oar": False}
    second = [stated(name, value, "BodyStructure/l2") for name, value in known.items()]
    lesions = [lesion("l1"), lesion("l2")]
    right = draft("Stereotactic radiosurgery of brain", dose(20, 1, "l1"), dose(18, 1, "l2"))
    assert review(client, right, [*told(usual), *second], lesions=lesions) == []
    wrong = draft("Stereotactic radiosurgery of brain", dose(20, 1, "l1"), dose(20, 1, "l2"))
    (card,) = review(client, wrong, [*told(usual), *second], lesions=lesions)
    assert card["summary"] == "20 Gy in 1 for 1 of 2 lesions: above the usual dose"
    assert "BodyStructure/l2" in card["detail"]


def test_a_limit_of_an_organ_at_risk_is_told_with_the_number(client: Client, usual: Json) -> None:
    order = draft("Stereotactic radiosurgery of brain, 20 Gy in 1 fraction")
    received = {"optic_dmax_gy": 12.5, "v12gy_ml": 9.0}
    planned = [stated(name, value, "ServiceRequest/d1") for name, value in received.items()]
    cards = review(client, order, [*told(usual), *planned])
    assert seen(cards) == {"SUP-OAR-optic": "warning", "DOSE-v12-constraint": "info"}
    assert cards[0]["summary"] == "Optic pathway 12.5 Gy in 1: above 10 Gy, outer limit 12 Gy"


def test_what_the_order_does_not_say_is_said_once(client: Client, usual: Json) -> None:
    (card,) = review(client, draft("Stereotactic radiosurgery of brain, single fraction"), told(usual))
    assert card["indicator"] == "info"
    assert "Total prescribed dose to the target" in card["detail"]


def test_an_order_of_another_kind_is_left_alone(client: Client, usual: Json) -> None:
    assert review(client, draft("MRI of the brain"), told(usual, kps=40)) == []


def test_cards_keep_their_identity_and_none_share_it(client: Client, usual: Json) -> None:
    order = draft("Stereotactic radiosurgery of brain, 24 Gy in 1 fraction")
    known = told(usual, lesion_diameter_cm=3.4, lesion_near_oar=True)
    once, again = (review(client, order, known) for _ in range(2))
    assert [card["uuid"] for card in once] == [card["uuid"] for card in again]
    assert len({card["uuid"] for card in once}) == len(once) == 2
