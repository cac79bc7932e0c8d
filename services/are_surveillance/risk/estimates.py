"""What the literature gives for the risk of one lesion: estimates that each stand by themselves."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from isodose.clinical.finding import Finding
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import Course

SINGLE_FRACTION_ALONE = (
    "SUP-ARE-v12-hytec",
    "SUP-ARE-v12-minniti",
    "SUP-ARE-prior-radiation",
    "SUP-ARE-size-sneed",
)
"""Entries whose patients had a single fraction: after another course they give no estimate."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """One published figure. Percentages are of lesions or patients within `months` of radiosurgery, where the
    source gives the time. `ratio` is a hazard ratio with its confidence interval, and then there is no rate.
    """

    finding: Finding
    outcome: str
    low_pct: float | None = None
    high_pct: float | None = None
    without_pct: float | None = None
    months: int | None = None
    ratio: float | None = None
    interval: tuple[float, float] | None = None

    @property
    def code(self) -> str:
        return self.finding.code


def estimates(
    findings: Sequence[Finding], course: Course, knowledge: Knowledge, on: dt.date
) -> Iterator[Estimate]:
    """The estimates that the findings about one lesion and its course carry, in order of the findings."""
    single = course.kind == "single_srs" and course.certainty != "ask"
    for finding in findings:
        if finding.verdict != "met" or (finding.code in SINGLE_FRACTION_ALONE and not single):
            continue
        known = dict(knowledge.values(finding.code, on))
        for name in ("effect", "later"):
            if name in known:
                yield _stated(finding, known[name])
        yield from _by_band(finding, known)


def _stated(finding: Finding, effect: dict[str, Any]) -> Estimate:
    if effect["measure"] == "hazard_ratio":
        interval = (effect["ci_low"], effect["ci_high"])
        return Estimate(finding, effect["outcome"], ratio=effect["ratio"], interval=interval)
    return Estimate(
        finding,
        effect["outcome"],
        low_pct=effect["low_pct"],
        high_pct=effect["high_pct"],
        without_pct=effect.get("without_pct"),
        months=effect.get("months"),
    )


def _by_band(finding: Finding, known: Any) -> Iterator[Estimate]:
    """The row of a table that the finding's value names."""
    row = str(finding.value)
    if finding.code == "SUP-ARE-v12-hytec" and row in known["pct"]:
        percent = known["pct"][row]
        yield Estimate(finding, "symptomatic necrosis", low_pct=percent, high_pct=percent)
    if finding.code == "SUP-ARE-prior-radiation":
        low, high = known["one_year_pct"][row]
        yield Estimate(finding, "necrosis", low_pct=low, high_pct=high, months=known["within_months"])
    if finding.code == "SUP-ARE-size-sneed" and row in known["one_year_pct"]:
        low, high = known["one_year_pct"][row]
        yield Estimate(finding, "symptomatic ARE", low_pct=low, high_pct=high, months=known["within_months"])
