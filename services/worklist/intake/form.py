"""The Questionnaire and the answers known so far as the fields of a page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

Json = dict[str, Any]
QUESTIONNAIRE = "isodose-intake"
AS_OF = "as_of"
_CORE = "http://hl7.org/fhir/StructureDefinition"
_ABSENT = f"{_CORE}/data-absent-reason"
_UNKNOWN = "unknown"
_MOST_SCANS = 3
"""So many of the last scans are asked about; a response that is amended is shown whole."""


@dataclass(frozen=True)
class Field:
    """One question. `value` is empty while it is not known; `source`, `on` and `marked` tell of a value that
    was prefilled; `when` is the name and the value of the field on which the question depends.
    """

    name: str
    link: str
    text: str
    kind: str
    id: str = ""
    unit: str = ""
    least: str = ""
    most: str = ""
    options: tuple[Json, ...] = ()
    when: tuple[str, str] = ("", "")
    value: str = ""
    marked: bool = False
    taken_back: bool = False
    source: str = ""
    on: str = ""
    certainty: str = ""
    typed: str | None = None
    confirmed: bool = False
    fault: str = ""

    @property
    def shown(self) -> str:
        """What stands in the field."""
        return self.value if self.typed is None else self.typed

    @property
    def known(self) -> str:
        """The value on record in words."""
        word = next((o["display"] for o in self.options if o["code"] == self.value), self.value)
        return {"true": "yes", "false": "no"}.get(word, word)

    @property
    def choices(self) -> list[Json]:
        """The options that say something: that it is not known is the choice of no answer."""
        return [option for option in self.options if option["code"] != _UNKNOWN]

    @property
    def is_ever_unknown(self) -> bool:
        """Whether not known is itself an answer to this question."""
        return len(self.choices) < len(self.options)


@dataclass(frozen=True)
class Group:
    """The questions about the patient, or about one lesion, plan or scan."""

    key: str
    link: str
    title: str
    fields: tuple[Field, ...]
    reference: str = ""
    label: str = ""
    is_open: bool = False


@dataclass(frozen=True)
class Form:
    """All questions, with the day for which the answers hold."""

    as_of: Field
    groups: tuple[Group, ...]
    questionnaire: Json = field(repr=False, default_factory=dict)

    def all(self) -> Iterator[Field]:
        yield self.as_of
        for group in self.groups:
            yield from group.fields


def form_of(questionnaire: Json, response: Json, wanted: Sequence[str] = ()) -> Form:
    """The form with the answers of `response`; groups with a fact that is `wanted` are open."""
    as_of: Field | None = None
    groups: list[Group] = []
    for question in questionnaire.get("item", []):
        given = [item for item in response.get("item", []) if item["linkId"] == question["linkId"]]
        if question["linkId"] == AS_OF:
            as_of = replace(_field(question, "", _answers(given)), id=AS_OF)
        elif question.get("repeats"):
            few = question["linkId"] == "imaging" and response.get("status") == "in-progress"
            groups += _repeated(question, given[:_MOST_SCANS] if few else given)
        else:
            groups.append(_group(question, question["linkId"], given[0] if given else {}))
    assert as_of is not None
    return Form(as_of, tuple(_anchored(groups, wanted)), questionnaire)


def _repeated(question: Json, given: Sequence[Json]) -> Iterator[Group]:
    """A group for each that is known, and for a lesion, or where none is known, a new one."""
    link = question["linkId"]
    for number, item in enumerate(given, start=1):
        yield _group(question, f"{link}-{number}", item)
    if link == "lesion" or not given:
        yield _group(question, f"{link}-new", {})


def _group(question: Json, key: str, item: Json) -> Group:
    answers = _answers(item.get("item", []))
    reference, label = "", ""
    fields = []
    for asked in question["item"]:
        if asked["type"] == "reference":
            held = answers.get(asked["linkId"], {}).get("answer", [{}])[0].get("valueReference", {})
            reference, label = str(held.get("reference", "")), str(held.get("display", ""))
        elif not (reference and any(c["operator"] == "exists" for c in asked.get("enableWhen", []))):
            fields.append(_field(asked, key, answers))
    title = question["text"]
    if question.get("repeats"):
        title = f"{title}: {label or reference or 'not on record yet'}"
    return Group(key, question["linkId"], title, tuple(fields), reference, label)


def _answers(items: Sequence[Json]) -> dict[str, Json]:
    return {item["linkId"]: item for item in items}


def _field(question: Json, key: str, answers: Mapping[str, Json]) -> Field:
    link, told = question["linkId"], _extensions(question)
    item = answers.get(link, {})
    answer: Json = next(iter(item.get("answer", [])), {})
    origin = {p["url"]: p for p in _extensions(answer).get("populated-from", {}).get("extension", [])}
    number = ("valueInteger", "valueDecimal")
    value = in_words(answer)
    return Field(
        name=_name(key, link),
        link=link,
        text=question["text"],
        kind=question["type"],
        unit=str(told.get("questionnaire-unit", {}).get("valueCoding", {}).get("display", "")),
        least=_limit(told.get("minValue", {}), number),
        most=_limit(told.get("maxValue", {}), number),
        options=tuple(option["valueCoding"] for option in question.get("answerOption", [])),
        when=_when(question, key),
        value=value,
        marked=bool(origin) and origin.get("value", {}).get("valueString") == value,
        taken_back=any(e.get("url") == _ABSENT for e in item.get("extension", [])),
        source=str(origin.get("source", {}).get("valueReference", {}).get("reference", "")),
        on=str(origin.get("on", {}).get("valueDate", "")),
        certainty=str(origin.get("certainty", {}).get("valueCode", "")),
    )


def in_words(answer: Mapping[str, Any]) -> str:
    """The value of an answer as a field of a form holds it; empty for none."""
    held = next((value for name, value in answer.items() if name.startswith("value")), None)
    if isinstance(held, bool):
        return str(held).lower()
    if isinstance(held, (int, float)):
        return f"{held:.12g}"
    return str(held.get("code", "")) if isinstance(held, dict) else str(held or "")


def _extensions(element: Mapping[str, Any]) -> dict[str, Json]:
    return {str(e.get("url", "")).rpartition("/")[2]: e for e in element.get("extension", [])}


def _limit(extension: Json, names: Sequence[str]) -> str:
    return next((f"{extension[name]:g}" for name in names if name in extension), "")


def _when(question: Json, key: str) -> tuple[str, str]:
    for condition in question.get("enableWhen", []):
        if condition["operator"] == "=":
            return _name(key, condition["question"]), in_words(
                {"value": condition.get("answerCoding", condition.get("answerBoolean"))}
            )
    return ("", "")


def _name(key: str, link: str) -> str:
    return f"{key}.{link}" if key else link


def _anchored(groups: Sequence[Group], wanted: Sequence[str]) -> Iterator[Group]:
    """Each question can be linked to by its linkId: in the first group that lacks its answer."""
    takes: dict[str, str] = {}
    for group in groups:
        for one in group.fields:
            first = takes.get(one.link)
            if first is None or (not one.value and first.startswith("=")):
                takes[one.link] = one.name if not one.value else f"={one.name}"
    names = {held.removeprefix("=") for held in takes.values()}
    for group in groups:
        fields = tuple(replace(f, id=f.link if f.name in names else f.name) for f in group.fields)
        is_wanted = any(f.id in wanted and not f.value for f in fields)
        yield replace(group, fields=fields, is_open=is_wanted)
