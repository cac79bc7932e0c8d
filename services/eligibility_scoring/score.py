"""The score of an option from its standing and judged criteria: 0 to 100, or a bound while something is open.

Bands and weights are the platform's own proposal (knowledge/scores.yaml), not a validated score. The standing
gives the band; each favourable criterion adds its points; what is not advised stays at the bottom. While a
criterion is open the score is withheld, and the bound holds the worst and the best case.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from eligibility_scoring.arguments import ARGUMENTS
from eligibility_scoring.judged import Judged
from eligibility_scoring.standing import NOT_ADVISED, ORDER, UNKNOWN, Standings
from isodose.clinical.finding import Criterion, Standing
from isodose.clinical.knowledge import Knowledge

Weight = tuple[str, bool, int]
"""A catalogue id, whether met is favourable (else not met), and the points."""


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """The bands by standing and the criteria by option, in force on one day."""

    bands: Mapping[Standing, int]
    criteria: Mapping[str, tuple[Weight, ...]]


@lru_cache(maxsize=64)
def weights(knowledge: Knowledge, on: dt.date) -> Weights:
    """The weights of `knowledge` on a day."""
    in_force = knowledge.values("SCORE-standing", on)
    return Weights(
        bands={standing: in_force[standing] for standing in ORDER if standing != UNKNOWN},
        criteria={
            argument.code: tuple(
                (code.removeprefix("~"), not code.startswith("~"), points)
                for code, points in knowledge.values(f"SCORE-{argument.code}", on).items()
            )
            for argument in ARGUMENTS
        },
    )


def bound(option: str, standings: Standings, judged: Judged, lesion: str, by: Weights) -> tuple[int, int]:
    """The worst and the best case over what is open; equal where nothing is."""
    sure = still = 0
    for code, met, points in by.criteria[option]:
        value = judged.seen_from(code, lesion).value
        if value is None:
            still += points
        elif bool(value) is met:
            sure += points
    low = min(by.bands[s] + (0 if s == NOT_ADVISED else sure) for s in standings.possible)
    high = max(by.bands[s] + (0 if s == NOT_ADVISED else sure + still) for s in standings.possible)
    return low, high


def criteria(option: str, judged: Judged, lesion: str, by: Weights) -> tuple[Criterion, ...]:
    """What each criterion gives, as seen from the lesion that scores best."""
    found = []
    for code, met, points in by.criteria[option]:
        answer = judged.seen_from(code, lesion)
        given = None if answer.value is None else points if bool(answer.value) is met else 0
        found.append(
            Criterion(
                code=code,
                favourable="met" if met else "not-met",
                points=points,
                given=given,
                missing=tuple(sorted(answer.missing)) if given is None else (),
            )
        )
    return tuple(found)
