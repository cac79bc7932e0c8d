"""Every option walked and scored on one set of answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from eligibility_scoring.branches import BRANCHES
from eligibility_scoring.judged import Judged
from eligibility_scoring.score import Weights, bound
from eligibility_scoring.standing import Standings, best


@dataclass(frozen=True, slots=True)
class Appraised:
    """How an option stands for each lesion (the empty name: for the patient) and as a whole; `low` and `high`
    bound its score, and `lesion` is the one that scores best.
    """

    each: Mapping[str, Standings]
    whole: Standings
    low: int
    high: int
    lesion: str

    @property
    def width(self) -> int:
        return self.high - self.low


def appraise(judged: Judged, by: Weights, options: Iterable[str] = tuple(BRANCHES)) -> dict[str, Appraised]:
    """By option code, in the order of the contract, or only those of `options`."""
    return {code: _one(code, judged, judged.groups, by) for code in options}


def _one(code: str, judged: Judged, alike: Mapping[str, list[str]], by: Weights) -> Appraised:
    branch = BRANCHES[code]
    if branch.of_patient is not None:
        standings = branch.of_patient(judged)
        low, high = bound(code, standings, judged, "", by)
        return Appraised({"": standings}, standings, low, high, "")
    assert branch.of_lesion is not None
    walked = {lesion: branch.of_lesion(judged, lesion) for lesion in alike}
    bounds = {lesion: bound(code, standings, judged, lesion, by) for lesion, standings in walked.items()}
    leads = max(bounds, key=lambda lesion: (bounds[lesion][1], bounds[lesion][0]))
    by_lesion = {member: walked[first] for first, members in alike.items() for member in members}
    return Appraised(
        each={lesion: by_lesion[lesion] for lesion in judged.lesions},
        whole=best(walked.values()),
        low=max(low for low, _ in bounds.values()),
        high=bounds[leads][1],
        lesion=leads,
    )
