"""Every option walked and scored on one set of answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from eligibility_scoring.branches import BRANCHES
from eligibility_scoring.judged import Judged
from eligibility_scoring.score import Weights, bound
from eligibility_scoring.standing import Standings, best


class Appraised(NamedTuple):
    """How an option stands for the first lesion of each group judged alike (the empty name: for the patient)
    and as a whole; `low` and `high` bound its score, and `lesion` is the one that scores best.
    """

    walked: Mapping[str, Standings]
    whole: Standings
    low: int
    high: int
    lesion: str

    @property
    def width(self) -> int:
        return self.high - self.low


def appraise(judged: Judged, by: Weights, options: Iterable[str] = tuple(BRANCHES)) -> dict[str, Appraised]:
    """By option code, in the order of the contract, or only those of `options`."""
    return {code: _one(code, judged, by) for code in options}


def _one(code: str, judged: Judged, by: Weights) -> Appraised:
    branch = BRANCHES[code]
    if branch.of_patient is not None:
        standings = branch.of_patient(judged)
        low, high = bound(code, standings, judged, "", by)
        return Appraised({"": standings}, standings, low, high, "")
    assert branch.of_lesion is not None
    walked = {lesion: branch.of_lesion(judged, lesion) for lesion in judged.groups}
    surely, leads, highest, lowest = 0, "", -1, -1
    for lesion, standings in walked.items():
        low, high = bound(code, standings, judged, lesion, by)
        surely = max(surely, low)
        if (high, low) > (highest, lowest):
            leads, highest, lowest = lesion, high, low
    return Appraised(walked, best(walked.values()), surely, highest, leads)
