"""The summary for the tumour board as words: what the page shows and what the paper prints, told once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from worklist import wording
from worklist.chart import Chart
from worklist.said import Finding, Option

_FIRST = 8


@dataclass(frozen=True)
class Told:
    """One entry: what, a mark beside it (severity, standing), and lines under it."""

    what: str
    mark: str = ""
    beside: str = ""
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Part:
    """One heading with its entries. `entries` of None were not to be had; `none` is said of no entries;
    `after` are sentences below.
    """

    code: str
    title: str
    entries: tuple[Told, ...] | None
    none: str
    is_ranked: bool = False
    after: tuple[str, ...] = ()


@dataclass(frozen=True)
class Summary:
    """Two columns of parts under a head."""

    name: str
    born: str
    day: str
    knowledge: tuple[str, ...]
    notes: tuple[str, ...]
    left: tuple[Part, ...]
    right: tuple[Part, ...]


def summary(chart: Chart) -> Summary:
    assessed = (chart.options, chart.plans, chart.checks)
    return Summary(
        name=chart.name,
        born=chart.born or "on an unknown day",
        day=chart.day.isoformat(),
        knowledge=tuple(one.knowledge for one in assessed if one),
        notes=tuple(chart.guidance_notes),
        left=(_options(chart), _alerts(chart), _work(chart)),
        right=(_missing(chart), _questions(chart), _trials(chart)),
    )


def _options(chart: Chart) -> Part:
    if chart.options is None:
        return Part("options", "Options", None, "")
    listed = chart.ordered_options
    standing = tuple(map(_option, (o for o in listed if o.standing not in ("not-advised", "unknown"))))
    unknown = "; ".join(f"{o.title} ({o.low} to {o.high})" for o in listed if o.standing == "unknown")
    against = "; ".join(o.title for o in listed if o.standing == "not-advised")
    after = (f"Unknown until more is known: {unknown}.",) if unknown else ()
    return Part("options", "Options", standing, "none", True, (*after, f"Not advised: {against or 'none'}."))


def _option(option: Option) -> Told:
    score = f"score {option.low} to {option.high}" if option.score is None else f"score {option.score}"
    lines = [
        f"{head}: {_said(found)}"
        for head, found in (("For", option.for_), ("Against", option.against))
        if found
    ]
    return Told(option.title, option.standing, score, tuple(lines))


def _said(found: tuple[Finding, ...]) -> str:
    return " ".join(dict.fromkeys(one.summary for one in found))


def _alerts(chart: Chart) -> Part:
    waiting = None if chart.alerts is None else [a for a in chart.alerts if not wording.is_answered(a)]
    entries = (
        None
        if waiting is None
        else tuple(
            Told(wording.words_of(alert.get("code")), str(alert.get("severity", "alert")))
            for alert in waiting
        )
    )
    return Part("alerts", "Open alerts", entries, "none")


def _work(chart: Chart) -> Part:
    entries = (
        None
        if chart.tasks is None
        else tuple(
            Told(wording.words_of(task.get("code")), lines=_lines(task.get("description")))
            for task in chart.tasks
        )
    )
    return Part("work", "Open work", entries, "none")


def _missing(chart: Chart) -> Part:
    entries = None if chart.options is None else tuple(Told(said) for _, said, _ in chart.wanted[:_FIRST])
    return Part("missing", "To find out first", entries, "nothing that would decide", True)


def _questions(chart: Chart) -> Part:
    entries = None if chart.options is None else tuple(_question(chart, one) for one in chart.questions)
    return Part("questions", "Questions for the board", entries, "none of the review's")


def _question(chart: Chart, question: Finding) -> Told:
    lesion = chart.names.get(question.applies_to, "")
    sides = [
        f"{position}: {' '.join(_argument(chart, question, code) for code in codes)}"
        for position, codes in question.sides
        if codes
    ]
    lines = tuple(sides) or ("No argument on any side is known to hold for this patient.",)
    return Told(question.summary, beside=lesion, lines=lines)


def _argument(chart: Chart, question: Finding, code: str) -> str:
    said = chart.argument(question, code)
    return said.summary if said else f"{code}."


def _trials(chart: Chart) -> Part:
    named = "; ".join(str(one.get("title", "")) for one in chart.trials)
    entries = None if chart.options is None else (Told(named),) if named else ()
    return Part("trials", "Trials", entries, "none proposed")


def _lines(text: Any) -> tuple[str, ...]:
    return (str(text),) if text else ()
