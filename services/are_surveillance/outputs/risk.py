"""The ARE risk of one lesion as a FHIR RiskAssessment: one prediction per published figure, none combined.

https://hl7.org/fhir/R4/riskassessment.html
"""

from __future__ import annotations

from collections.abc import Iterator

from are_surveillance.outputs.identity import Identities, Resource, references
from are_surveillance.outputs.orders import sourced
from are_surveillance.risk.estimates import Estimate
from are_surveillance.risk.profile import Profile
from are_surveillance.wording import kind
from isodose.clinical import facts, timeline
from isodose.clinical.finding import Finding
from isodose.clinical.knowledge import Knowledge

_UCUM = "http://unitsofmeasure.org"
METHOD = (
    "Single published factors of adverse radiation effects, each with its own population. They are not "
    "multiplied or added: no score that combines them has been validated."
)


def risk_assessment(profile: Profile, known: Identities, knowledge: Knowledge) -> Resource:
    """The risk as it is known: factors present, absent and unknown, published figures, and the period."""
    course = profile.anchor.course
    sources = [used.source for f in (*profile.present, *profile.against) for used in f.facts]
    return {
        "resourceType": "RiskAssessment",
        **known.of(f"risk/{profile.about}"),
        "status": "final",
        "method": {"text": METHOD},
        "code": {"coding": [known.code("assessment", "are-risk", "Risk of an adverse radiation effect")]},
        "subject": known.subject,
        "basis": references([course.ref, *([profile.lesion] if profile.lesion else []), *sources]),
        "prediction": [
            _onset(profile, knowledge),
            *(_prediction(estimate, profile, knowledge) for estimate in profile.estimates),
        ],
        "note": [{"text": note} for note in _notes(profile, knowledge)],
    }


def _onset(profile: Profile, knowledge: Knowledge) -> Resource:
    onset = profile.onset
    return {
        "outcome": {"text": "Period in which adverse radiation effects usually appear"},
        "whenPeriod": {"start": onset.first.isoformat(), "end": onset.last.isoformat()},
        "rationale": f"{onset.percent:g}% appeared in this period, all of them from "
        f"{onset.earliest_months:g} to {onset.latest_months:g} months. {sourced('SUP-ARE-onset', knowledge)}",
    }


def _prediction(estimate: Estimate, profile: Profile, knowledge: Knowledge) -> Resource:
    made: Resource = {"outcome": {"text": estimate.outcome}}
    low, high = estimate.low_pct, estimate.high_pct
    if low is not None and high is not None:
        if low == high:
            made["probabilityDecimal"] = low
        else:
            made["probabilityRange"] = {"low": _percent(low), "high": _percent(high)}
    if estimate.months is not None:
        day = profile.anchor.day
        last = timeline.months_after(day, estimate.months)
        made["whenPeriod"] = {"start": day.isoformat(), "end": last.isoformat()}
    made["rationale"] = f"{in_words(estimate)} {sourced(estimate.code, knowledge)} {_cited(estimate.finding)}"
    return made


def _percent(value: float) -> Resource:
    return {"value": value, "unit": "%", "system": _UCUM, "code": "%"}


def in_words(estimate: Estimate) -> str:
    """The figure of one estimate in a sentence."""
    if estimate.ratio is not None and estimate.interval is not None:
        low, high = estimate.interval
        return f"Hazard ratio {estimate.ratio:g} (95% CI {low:g}-{high:g}) for {estimate.outcome}."
    low_pct, high_pct = estimate.low_pct, estimate.high_pct
    percent = f"{low_pct:g}%" if low_pct == high_pct else f"{low_pct:g}-{high_pct:g}%"
    within = f" within {estimate.months} months" if estimate.months else ""
    against = f", {estimate.without_pct:g}% without the factor" if estimate.without_pct is not None else ""
    return f"{estimate.outcome[0].upper()}{estimate.outcome[1:]} in {percent}{within}{against}."


def _cited(finding: Finding) -> str:
    return "Sources: " + "; ".join(source.cite for source in finding.sources) + "."


def _notes(profile: Profile, knowledge: Knowledge) -> Iterator[str]:
    course = profile.anchor.course
    yield f"After {kind(course)} that ended on {profile.anchor.day} ({course.ref})."
    for finding in profile.present:
        yield f"Present: {finding.summary} {sourced(finding.code, knowledge)}{_doubts(finding)}"
    for finding in profile.against:
        yield f"Speaks against: {finding.summary} {sourced(finding.code, knowledge)}{_doubts(finding)}"
    if profile.absent:
        yield "Absent: " + " ".join(f"{f.summary} ({f.code})" for f in profile.absent)
    needed: dict[str, list[str]] = {}
    for finding in profile.unknown:
        for name in finding.missing:
            needed.setdefault(name, []).append(finding.code)
    if needed:
        named = [(facts.definition(name).definition, codes) for name, codes in sorted(needed.items())]
        wanted = (f"{words} ({', '.join(codes)})" for words, codes in named)
        yield "Not known: " + "; ".join(wanted) + "."


def _doubts(finding: Finding) -> str:
    texts = (("Conflicting", finding.conflicts), ("Doubt about the source", finding.suspect))
    return "".join(f" {word}: {text}" for word, text in texts if text)
