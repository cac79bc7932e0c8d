"""A window that a scan closed is judged on the day of that scan, on less than all that can be derived."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest

from are_surveillance import delivered, knowledge
from are_surveillance.reasons import _RULES, SHORTEN
from isodose.assessment.bundles import record_in
from isodose.clinical import rules

SAMPLES = sorted((Path(__file__).parents[2] / "samples" / "patients").glob("*.json"))
DAYS = [dt.date(2025, 1, 15) + dt.timedelta(days=73 * n) for n in range(10)]
KNOWN = knowledge.load()


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: str(path.stem))
def test_what_shortens_an_interval_follows_from_less_as_from_all(sample: Path) -> None:
    record = record_in(json.loads(sample.read_text(encoding="utf-8")), "record")
    codes = KNOWN.values(SHORTEN, DAYS[0])["shortened_by"]
    wanted = [rule for rule in _RULES if rule.code in codes]
    for day in DAYS:
        whole, part = delivered.as_of(record, day), delivered.with_acting_drugs(record, day)
        judged = rules.judge(wanted, whole, KNOWN, day)
        assert rules.met(wanted, part, KNOWN, day) == {f.code for f in judged if f.verdict == "met"}
        told = {(f.code, f.applies_to, f.verdict) for f in judged}
        assert {(f.code, f.applies_to, f.verdict) for f in rules.judge(wanted, part, KNOWN, day)} == told
