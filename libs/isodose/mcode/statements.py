"""Facts stated directly: Observations whose code is a fact of the vocabulary (docs/architecture).

Nothing is guessed: a value whose type, unit or list does not fit is reported as a problem and is not a value.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from isodose.clinical import facts
from isodose.clinical.facts import FactDefinition
from isodose.clinical.record import Fact, FactScalar, Scope
from isodose.mcode import units
from isodose.mcode.chart import (
    FACT_SYSTEM_END,
    FACT_VALUE_SYSTEM_END,
    Chart,
    Reading,
    Resource,
    items,
    reference_to,
    targets_of,
)
from isodose.mcode.days import day, effective_day

FOCUS_TYPES: dict[Scope, tuple[str, ...]] = {
    "lesion": ("BodyStructure", "Condition"),
    "plan": ("ServiceRequest",),
    "course": ("Procedure",),
    "imaging": ("ImagingStudy", "DiagnosticReport"),
}
_NOT_READ = ("entered-in-error", "cancelled")


class UnfitError(Exception):
    """A value that does not fit its fact: `code` and `text` of the problem, `element` where it stands."""

    def __init__(self, code: str, text: str, element: str) -> None:
        super().__init__(text)
        self.code, self.text, self.element = code, text, element


def fact_name(observation: Resource) -> str | None:
    """The name that an Observation's code gives in the fact vocabulary's code system, if any."""
    code = observation.get("code")
    for coding in (code.get("coding") or ()) if isinstance(code, dict) else ():
        if isinstance(coding, dict) and str(coding.get("system", "")).endswith(FACT_SYSTEM_END):
            return str(coding.get("code", ""))
    return None


def fault(observation: Resource) -> UnfitError | None:
    """Why an Observation in the fact vocabulary's code system states no value; None where it states one."""
    name = fact_name(observation)
    if name is None or observation.get("status") in _NOT_READ:
        return None
    definition = facts.vocabulary().get(name)
    if definition is None:
        return UnfitError("unknown-fact", "there is no fact of this name", "code")
    try:
        value_of(definition, observation)
    except UnfitError as unfit:
        return unfit
    return None


def read(chart: Chart, reading: Reading) -> None:
    """Every fact Observation, those that name their subject first: the others need to know who is there."""
    unfocused: list[tuple[Fact, Scope]] = []
    for observation in chart.of("Observation"):
        name = fact_name(observation)
        if name is None or observation.get("status") in _NOT_READ:
            continue
        ref = reference_to(observation)
        definition = facts.vocabulary().get(name)
        if definition is None:
            reading.problem("unknown-fact", f"There is no fact {name!r}", ref, "Observation.code")
            continue
        try:
            value = value_of(definition, observation)
        except UnfitError as unfit:
            reading.problem(unfit.code, f"{name}: {unfit.text}", ref, f"Observation.{unfit.element}")
            continue
        if value is None:
            continue
        stated = Fact(name=name, value=value, unit=definition.unit, on=effective_day(observation), source=ref)
        if not _place(chart, reading, observation, stated, definition.scope):
            unfocused.append((stated, definition.scope))
    for stated, scope in unfocused:
        _place_alone(reading, stated, scope)


def _place(chart: Chart, reading: Reading, observation: Resource, stated: Fact, scope: Scope) -> bool:
    """Attach a fact to the patient or to its focus; False where it needs a subject and names none."""
    if scope in ("patient", "site", "trial", "drug"):
        reading.state(stated)
        return True
    focus = targets_of(observation.get("focus"))
    if not focus:
        return False
    fitting = [ref for ref in focus if ref.partition("/")[0] in FOCUS_TYPES[scope]]
    if scope == "plan" and not fitting:
        fitting = [c.planned_by for c in reading.courses if c.ref in focus and c.planned_by]
    for ref in fitting:
        reading.state(stated, scope, ref)
    if not fitting:
        wanted = " or ".join(FOCUS_TYPES[scope])
        reading.problem(
            "focus-does-not-fit",
            f"{stated.name} is about a {scope}: its focus must be a {wanted}",
            stated.source,
            "Observation.focus",
        )
    return True


def _place_alone(reading: Reading, stated: Fact, scope: Scope) -> None:
    """A fact that names no subject belongs to the only one of its scope, or to the one not named anywhere."""
    named = [ref for ref in reading.refs(scope) if ref]
    if len(named) > 1:
        reading.problem(
            "which-subject",
            f"{stated.name} does not say which {scope} it is about, and the record has {len(named)}",
            stated.source,
            "Observation.focus",
        )
        return
    reading.state(stated, scope, named[0] if named else "")


def value_of(definition: FactDefinition, observation: Resource) -> FactScalar | None:
    """The value an Observation states for a fact; None where it states none. Raises `UnfitError`."""
    given = [key for key in observation if key.startswith("value") and observation[key] is not None]
    if not given:
        return None
    value = _READERS[definition.type](definition, observation, given[0])
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if is_number and not definition.least <= float(value) <= definition.most:
        raise UnfitError("value-out-of-range", "the value is outside what this fact can be", given[0])
    return value


def _boolean(definition: FactDefinition, observation: Resource, key: str) -> FactScalar:
    value = observation[key]
    if key == "valueBoolean" and isinstance(value, bool):
        return value
    for word in _words(value):
        if word in ("true", "false"):
            return word == "true"
    raise UnfitError("type-does-not-fit", "must be given as valueBoolean", key)


def _integer(definition: FactDefinition, observation: Resource, key: str) -> FactScalar:
    value = observation[key]
    if key == "valueInteger" and isinstance(value, int) and not isinstance(value, bool):
        return value
    if key == "valueQuantity":
        number = _quantity(value, definition.unit, key)
        if abs(number - round(number)) < 1e-6 or units.is_time(definition.unit):
            return round(number)
        raise UnfitError("not-a-whole-number", "must be a whole number", key)
    raise UnfitError("type-does-not-fit", "must be given as valueInteger", key)


def _number(definition: FactDefinition, observation: Resource, key: str) -> FactScalar:
    value = observation[key]
    if key == "valueQuantity":
        return _quantity(value, definition.unit, key)
    if key == "valueInteger" and isinstance(value, int) and not isinstance(value, bool):
        if definition.unit == "1":
            return float(value)
        raise UnfitError("unit-does-not-fit", f"must be given as valueQuantity in {definition.unit}", key)
    raise UnfitError("type-does-not-fit", f"must be given as valueQuantity in {definition.unit}", key)


def _quantity(quantity: Any, unit: str, key: str) -> float:
    if not isinstance(quantity, dict):
        raise UnfitError("type-does-not-fit", "must be a Quantity", key)
    number = quantity.get("value")
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not math.isfinite(number):
        raise UnfitError("no-value", "the quantity has no value", f"{key}.value")
    if quantity.get("comparator"):
        raise UnfitError(
            "not-exact", "a value with a comparator is a bound, not a value", f"{key}.comparator"
        )
    written = quantity.get("code") or quantity.get("unit") or ""
    converted = units.convert(float(number), str(written), unit)
    if converted is None:
        raise UnfitError("unit-does-not-fit", f"the unit does not fit; wanted is {unit}", f"{key}.code")
    return converted


def _enum(definition: FactDefinition, observation: Resource, key: str) -> FactScalar:
    words = _words(observation[key])
    for word in words:
        if word in definition.values:
            return word
    if key not in ("valueCodeableConcept", "valueString"):
        raise UnfitError("type-does-not-fit", "must be given as valueCodeableConcept", key)
    allowed = ", ".join(definition.values)
    raise UnfitError("value-not-in-list", f"the value is not one of {allowed}", key)


def _date(definition: FactDefinition, observation: Resource, key: str) -> FactScalar:
    value = observation[key]
    if key not in ("valueDateTime", "valueString"):
        raise UnfitError("type-does-not-fit", "must be given as valueDateTime", key)
    found = day(value)
    if found is None or len(str(value)) < 10:
        raise UnfitError("date-not-exact", "must be a full date", key)
    return found.isoformat()


def _words(value: Any) -> list[str]:
    """The words a coded or plain value may stand for: codes of the fact-value system, then text."""
    if isinstance(value, str):
        return [value.strip()]
    if not isinstance(value, dict):
        return []
    own, plain = [], []
    for coding in items(value.get("coding")):
        if isinstance(coding, dict) and isinstance(code := coding.get("code"), str):
            system = str(coding.get("system", ""))
            if system.endswith(FACT_VALUE_SYSTEM_END):
                own.append(code.strip())
            elif not system:
                plain.append(code.strip())
    if own:
        return own
    text = value.get("text")
    return [*plain, text.strip()] if isinstance(text, str) else plain


_READERS: dict[str, Callable[[FactDefinition, Resource, str], FactScalar]] = {
    "boolean": _boolean,
    "integer": _integer,
    "number": _number,
    "enum": _enum,
    "date": _date,
}
