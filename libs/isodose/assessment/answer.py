"""A decision as the FHIR Parameters that `$assess` answers: all that was judged, or what a page shows of it.

https://hl7.org/fhir/R4/parameters.html
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from isodose.assessment.decider import Decider, Decision
from isodose.clinical.finding import Citation, Criterion, FactUsed, Finding, Option, Side
from isodose.clinical.knowledge import Entry
from isodose.clinical.record import FactScalar

Json = dict[str, Any]
Show = Literal["all", "named", "resources"]
"""Every finding; those that are named; or no findings and options, the patient's own resources alone."""


def answer(decider: Decider, decision: Decision, explain: bool = False, show: Show = "all") -> Json:
    """A decision as Parameters: findings, options, resources, and what they were decided on.

    With `explain` also what they rest on: facts, citations, the sides of a question with the entries that
    argue there and that no rule judges, the criteria of a score.
    """
    parameters: list[Json] = []
    if show != "resources":
        parameters += _judged(decider, decision, explain, show)
    parameters += [{"name": "resource", "resource": resource} for resource in decision.resources]
    parameters += [
        {"name": "knowledge-version", "valueString": decider.knowledge.version},
        {"name": "record-version", "valueInteger": decision.record.version},
        {"name": "on", "valueDate": decision.on.isoformat()},
    ]
    return {"resourceType": "Parameters", "parameter": parameters}


def _judged(decider: Decider, decision: Decision, explain: bool, show: Show) -> Iterator[Json]:
    found = decision.findings if show == "all" else _named(decision)
    for finding in found:
        yield {"name": "finding", "part": _finding(finding) + (_grounds(finding) if explain else [])}
    for option in decision.options:
        yield {"name": "option", "part": _option(option) + (_criteria(option) if explain else [])}
    for code in _beside(decision.findings, found) if explain else ():
        yield {"name": "evidence", "part": _evidence(code, decider.knowledge.entry(code))}


def _named(decision: Decision) -> list[Finding]:
    """The open questions, and the findings of every entry that one of them, an option or the evidence of a
    resource names.
    """
    asked = [finding for finding in decision.findings if _is_asked(finding)]
    codes = {code for finding in asked for side in finding.sides for code in side.arguments}
    codes |= {code for option in decision.options for code in (*option.for_, *option.against)}
    codes |= {
        coding["code"]
        for resource in decision.resources
        for evidence in resource.get("evidence", ())
        for concept in evidence.get("code", ())
        for coding in concept.get("coding", ())
    }
    return [finding for finding in decision.findings if finding.code in codes or _is_asked(finding)]


def _is_asked(finding: Finding) -> bool:
    """Whether this is a question that is open for the patient."""
    return finding.verdict == "met" and bool(finding.sides)


def _finding(finding: Finding) -> list[Json]:
    parts: list[Json] = [
        {"name": "code", "valueCode": finding.code},
        {"name": "verdict", "valueCode": finding.verdict},
    ]
    if finding.applies_to:
        parts.append({"name": "applies-to", "valueString": finding.applies_to})
    if finding.value is not None:
        parts.append({"name": "value"} | _value(finding.value))
    if finding.unit:
        parts.append({"name": "unit", "valueCode": finding.unit})
    parts.append({"name": "strength", "valueCode": finding.strength})
    if finding.severity is not None:
        parts.append({"name": "severity", "valueCode": finding.severity})
    parts += [{"name": "missing", "valueCode": name} for name in finding.missing]
    parts.append({"name": "summary", "valueString": finding.summary})
    parts += [{"name": "evidence", "valueCode": code} for code in finding.evidence]
    return parts


def _grounds(finding: Finding) -> list[Json]:
    parts: list[Json] = [{"name": "side", "part": _side(side)} for side in finding.sides]
    parts += [{"name": "fact", "part": _fact(fact)} for fact in finding.facts]
    parts += [{"name": "citation", "valueString": _cited(source)} for source in finding.sources]
    return parts


def _fact(fact: FactUsed) -> list[Json]:
    """A fact the finding rests on, as it stood, and the resource it was read from."""
    parts: list[Json] = [{"name": "name", "valueCode": fact.name}, {"name": "value"} | _value(fact.value)]
    if fact.unit:
        parts.append({"name": "unit", "valueString": fact.unit})
    if fact.on is not None:
        parts.append({"name": "on", "valueDate": fact.on.isoformat()})
    if fact.source:
        parts.append({"name": "source", "valueReference": {"reference": fact.source}})
    if fact.stale:
        parts.append({"name": "stale", "valueBoolean": True})
    return parts


def _cited(source: Citation) -> str:
    """A source in words; one that was recalled and not read says so."""
    figure = f": {source.figure}" if source.figure else ""
    doi = f" https://doi.org/{source.doi}" if source.doi else ""
    awaits = " (source awaits clinical sign-off)" if source.seen == "memory" else ""
    return f"{source.cite}{figure}{doi}{awaits}"


def _side(side: Side) -> list[Json]:
    arguments = [{"name": "finding", "valueCode": code} for code in side.arguments]
    return [{"name": "position", "valueString": side.position}, *arguments]


def _beside(judged: Sequence[Finding], shown: Sequence[Finding]) -> list[str]:
    """The entries that argue on a side of a question that is shown, and that no finding is about."""
    codes = {finding.code for finding in judged}
    arguing = (code for finding in shown for side in finding.sides for code in side.arguments)
    return [code for code in dict.fromkeys(arguing) if code not in codes]


def _evidence(code: str, entry: Entry) -> list[Json]:
    said = " ".join(filter(None, (entry.statement, entry.conflicts, entry.suspect)))
    return [
        {"name": "code", "valueCode": code},
        {"name": "strength", "valueCode": entry.strength},
        {"name": "summary", "valueString": said},
        *({"name": "citation", "valueString": _cited(source)} for source in entry.evidence),
    ]


def _option(option: Option) -> list[Json]:
    parts: list[Json] = [
        {"name": "code", "valueCode": option.code},
        {"name": "standing", "valueCode": option.standing},
    ]
    if option.score is not None:
        parts.append({"name": "score"} | _value(option.score))
    parts += [{"name": "finding", "valueCode": code} for code in (*option.for_, *option.against)]
    parts += [{"name": "for", "valueCode": code} for code in option.for_]
    parts += [{"name": "against", "valueCode": code} for code in option.against]
    parts.append({"name": "leading", "valueBoolean": option.leads})
    parts.append({"name": "bound", "valueRange": _range(*option.bound)})
    if option.score_withheld:
        parts.append({"name": "score-withheld", "valueString": option.score_withheld})
    parts += [{"name": "possible", "valueCode": standing} for standing in option.possible]
    parts += [{"name": "missing", "valueCode": name} for name in option.missing]
    return parts


def _criteria(option: Option) -> list[Json]:
    return [{"name": "criterion", "part": _criterion(criterion)} for criterion in option.criteria]


def _range(low: int, high: int) -> Json:
    return {"low": {"value": low}, "high": {"value": high}}


def _criterion(criterion: Criterion) -> list[Json]:
    parts: list[Json] = [
        {"name": "code", "valueCode": criterion.code},
        {"name": "favourable", "valueCode": criterion.favourable},
        {"name": "points", "valueInteger": criterion.points},
    ]
    if criterion.given is not None:
        parts.append({"name": "given", "valueInteger": criterion.given})
    parts += [{"name": "missing", "valueCode": name} for name in criterion.missing]
    return parts


def _value(value: FactScalar) -> Json:
    kinds = {bool: "valueBoolean", int: "valueInteger", float: "valueDecimal", str: "valueString"}
    return {kinds[type(value)]: value}
