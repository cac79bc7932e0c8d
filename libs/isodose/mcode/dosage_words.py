"""An instruction in words: as its order words it, and the dose that words alone tell."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import orjson

from isodose.clinical.terminology import codings, words_of
from isodose.mcode.chart import Resource
from isodose.mcode.dosage_amounts import Amount, per_day, rates_of
from isodose.mcode.strengths import Strength, quantity
from isodose.mcode.timings import Bounds, Pace, pace_in

_NOT_ONE_DOSE = re.compile(
    r"\b(?:then|taper\w*|wean\w*|decreas\w*|reduc\w*|increas\w*|as directed|or|until|prior to|before|if"
    r"|unless|as needed|prn)\b"
)
_DOSE_IN_WORDS = re.compile(r"(\d+(?:\.\d+)?)\s*(mg|mcg|g|tab(?:let)?s?|cap(?:sule)?s?|ml)\b(?!\s*/)")
_TOTAL_IN_WORDS = re.compile(r"\((\d+(?:\.\d+)?)\s*(mg|mcg|g)(?:\s+total)?\)")
_RANGE_IN_WORDS = re.compile(r"\d\s*(?:-|to)\s*\d")
_MEASURED_PER = re.compile(r"\d\s*(?:mg|mcg|g)\s*/\s*(?:kg|m2|m\^2|m²|m\b)")
_FOR_DAYS = re.compile(r"\bfor (\d{1,3}) (day|week)s?\b")
_UNIT_WORDS = {"mg": "mg", "mcg": "ug", "g": "g", "ml": "mL"}


@lru_cache(maxsize=4096)
def words_of_dosage(written: bytes) -> str:
    """The instruction as its order words it; from its figures where it has no words."""
    one: Resource = orjson.loads(written)
    if isinstance(text := one.get("text") or one.get("patientInstruction"), str):
        return text
    said = [_figures(rate) for rate in rates_of(one)]
    timing = one.get("timing")
    code = timing.get("code") if isinstance(timing, dict) else None
    often = words_of(code).strip() or next((c.code for c in codings(code)), "") or _repeat_words(timing)
    needed = "as needed" if one.get("asNeededBoolean") is True or one.get("asNeededCodeableConcept") else ""
    return " ".join(filter(None, (*dict.fromkeys(said), often, needed)))


def _repeat_words(timing: Any) -> str:
    repeat = timing.get("repeat") if isinstance(timing, dict) else None
    if not isinstance(repeat, dict) or not repeat.get("periodUnit"):
        return ""
    often, period = (
        " to ".join(str(repeat[name]) for name in names if repeat.get(name) is not None)
        for names in (("frequency", "frequencyMax"), ("period", "periodMax"))
    )
    return f"{often or 1} times in {period or 1} {repeat['periodUnit']}"


def _figures(rate: Resource) -> str:
    between = rate.get("doseRange")
    if isinstance(between, dict):
        ends = [_figure(between.get("low")), _figure(between.get("high"))]
        return " to ".join(filter(None, ends))
    ratio = rate.get("rateRatio")
    if isinstance(ratio, dict):
        return f"{_figure(ratio.get('numerator'))} per {_figure(ratio.get('denominator'))}"
    return _figure(rate.get("doseQuantity") or rate.get("dose") or rate.get("rateQuantity"))


def _figure(written: Any) -> str:
    found = quantity(written)
    if found is None or not isinstance(written, dict):
        return ""
    return f"{found[0]:g} {written.get('unit') or found[1]}".strip()


def dose_told_in_words(
    one: Resource, strength: Strength, single: Amount, pace: Pace
) -> tuple[Amount, Pace, Bounds] | None:
    """Dose and frequency from the text of the instruction, where it tells exactly one of each."""
    text = str(one.get("text") or one.get("patientInstruction") or "").lower()
    if not text or _NOT_ONE_DOSE.search(text) or _RANGE_IN_WORDS.search(text) or _MEASURED_PER.search(text):
        return None
    frequency = pace if pace.most is not None else pace_in(text)
    amount = single if single.most is not None else _amount_in(text, strength)
    daily = per_day(amount, frequency)
    if daily.most is None:
        return None
    lasting = _FOR_DAYS.search(text)
    length = int(lasting[1]) * (7 if lasting[2] == "week" else 1) if lasting else None
    return daily, frequency, Bounds(days=length)


def _amount_in(text: str, strength: Strength) -> Amount:
    total = _TOTAL_IN_WORDS.findall(text)
    found = {(float(value), unit) for value, unit in total or _DOSE_IN_WORDS.findall(text)}
    if len(found) != 1:
        return Amount()
    value, unit = found.pop()
    mg = strength.milligrams(value, _UNIT_WORDS.get(unit, "tablet"))
    return Amount(mg, mg)
