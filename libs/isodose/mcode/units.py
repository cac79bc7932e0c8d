"""UCUM units as facts need them: a quantity is converted where its dimension fits, else refused.

https://ucum.org/ucum
"""

from __future__ import annotations

import re

_LENGTH = {"mm": 0.1, "cm": 1.0, "m": 100.0, "um": 0.0001}
_VOLUME = {"mL": 1.0, "ml": 1.0, "cm3": 1.0, "mm3": 0.001, "uL": 0.001, "dL": 100.0, "L": 1000.0, "l": 1000.0}
_DOSE = {"Gy": 1.0, "cGy": 0.01, "mGy": 0.001, "RAD": 0.01}
_TIME = {
    "s": 1 / 86400,
    "min": 1 / 1440,
    "h": 1 / 24,
    "d": 1.0,
    "wk": 7.0,
    "mo": 30.4375,
    "mo_j": 30.4375,
    "a": 365.25,
    "a_j": 365.25,
}
_PER_TIME = {f"{one}/{unit}": 365.25 / days for one in ("", "1") for unit, days in _TIME.items()}
_MASS = {"g": 1000.0, "mg": 1.0, "ug": 0.001, "mcg": 0.001, "kg": 1_000_000.0}
_MASS_PER_DAY = {
    f"{mass}/{day}": factor for mass, factor in _MASS.items() for day in ("d", "(24.h)", "24.h", "24h")
}
_RATIO = {"1": 1.0, "": 1.0, "%": 0.01}
_CONCENTRATION = {"g/dL": 1.0, "g/L": 0.1, "mg/dL": 0.001, "kg/m3": 0.1, "g/dl": 1.0, "g/l": 0.1}
_FLOW = {"mL/min": 1.0, "ml/min": 1.0, "L/min": 1000.0, "mL/s": 60.0, "L/h": 1000 / 60}
_FLOW_PER_SURFACE = dict.fromkeys(
    (
        "mL/min/{1.73_m2}",
        "mL/min/{1.73m2}",
        "mL/min/1.73.m2",
        "mL/min/1.73_m2",
        "mL/min/1.73m2",
        "ml/min/1.73m2",
        "mL/min/{1.73}m2",
        "mL/min/1.73{m2}",
        "mL/min/1.73{m2}/{Pan}",
        "mL/min/{1.73_m2}.",
    ),
    1.0,
)
_UPTAKE = {"{SUV}": 1.0, "{SUVbw}g/mL": 1.0, "g/mL": 1.0, "1": 1.0, "": 1.0}
_DIMENSIONS = (
    _LENGTH,
    _VOLUME,
    _DOSE,
    _TIME,
    _PER_TIME,
    _MASS,
    _MASS_PER_DAY,
    _RATIO,
    _CONCENTRATION,
    _FLOW,
    _FLOW_PER_SURFACE,
)
_SPOKEN = {
    "cc": "mL",
    "ccm": "mL",
    "cm^3": "cm3",
    "cm³": "cm3",
    "mm^3": "mm3",
    "mm³": "mm3",
    "gy": "Gy",
    "cgy": "cGy",
    "rad": "RAD",
    "day": "d",
    "days": "d",
    "week": "wk",
    "weeks": "wk",
    "month": "mo",
    "months": "mo",
    "year": "a",
    "years": "a",
    "yr": "a",
    "hour": "h",
    "hours": "h",
    "hr": "h",
    "percent": "%",
    "mg/day": "mg/d",
    "mg/24 h": "mg/d",
    "/year": "/a",
    "per year": "/a",
}
_ANNOTATION = re.compile(r"\{[^}]*\}")
_BY_TARGET = {unit: table for table in reversed(_DIMENSIONS) for unit in table}
_BY_TARGET["{SUV}"] = _UPTAKE


def convert(value: float, unit: str, target: str) -> float | None:
    """`value` given in `unit`, in the UCUM unit `target`; None where `unit` does not fit.

    Annotations count as no unit (`{count}` is `1`); common spoken units (cc, days) are understood.
    A month is 30.4375 days and a year 365.25, as UCUM has them.
    """
    table = _BY_TARGET.get(target)
    if table is None:
        return None
    factor = _factor(unit, table)
    if factor is None:
        return None
    return value if unit == target else float(f"{value * factor / table[target]:.10g}")


def _factor(unit: str, table: dict[str, float]) -> float | None:
    for written in (unit, _SPOKEN.get(unit.strip().lower(), unit), _ANNOTATION.sub("", unit)):
        if (factor := table.get(written)) is not None:
            return factor
    return None


def is_time(unit: str) -> bool:
    """Whether `unit` counts time, where conversion between calendar units is only nearly exact."""
    return unit in _TIME
