"""The options as a FHIR R4 RequestGroup: one action per option, the leading one first.

https://hl7.org/fhir/R4/requestgroup.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eligibility_scoring.citations import artifacts
from eligibility_scoring.options import leading
from eligibility_scoring.standing import ORDER, UNKNOWN
from isodose.clinical.finding import ByCode, Finding, Option
from isodose.clinical.knowledge import Knowledge

Resource = dict[str, Any]

LEADING = "leading"
"""The prefix of the one action that leads; no action has it while that is unknown."""


@dataclass(frozen=True, slots=True)
class Words:
    """What the codes of findings and the references of lesions say to a reader."""

    found: ByCode
    names: Mapping[str, str]

    def of(self, codes: Iterable[str]) -> str:
        """The findings of `codes`, each sentence once with the entry that says it."""
        said: dict[str, str] = {}
        for code in codes:
            judged = [f for f in self.found.get(code, ()) if f.verdict != "unknown"]
            told = [f.summary for f in judged if f.verdict == "met"] or [f.summary for f in judged]
            if told:
                said.setdefault(told[0].rstrip("."), code)
        return "; ".join(f"{sentence} ({code})" for sentence, code in said.items())

    def lesions(self, refs: Iterable[str]) -> str:
        return ", ".join(self.names.get(ref, ref) for ref in refs)


def actions(judged: Sequence[Option], words: Words, knowledge: Knowledge, base: str) -> list[Resource]:
    """One action per option, in the order in which people read them."""
    return [_action(option, words, knowledge, base) for option in in_order(judged)]


def in_order(judged: Sequence[Option]) -> list[Option]:
    """The leading option first, then by standing and score; where none leads, the undecided come first."""
    lead = leading(judged)
    if lead is None:
        return sorted(judged, key=lambda o: (o.standing != UNKNOWN, ORDER.index(o.standing), -o.bound[1]))
    return sorted(judged, key=lambda o: (o is not lead, ORDER.index(o.standing), -o.bound[1]))


def in_words(option: Option, words: Words) -> str:
    """The standing with its reasons, part by part."""
    still = f" (still possible: {', '.join(option.possible)})" if option.possible else ""
    parts = [f"{option.standing.replace('-', ' ')}{still}, {score_in_words(option)}"]
    if option.applies_to:
        parts.append(f"concerns {words.lesions(option.applies_to)}")
    if said := words.of(option.for_):
        parts.append(f"for: {said}")
    if said := words.of(option.against):
        parts.append(f"against: {said}")
    change = option.what_would_change.rstrip(".")
    parts.append(change if option.missing else f"would change it: {change[:1].lower()}{change[1:]}")
    return ". ".join(part[:1].upper() + part[1:] for part in parts) + "."


def score_in_words(option: Option) -> str:
    """`score 88`, or `score 80 to 100` while something is open."""
    low, high = option.bound
    return f"score {option.score}" if option.score is not None else f"score {low} to {high}"


def question_in_words(question: Finding) -> str:
    """`Question for the board (OQ-8): ... A: arguments. B: no argument judged for this patient.`"""
    sides = "; ".join(
        f"{side.position}: {', '.join(side.arguments) or 'no argument holds for this patient'}"
        for side in question.sides
    )
    return f"Question for the board ({question.code}): {question.summary} {sides}."


def _action(option: Option, words: Words, knowledge: Knowledge, base: str) -> Resource:
    """R4 asks of every action a resource or sub-actions (rqg-1): here the definition of the option."""
    cited = artifacts((*option.for_, *option.against, *knowledge.evidence_for(option.code)), knowledge)
    action: Resource = {"prefix": LEADING} if option.leads else {}
    action |= {
        "extension": _score(option, base),
        "title": option.title,
        "description": in_words(option, words),
        "code": [
            {"coding": [{"system": f"{base}/CodeSystem/option", "code": option.code}], "text": option.title},
            {
                "coding": [{"system": f"{base}/CodeSystem/option-standing", "code": option.standing}],
                "text": option.standing,
            },
        ],
        "resource": {"reference": f"{base}/ActivityDefinition/{option.code}", "display": option.title},
    }
    if cited:
        action["documentation"] = cited
    return action


def _score(option: Option, base: str) -> list[Resource]:
    """The score while it may be given; always its bound, and the points of each criterion judged."""
    url = f"{base}/StructureDefinition/option"
    low, high = option.bound
    made: list[Resource] = []
    if option.score is not None:
        made.append({"url": f"{url}-score", "valueInteger": option.score})
    made.append({"url": f"{url}-score-bound", "valueRange": {"low": {"value": low}, "high": {"value": high}}})
    for criterion in option.criteria:
        parts: list[Resource] = [
            {"url": "code", "valueCode": criterion.code},
            {"url": "points", "valueInteger": criterion.points},
        ]
        if criterion.given is not None:
            parts.append({"url": "given", "valueInteger": criterion.given})
        made.append({"url": f"{url}-criterion", "extension": parts})
    return made
