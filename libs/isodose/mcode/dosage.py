"""How much of a drug per day, and by which route: of FHIR Dosage, only where it is simple enough to be sure.

https://hl7.org/fhir/R4/dosage.html
"""

from __future__ import annotations

from typing import Any, Literal

from isodose.clinical.terminology import Coding, codings, words_of
from isodose.mcode import units
from isodose.mcode.chart import Resource, items

Route = Literal["", "systemic", "topical", "inhaled", "ophthalmic", "local"]

_DAYS = {"s": 1 / 86400, "min": 1 / 1440, "h": 1 / 24, "d": 1.0, "wk": 7.0, "mo": 30.4375, "a": 365.25}
_TIMES_A_DAY = {
    "QD": 1.0,
    "AM": 1.0,
    "PM": 1.0,
    "BED": 1.0,
    "BID": 2.0,
    "TID": 3.0,
    "QID": 4.0,
    "QOD": 0.5,
    "WK": 1 / 7,
    "Q1H": 24.0,
    "Q2H": 12.0,
    "Q3H": 8.0,
    "Q4H": 6.0,
    "Q6H": 4.0,
    "Q8H": 3.0,
    "Q12H": 2.0,
    "Q24H": 1.0,
}
# SNOMED CT routes from memory; the words of the route decide just as well.
_ROUTE_CODES: dict[str, Route] = {
    "26643006": "systemic",
    "47625008": "systemic",
    "34206005": "systemic",
    "78421000": "systemic",
    "37161004": "systemic",
    "54485002": "ophthalmic",
    "418401004": "ophthalmic",
    "6064005": "topical",
    "448598008": "topical",
    "46713006": "topical",
    "10547007": "local",
    "12130007": "local",
    "447694001": "inhaled",
}
_ROUTE_WORDS: tuple[tuple[Route, tuple[str, ...]], ...] = (
    ("ophthalmic", (" ophthalmic ", " eye ", " ocular ", " intravitreal ", " conjunctival ", " eye drops ")),
    (
        "topical",
        (" topical ", " cream ", " ointment ", " lotion ", " cutaneous ", " nasal ", " mouthwash ", " gel "),
    ),
    ("inhaled", (" inhalation ", " inhaled ", " inhaler ", " nebuliser ", " nebulizer ", " nebulized ")),
    (
        "local",
        (
            " otic ",
            " ear ",
            " intraarticular ",
            " intra articular ",
            " intralesional ",
            " epidural ",
            " enema ",
            " dental ",
        ),
    ),
    (
        "systemic",
        (
            " oral ",
            " intravenous ",
            " iv ",
            " po ",
            " intramuscular ",
            " subcutaneous ",
            " tablet ",
            " tablets ",
            " capsule ",
        ),
    ),
)
_ATC_ROUTES: tuple[tuple[str, Route], ...] = (
    ("S01", "ophthalmic"),
    ("S02", "local"),
    ("S03", "ophthalmic"),
    ("D", "topical"),
    ("R01", "topical"),
    ("R03", "inhaled"),
    ("A01", "local"),
    ("A07", "local"),
    ("C05", "local"),
)


def route_of(given: list[Coding], words: str, dosages: list[Resource], local_code: str = "") -> Route:
    """Where a drug acts: by the dose's own route, the drug's code, then form and text; empty if not told."""
    for dosage in dosages:
        route = dosage.get("route")
        for coding in codings(route):
            if (known := _ROUTE_CODES.get(coding.code)) is not None:
                return known
        if (known := _route_in(words_of(route))) is not None:
            return known
    for coding in given:
        if coding.system == "atc":
            for prefix, known in _ATC_ROUTES:
                if coding.code.startswith(prefix):
                    return known
    if local_code:
        return "local" if local_code != "C9257" else "ophthalmic"
    sites = words_of(*(d.get("site") for d in dosages), *(str(d.get("text") or "") for d in dosages))
    return _route_in(words) or _route_in(sites) or ""


def _route_in(words: str) -> Route | None:
    return next((route for route, known in _ROUTE_WORDS if any(word in words for word in known)), None)


def daily_dose_mg(dosages: list[Resource]) -> float | None:
    """Milligrams per day; None unless there is one plain dose, in a unit of mass, at a plain rate."""
    if len(dosages) != 1:
        return None
    amounts = [a for a in items(dosages[0].get("doseAndRate")) if isinstance(a, dict)]
    if len(amounts) != 1:
        return None
    single = _milligrams(amounts[0].get("doseQuantity"))
    often = _times_a_day(dosages[0].get("timing"))
    return round(single * often, 4) if single is not None and often is not None else None


def _milligrams(quantity: Any) -> float | None:
    if not isinstance(quantity, dict) or quantity.get("comparator"):
        return None
    value = quantity.get("value")
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    return units.convert(float(value), str(quantity.get("code") or quantity.get("unit") or ""), "mg")


def _times_a_day(timing: Any) -> float | None:
    if not isinstance(timing, dict):
        return None
    repeat = timing.get("repeat")
    if isinstance(repeat, dict):
        period, unit = repeat.get("period"), repeat.get("periodUnit")
        if repeat.get("frequencyMax") or repeat.get("periodMax"):
            return None
        if isinstance(period, (int, float)) and period > 0 and unit in _DAYS:
            frequency = repeat.get("frequency", 1)
            times = (
                len(items(repeat.get("when")))
                if "frequency" not in repeat and repeat.get("when")
                else frequency
            )
            days = len(items(repeat.get("dayOfWeek"))) or 1
            return float(times) * days / (period * _DAYS[unit]) if isinstance(times, (int, float)) else None
    for coding in codings(timing.get("code")):
        if coding.code in _TIMES_A_DAY:
            return _TIMES_A_DAY[coding.code]
    return None
