"""What a response says, question by question: a fact, about whom, with the place in the response."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ehr_ingestion.intake.form import AS_OF, FOCUS, ID, SIDE, SITE, layout, reference_of
from isodose.clinical.record import Scope
from isodose.mcode.chart import target_of

Json = dict[str, Any]
_QUESTIONNAIRE = f"/Questionnaire/{ID}"
_POPULATED = "/StructureDefinition/populated-from"
_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
STANDING = ("completed", "amended")


@dataclass(frozen=True)
class Given:
    """One answer. `value` is the element that holds it, such as `{"valueInteger": 80}`; empty where the
    answer is that it is not known. `is_prefilled` tells that it was prefilled from the record and left as
    it was.
    """

    fact: str
    value: Mapping[str, Any]
    is_prefilled: bool = False


@dataclass(frozen=True)
class About:
    """The patient, or one lesion, plan or scan, with what is answered of it.

    `reference` is empty for the patient, for a lesion that the record does not have, and where a plan or scan
    is not named. `site` and `side` are codings of a new lesion.
    """

    scope: Scope
    path: str
    reference: str = ""
    site: Json | None = None
    side: Json | None = None
    given: tuple[Given, ...] = ()


def base_of(response: Mapping[str, Any]) -> str | None:
    """The base of the definitions of our own, where this answers the intake form; None for another form."""
    url = str(response.get("questionnaire", "")).partition("|")[0]
    return url.removesuffix(_QUESTIONNAIRE) if url.endswith(_QUESTIONNAIRE) else None


def as_of(response: Mapping[str, Any]) -> str:
    """The day for which the answers hold."""
    held: Json = next((item for item in response.get("item", []) if item.get("linkId") == AS_OF), {})
    return str(next((answer["valueDate"] for answer in held.get("answer", [])), ""))


def subjects(response: Mapping[str, Any]) -> Iterator[About]:
    """Everybody and everything that the response speaks of, in its order."""
    scopes = {link: scope for scope, (link, _) in FOCUS.items()}
    sections = {section.id for section in layout().sections}
    for index, group in enumerate(response.get("item", [])):
        path, link = f"QuestionnaireResponse.item[{index}]", group.get("linkId")
        if link in scopes:
            yield _about(group, scopes[link], path)
        elif link in sections:
            yield About("patient", path, given=tuple(_given(group)))


def _about(group: Json, scope: Scope, path: str) -> About:
    held = {item["linkId"]: item["answer"][0] for item in group.get("item", []) if item.get("answer")}
    return About(
        scope=scope,
        path=path,
        reference=target_of(held.get(reference_of(scope), {}).get("valueReference")),
        site=held.get(SITE, {}).get("valueCoding"),
        side=held.get(SIDE, {}).get("valueCoding"),
        given=tuple(_given(group)),
    )


def _given(group: Json) -> Iterator[Given]:
    asked = {fact for section in layout().sections for fact in section.facts}
    for item in group.get("item", []):
        if item.get("linkId") not in asked:
            continue
        for answer in item.get("answer", []):
            value = {key: held for key, held in answer.items() if key.startswith("value")}
            source = _extension(answer, _POPULATED)
            held: list[Any] = [
                p.get("valueString") for p in source.get("extension", []) if p.get("url") == "value"
            ]
            yield Given(item["linkId"], value, held == [in_words(value)])
        if not item.get("answer") and _extension(item, _ABSENT):
            yield Given(item["linkId"], {})


def in_words(value: Mapping[str, Any]) -> str:
    """An answer as text, the same for the same value however it is written."""
    held: Any = next(iter(value.values()), "")
    if isinstance(held, bool):
        return str(held).lower()
    if isinstance(held, (int, float)):
        return f"{held:.12g}"
    return str(held.get("code", "")) if isinstance(held, dict) else str(held)


def _extension(element: Mapping[str, Any], url: str) -> Json:
    return next((e for e in element.get("extension", []) if str(e.get("url", "")).endswith(url)), {})
