"""What a card of an alert says: first what meets what and what to do, then why, then the facts and sources.

A prescriber reads the first lines; whoever doubts reads on: how the limits are written, what speaks against
them. Everything is said once, however many entries rest on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from ici_steroid_alerts.alert import Alert
from ici_steroid_alerts.situation import Situation
from isodose.cds_hooks.cards import citation_line, escaped, evidence_line, fact_line
from isodose.clinical import facts
from isodose.clinical.finding import Finding
from isodose.clinical.record import Course, Exposure, Operation


def card_text(alert: Alert, s: Situation) -> str:
    """The detail of a card, in Markdown."""
    missing = dict.fromkeys(name for f in alert.findings for name in f.missing)
    cautions = dict.fromkeys(filter(None, (s.knowledge.entry(f.code).caution for f in alert.findings)))
    beside = dict.fromkeys(code for f in alert.findings for code in f.evidence)
    parts = [
        _list("Meets here", _meeting(alert, s)),
        f"**To consider:** {escaped(alert.action)}" if alert.action else "",
        _list("Why", dict.fromkeys(_reason(finding, s) for finding in alert.findings)),
        _list("Not known", (escaped(facts.words(name)) for name in missing)),
        _list("Facts used", dict.fromkeys(fact_line(fact) for f in alert.findings for fact in f.facts)),
        _list("Limits and other readings", (line for f in alert.findings for line in _doubts(f))),
        _list("Mind", map(escaped, cautions)),
        _list("Sources", dict.fromkeys(citation_line(one) for f in alert.findings for one in f.sources)),
        _list("Evidence beside it", (evidence_line(code, s.knowledge.entry(code)) for code in beside)),
    ]
    return "\n\n".join(filter(None, parts))


def _list(title: str, lines: Iterable[str]) -> str:
    told = list(lines)
    return f"**{title}:**\n" + "\n".join(f"- {line}" for line in told) if told else ""


def _reason(finding: Finding, s: Situation) -> str:
    """One entry in a line: what it says and how strongly; of an undecided one what it would say."""
    strength = f"_({finding.strength.replace('_', ' ')}; {finding.code})_"
    open_yet = finding.verdict == "unknown"
    stated = f"{escaped(s.knowledge.entry(finding.code).statement)} " if open_yet else ""
    return f"{stated}{escaped(finding.summary)} {strength}"


def _doubts(finding: Finding) -> Iterator[str]:
    """How the limit of an entry is written, and what speaks against it."""
    for title, text in (
        ("limit as written", finding.boundary),
        ("other reading", finding.conflicts),
        ("doubt about the source", finding.suspect),
    ):
        if text:
            yield escaped(f"{finding.code}, {title}: {text}")


def _meeting(alert: Alert, s: Situation) -> Iterator[str]:
    """The orders, doses and courses that the alert is about, each drug once."""
    wanted = set(alert.implicated)
    exposures = sorted(
        (e for e in s.record.exposures if e.ref in wanted),
        key=lambda e: (e.concept, e.ref, str(e.start)),
    )
    for concept, same in groupby(exposures, key=lambda e: e.concept):
        told = list(same)
        last = max((day for e in told for day in e.given_on), default=None)
        shown = [e for e in told if not e.given_on or last in e.given_on]
        yield f"{concept.replace('_', ' ')}: {'; '.join(dict.fromkeys(_order_words(e, s) for e in shown))}"
    for course in s.record.courses:
        if wanted & {course.ref, course.planned_by}:
            yield _course_words(course)
    for operation in s.record.operations:
        if operation.ref in wanted:
            yield _operation_words(operation)


def _order_words(exposure: Exposure, s: Situation) -> str:
    """`8 mg per day since 2026-11-17 (MedicationRequest/m1)`."""
    said: list[str] = []
    if exposure.daily_dose_mg is not None and not exposure.given_on:
        often = f"every {exposure.cycle_days} days" if exposure.cycle_days else "per day"
        said.append(f"{exposure.daily_dose_mg:g} mg {often}")
    elif exposure.text and not exposure.given_on:
        said.append(f'"{exposure.text}"')
    if exposure.given_on:
        said.append(f"given {max(exposure.given_on)}")
    elif exposure.start is not None:
        said.append(f"from {exposure.start}" if exposure.start >= s.on else f"since {exposure.start}")
    if exposure.end is not None and not exposure.given_on:
        said.append(f"to {exposure.end}")
    return escaped(f"{' '.join(said)} ({exposure.ref})".strip())


def _course_words(course: Course) -> str:
    when = course.start or "no date"
    kind = {"single_srs": "SRS in one fraction", "fsrs": "fractionated SRS"}.get(course.kind, course.kind)
    return escaped(f"{kind.replace('_', ' ')}, {course.status.replace('-', ' ')}, {when} ({course.ref})")


def _operation_words(operation: Operation) -> str:
    when = operation.on or "no date"
    return escaped(f"{operation.kind.replace('_', ' ')}, {operation.status}, {when} ({operation.ref})")
