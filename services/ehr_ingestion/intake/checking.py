"""Whether a QuestionnaireResponse answers what its Questionnaire asks, each fault with the place where it is.

https://hl7.org/fhir/R4/questionnaireresponse.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ehr_ingestion.intake.form import VALUES
from isodose.fhir.errors import Issue

Json = dict[str, Any]
Shown = Mapping[str, list[Json]]
_LIMITS = ("/minValue", "/maxValue")


def faults(response: Json, form: Json) -> Iterator[Issue]:
    """What does not fit. A value is never quoted."""
    yield from _items(response.get("item", []), form["item"], "QuestionnaireResponse", {})


def _items(given: Sequence[Json], asked: Sequence[Json], path: str, outer: Shown) -> Iterator[Issue]:
    questions = {question["linkId"]: question for question in asked}
    answers = {**outer, **_answers(given)}
    seen: dict[str, int] = {}
    for index, item in enumerate(given):
        place, link = f"{path}.item[{index}]", str(item.get("linkId", ""))
        question = questions.get(link)
        seen[link] = seen.get(link, 0) + 1
        if question is None:
            yield Issue("not-found", "The form does not ask this here; leave it out.", (f"{place}.linkId",))
        elif seen[link] > 1 and not question.get("repeats"):
            yield Issue("structure", "The form asks this once.", (place,))
        elif question["type"] == "group":
            yield from _items(item.get("item", []), question["item"], place, answers)
        else:
            yield from _answer(item, question, place, answers)
    for link, question in questions.items():
        if question.get("required") and link not in answers and _enabled(question, answers):
            said = f"An answer to {link} is required."
            yield Issue("required", said, (f"{path}.item",))


def _answers(given: Sequence[Json]) -> dict[str, list[Json]]:
    return {str(item.get("linkId", "")): item["answer"] for item in given if item.get("answer")}


def _answer(item: Json, question: Json, place: str, answers: Shown) -> Iterator[Issue]:
    given = item.get("answer", [])
    if item.get("item"):
        yield Issue("structure", "The form asks nothing below this.", (f"{place}.item",))
    if len(given) > 1:
        yield Issue("structure", "One answer is taken.", (f"{place}.answer",))
    if given and not _enabled(question, answers):
        said = f"This is asked only where {_when(question)}."
        yield Issue("business-rule", said, (f"{place}.answer[0]",))
    for index, answer in enumerate(given):
        yield from _value(answer, question, f"{place}.answer[{index}]")


def _value(answer: Json, question: Json, place: str) -> Iterator[Issue]:
    wanted = VALUES[question["type"]]
    if wanted not in answer:
        yield Issue("value", f"The answer is given as {wanted}.", (place,))
        return
    value, where = answer[wanted], (f"{place}.{wanted}",)
    if question["type"] == "choice":
        options = [option["valueCoding"] for option in question["answerOption"]]
        if not any(_same(option, value) for option in options):
            codes = ", ".join(option["code"] for option in options)
            yield Issue("code-invalid", f"The answer is not one of the options: {codes}.", where)
    elif question["type"] in ("integer", "decimal"):
        low, high = _limits(question)
        if (low is not None and value < low) or (high is not None and value > high):
            yield Issue("value", f"This cannot be: the value is {_between(low, high)}.", where)


def _limits(question: Json) -> tuple[float | None, float | None]:
    found = {}
    for extension in question.get("extension", []):
        for end in _LIMITS:
            if extension["url"].endswith(end):
                found[end] = extension.get("valueInteger", extension.get("valueDecimal"))
    return found.get(_LIMITS[0]), found.get(_LIMITS[1])


def _between(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return f"at least {low:g}" if low is not None else f"at most {high:g}"
    return f"from {low:g} to {high:g}"


def _enabled(question: Json, answers: Shown) -> bool:
    return all(_holds(condition, answers) for condition in question.get("enableWhen", []))


def _holds(condition: Json, answers: Shown) -> bool:
    given = answers.get(condition["question"], [])
    if condition["operator"] == "exists":
        return bool(given) is condition["answerBoolean"]
    if "answerBoolean" in condition:
        return any(one.get("valueBoolean") is condition["answerBoolean"] for one in given)
    return any(_same(condition["answerCoding"], one.get("valueCoding", {})) for one in given)


def _when(question: Json) -> str:
    said = []
    for condition in question["enableWhen"]:
        name = condition["question"]
        if condition["operator"] == "exists":
            said.append(f"{name} is {'given' if condition['answerBoolean'] else 'not given'}")
        else:
            value = condition.get("answerCoding", {}).get("code") or str(condition["answerBoolean"]).lower()
            said.append(f"{name} is {value}")
    return " and ".join(said)


def _same(one: Json, other: Json) -> bool:
    return (one["system"], one["code"]) == (other.get("system"), other.get("code"))
