"""What was typed as a QuestionnaireResponse, and what the record says of it back at the field.

What was prefilled and left goes along as it came, and states nothing new.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from worklist.intake.form import AS_OF, Field, Form, Group

Json = dict[str, Any]
Typed = Mapping[str, str]
_CORE = "http://hl7.org/fhir/StructureDefinition"
_STEP = re.compile(r"item\[(\d+)\]")
_NO_DAY = "The day is required."
_NEWER = "The record has another value since this page was shown. Look at it again."


def typed_into(form: Form, typed: Typed) -> Form:
    """The form with what was typed in each field, and the fault of what is no value at all."""
    day = typed.get(form.as_of.name, "").strip()
    as_of = replace(form.as_of, typed=day, fault=_no_value(form.as_of, day) if day else _NO_DAY)
    groups = tuple(replace(g, fields=tuple(_typed(f, typed) for f in g.fields)) for g in form.groups)
    return replace(form, as_of=as_of, groups=groups)


def _typed(field: Field, typed: Typed) -> Field:
    held = typed.get(field.name, "").strip()
    if field.kind in ("integer", "decimal"):
        held = held.replace(",", ".")
    was, confirmed = typed.get(f"was.{field.name}", ""), f"confirm.{field.name}" in typed
    fault = _NEWER if confirmed and was != field.value else _no_value(field, held)
    return replace(field, typed=field.value if held == was else held, confirmed=confirmed, fault=fault)


def _no_value(field: Field, held: str) -> str:
    try:
        _value(field, held) if held else None
    except ValueError:
        kinds = {"integer": "a whole number", "decimal": "a number", "date": "a day, such as 2026-11-23"}
        return f"This is not {kinds.get(field.kind, 'one of the choices')}."
    return ""


def _value(field: Field, held: str) -> Json:
    """The answer element. Raises ValueError for what is none."""
    if field.kind == "boolean":
        if held not in ("true", "false"):
            raise ValueError
        return {"valueBoolean": held == "true"}
    if field.kind == "integer":
        return {"valueInteger": int(held)}
    if field.kind == "decimal":
        number = float(held)
        if not math.isfinite(number):
            raise ValueError
        return {"valueDecimal": number}
    if field.kind == "date":
        return {"valueDate": dt.date.fromisoformat(held).isoformat()}
    option = next((o for o in field.options if o["code"] == held), None)
    if option is None:
        raise ValueError
    return {"valueCoding": option}


def response_of(form: Form, patient_id: str, author: Json, authored: str) -> tuple[Json, dict[str, str]]:
    """The response, and the name of the field at each of its paths. Every field holds a value or nothing."""
    places: dict[str, str] = {}
    items: list[Json] = (
        [{"linkId": AS_OF, "answer": [_value(form.as_of, form.as_of.shown)]}] if form.as_of.shown else []
    )
    if items:
        places["0"] = form.as_of.name
    for group in form.groups:
        held = list(_items(group, _base(form)))
        if not held:
            continue
        place = str(len(items))
        about = _reference(group)
        for number, (field, _) in enumerate(held, start=len(about)):
            places[f"{place}.{number}"] = field.name
        places[place] = group.key
        items.append({"linkId": group.link, "item": [*about, *(item for _, item in held)]})
    response = {
        "resourceType": "QuestionnaireResponse",
        "questionnaire": f"{form.questionnaire['url']}|{form.questionnaire['version']}",
        "status": "completed",
        "subject": {"reference": f"Patient/{patient_id}"},
        "authored": authored,
        **({"author": author} if author else {}),
        "item": items,
    }
    return response, places


def _base(form: Form) -> str:
    return str(form.questionnaire["url"]).partition("/Questionnaire/")[0]


def _reference(group: Group) -> list[Json]:
    if not group.reference:
        return []
    named = {"reference": group.reference} | ({"display": group.label} if group.label else {})
    return [{"linkId": f"{group.link}_reference", "answer": [{"valueReference": named}]}]


def _items(group: Group, base: str) -> Iterator[tuple[Field, Json]]:
    shown = {field.name: field.shown for field in group.fields}
    for field in group.fields:
        name, value = field.when
        is_asked = not name or shown.get(name) == value
        item = _item(field, base, is_asked)
        if item is not None:
            yield field, item


def _item(field: Field, base: str, is_asked: bool) -> Json | None:
    """What is said of this question; None where nothing is."""
    if field.shown == field.value and not field.confirmed and field.marked:
        return _prefilled(field, base) if is_asked else None
    if field.shown:
        return {"linkId": field.link, "answer": [_value(field, field.shown)]}
    if field.value and field.is_ever_unknown:
        return {"linkId": field.link, "answer": [_value(field, "unknown")]}
    if (field.value and field.marked) or field.taken_back:
        absent = {"url": f"{_CORE}/data-absent-reason", "valueCode": "unknown"}
        return {"linkId": field.link, "extension": [absent]}
    return None


def _prefilled(field: Field, base: str) -> Json:
    parts: list[Json] = [{"url": "value", "valueString": field.value}]
    if field.source:
        parts.append({"url": "source", "valueReference": {"reference": field.source}})
    if field.on:
        parts.append({"url": "on", "valueDate": field.on})
    if field.certainty:
        parts.append({"url": "certainty", "valueCode": field.certainty})
    origin = {"url": f"{base}/StructureDefinition/populated-from", "extension": parts}
    return {"linkId": field.link, "answer": [{"extension": [origin], **_value(field, field.value)}]}


def says_something(form: Form) -> bool:
    """Whether anything was said that was not there already."""
    return any(f.shown != f.value or f.confirmed for group in form.groups for f in group.fields)


def with_faults(form: Form, issues: Iterable[Json], places: Mapping[str, str]) -> tuple[Form, list[str]]:
    """The form with each issue at its field, and what belongs to none."""
    at: dict[str, str] = {}
    general = []
    for issue in issues:
        said = str(issue.get("diagnostics", ""))
        name = _field_of(form, str(next(iter(issue.get("expression", [])), "")), said, places)
        if name:
            at[name] = said
        else:
            general.append(said)
    groups = tuple(
        replace(g, fields=tuple(replace(f, fault=at.get(f.name, f.fault)) for f in g.fields))
        for g in form.groups
    )
    as_of = replace(form.as_of, fault=at.get(form.as_of.name, form.as_of.fault))
    return replace(form, as_of=as_of, groups=groups), general


def _field_of(form: Form, expression: str, said: str, places: Mapping[str, str]) -> str:
    """The field at a path of the response; for a group the field that the words name, else its first."""
    held = places.get(".".join(_STEP.findall(expression)), "")
    group = next((g for g in form.groups if g.key == held), None)
    if group is None or "." in held:
        return held
    named = [f.name for f in group.fields if f.link in said.replace(".", " ").split()]
    return next(iter([*named, *(f.name for f in group.fields)]), "")
