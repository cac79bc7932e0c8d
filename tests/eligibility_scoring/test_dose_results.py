"""The usual dose of each lesion stands under the options it belongs to, in words and with its sources."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class

from eligibility_scoring import outputs
from eligibility_scoring.decision import decide
from eligibility_scoring.dosing.outputs import Doses
from eligibility_scoring.options import options
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import PatientRecord
from isodose.fhir.validation import validate

ON = dt.date(2026, 11, 23)
Row = dict[str, Any]
Said = Callable[[Row, str], list[str]]


@pytest.fixture
def said(record_of: Callable[[Row], PatientRecord], knowledge: Knowledge) -> Said:
    """What the actions under one option say."""

    def doses(row: Row, option: str) -> list[str]:
        record = record_of(row)
        _, made = outputs.conclude(
            record, decide(record, knowledge, ON), knowledge, ON, "https://isodose.example/fhir"
        )
        (group,) = (resource for resource in made if resource["resourceType"] == "RequestGroup")
        validate(group)
        get_fhir_model_class("RequestGroup").model_validate(group)
        (action,) = (a for a in group["action"] if a["code"][0]["coding"][0]["code"] == option)
        assert ("resource" in action) is not ("action" in action)
        assert all(part["documentation"] for part in action.get("action", ()))
        return [part["description"] for part in action.get("action", ())]

    return doses


def test_one_fraction_for_a_small_metastasis_with_both_schemes(said: Said) -> None:
    assert said({}, "srs") == [
        "1.8 cm metastasis: 20-24 Gy in 1 (ASTRO 2022). Beside it: up to 24 Gy in 1 (RTOG 90-05 by diameter)."
    ]


def test_several_fractions_for_a_larger_one(said: Said) -> None:
    row = {"lesions": [{"lesion_diameter_cm": 2.8, "perilesional_oedema": True}]}
    assert said(row, "fsrs") == [
        "2.8 cm metastasis: 27 Gy in 3 or 30 Gy in 5 (ASTRO 2022). "
        "Beside it: 27 Gy in 3 or 25-35 Gy in 5 (common FSRS schedules)."
    ]


def test_no_usual_dose_for_a_lesion_that_had_radiosurgery(said: Said) -> None:
    lesion = {"months_since_srs": 7, "new_or_growing_enhancement": True, "are_status": "excluded"}
    row = {"facts": {"intracranial_progression_type": "local"}, "lesions": [lesion]}
    (dose,) = said(row, "salvage-srs")
    assert dose.startswith("1.8 cm metastasis: no usual dose. This lesion had radiosurgery")
    assert "35-43%" in dose
    assert "16.5%" in dose
    assert "Gy" not in dose


def test_the_dose_near_the_brainstem_is_not_the_one_by_size_alone(said: Said) -> None:
    (dose,) = said({"lesions": [{"lesion_near_oar": True, "lesion_oar_type": "brainstem"}]}, "srs")
    assert dose.startswith("1.8 cm metastasis: 20-24 Gy in 1 (ASTRO 2022).")
    assert "Close to the brainstem: these doses do not regard it." in dose
    assert "maximum: 15 Gy in 1" in dose
    assert "inside the brainstem these limits do not apply" in dose
    assert "about 12-18 Gy" in dose


def test_an_organ_at_risk_of_no_stated_kind_is_said(said: Said) -> None:
    (dose,) = said({"lesions": [{"lesion_near_oar": True}]}, "srs")
    assert dose.endswith("Close to an organ at risk: these doses do not regard what it tolerates.")


def test_a_schedule_does_not_stand_beside_itself(said: Said) -> None:
    (dose,) = said({"lesions": [{"lesion_near_oar": True}]}, "fsrs")
    assert dose.count("25-35 Gy in 5") == 1


def test_a_cavity_by_its_volume(said: Said) -> None:
    row = {"lesions": [{"lesion_setting": "resection_cavity", "cavity_volume_ml": 9}]}
    (dose,) = said(row, "srs")
    assert dose.startswith("9 ml cavity: 16 Gy in 1 (volume bands of a cavity trial).")


def test_examples_before_a_resection(said: Said) -> None:
    row = {
        "lesions": [
            {
                "lesion_diameter_cm": 3.4,
                "lesion_surgically_accessible": True,
                "resection_or_biopsy_indicated": True,
            }
        ]
    }
    assert said(row, "neoadjuvant-srs-then-resection") == [
        "3.4 cm metastasis to be resected: 15 Gy in 1 or 24 Gy in 3 (published examples, no recommendation). "
        "Beside it: up to 18 Gy in 1 (ceiling of the escalation trial)."
    ]


def test_no_dose_where_the_option_is_not_advised_or_no_size_is_known(said: Said) -> None:
    assert said({"facts": {"kps": 40}}, "srs") == []
    assert said({"lesions": [{"lesion_diameter_cm": None}]}, "srs") == []


def test_a_setting_that_is_not_on_record_is_said(said: Said) -> None:
    (dose,) = said({"lesions": [{"lesion_setting": None}]}, "srs")
    assert dose.endswith("Read as an intact metastasis: its setting is not on record.")


def test_each_lesion_has_a_dose_of_its_own(said: Said) -> None:
    doses = said({"lesions": [{}, {"lesion_diameter_cm": 2.2}]}, "srs")
    assert [dose.partition(":")[0] for dose in doses] == ["1.8 cm metastasis", "2.2 cm metastasis"]


def test_a_resection_ahead_has_the_dose_of_its_cavity_and_the_days_by_when(said: Said) -> None:
    operation = {
        "ref": "ServiceRequest/op",
        "kind": "resection_brain_lesion",
        "status": "planned",
        "on": dt.date(2026, 12, 1),
        "lesions": ["1"],
    }
    row = {
        "lesions": [{"lesion_diameter_cm": 3.4, "urgent_surgery_needed": True}],
        "record": {"operations": [operation]},
    }
    (dose,) = said(row, "resection-then-postoperative-srs")
    assert dose.startswith("cavity of unknown size: 12-20 Gy in 1, 27 Gy in 3 or 30 Gy in 5")
    assert dose.endswith(
        "Resection 2026-12-01: recommended by 2026-12-15; after 2026-12-29 local control can suffer."
    )
    (undated,) = said({"lesions": row["lesions"]}, "resection-then-postoperative-srs")
    assert undated.endswith("Recommended by day 14 after surgery; after day 28 local control can suffer.")


def test_a_card_names_three_lesions_and_counts_the_rest(
    record_of: Callable[[Row], PatientRecord], knowledge: Knowledge
) -> None:
    record = record_of({"facts": {"lesion_count": 4}, "lesions": [{}, {}, {}, {}]})
    judged = options(decide(record, knowledge, ON), knowledge, record)
    brief = Doses(record, judged, knowledge, ON).in_brief("srs")
    assert brief.count("20-24 Gy in 1 (ASTRO 2022)") == 3
    assert "- and 1 more lesions" in brief
    assert "Gondi (ASTRO), Pract Radiat Oncol 2022" in brief
    assert Doses(record, judged, knowledge, ON).in_brief("wbrt") == ""
