"""The sample patients between them show every option of the contract as the leading one."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest

from eligibility_scoring.arguments import ARGUMENTS
from eligibility_scoring.decision import decide
from eligibility_scoring.options import Appraisal
from isodose.clinical.knowledge import Knowledge
from isodose.mcode import build_record

ON = dt.date(2026, 11, 23)
SAMPLES = Path(__file__).parents[2] / "samples" / "patients"
LEADING = {
    "01-best-supportive-care": "best-supportive-care",
    "02-urgent-resection": "resection-then-postoperative-srs",
    "03-melanoma-systemic-first": "systemic-first",
    "04-egfr-lung-systemic-first": "systemic-first",
    "05-oligometastatic-upfront-srs": "srs",
    "06-accessible-large-lesion": "resection-then-postoperative-srs",
    "07-polymetastatic-her2-t-dm1": "srs",
    "08-more-than-ten-lesions": "ha-wbrt-memantine",
    "09-fractionated-near-organ-at-risk": "fsrs",
    "10-leptomeningeal-facts-missing": None,
    "11-local-change-after-srs": "biopsy",
    "12-distant-progression-ici-window": "systemic-first",
    "13-follow-up-overdue": None,
    "14-cavity-fsrs-follow-up-booked": None,
    "15-radiosurgery-before-resection": "neoadjuvant-srs-then-resection",
    "16-whole-brain-near-hippocampus": "wbrt",
    "17-brain-only-progression-drug-kept": "srs-with-systemic",
    "18-downstaging-before-whole-brain": "cns-downstaging",
    "19-treating-fields-after-radiosurgery": "ttfields-after-srs",
    "20-salvage-after-effect-excluded": "salvage-srs",
    "21-trial-after-whole-brain": "clinical-trial",
}


@pytest.mark.parametrize("name", LEADING)
def test_the_option_that_leads(name: str, knowledge: Knowledge) -> None:
    bundle = json.loads((SAMPLES / f"{name}.json").read_text(encoding="utf-8"))
    record = build_record(bundle["id"], [entry["resource"] for entry in bundle["entry"]])
    lead = Appraisal(decide(record, knowledge, ON), knowledge, record).leading
    assert (lead.code if lead else None) == LEADING[name]


def test_every_option_leads_for_some_patient_and_every_patient_is_here() -> None:
    assert {argument.code for argument in ARGUMENTS} <= set(LEADING.values())
    assert set(LEADING) == {file.stem for file in SAMPLES.glob("*.json")}
