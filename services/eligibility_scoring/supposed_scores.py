"""The bounds of each option's score under every supposition, from one walk along the pathway."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from eligibility_scoring import answers
from eligibility_scoring.answers import Each, Spread, each
from eligibility_scoring.asked import hangs_on
from eligibility_scoring.branches import BRANCHES
from eligibility_scoring.judged import Judged, Place
from eligibility_scoring.score import Weights
from eligibility_scoring.standing import NOT_ADVISED, RANK
from eligibility_scoring.suppositions import Supposition


class Supposed(msgspec.Struct, frozen=True, gc=False):
    """How wide the bound of an option's score is under one supposition, and whether one standing is left."""

    option: str
    width: int
    settled: bool


class SupposedScores:
    """The options on answers of which some are supposed; bit n stands for `supposed[n]`."""

    def __init__(self, judged: Judged, supposed: Sequence[Supposition], by: Weights) -> None:
        self._by = by
        self._bands = [(RANK[standing], band) for standing, band in by.bands.items()]
        found: dict[Place, Each] = {place: each(answer.value) for place, answer in judged.items()}
        self._touching: dict[str, int] = {}
        for number, supposition in enumerate(supposed):
            bit = 1 << number
            for place, yes in supposition.answers.items():
                before = found[place]
                found[place] = Each(before.yes | bit, before.no) if yes else Each(before.yes, before.no | bit)
                self._touching[place[0]] = self._touching.get(place[0], 0) | bit
        self._judged = Judged(found, judged.lesions, answers)

    def of(self, option: str) -> Iterator[tuple[int, Supposed]]:
        """By number of a supposition; only where something on which the option hangs is supposed."""
        touched = 0
        for entry in hangs_on(self._by)[option]:
            touched |= self._touching.get(entry, 0)
        if not touched:
            return
        walked = self._walked(option)
        whole = answers.best(walked.values())
        parts = [(spread, self._points(option, lesion, touched)) for lesion, spread in walked.items()]
        settled = _one_left(whole)
        for number in _bits(touched):
            bounds = [self._bound(spread, points, number) for spread, points in parts]
            low, high = bounds[0] if len(bounds) == 1 else map(max, zip(*bounds, strict=True))
            yield number, Supposed(option, high - low, bool(settled >> number & 1))

    def _walked(self, option: str) -> Mapping[str, Spread]:
        branch = BRANCHES[option]
        if branch.of_patient is not None:
            return {"": branch.of_patient(self._judged)}
        assert branch.of_lesion is not None
        return {lesion: branch.of_lesion(self._judged, lesion) for lesion in self._judged.groups}

    def _points(self, option: str, lesion: str, touched: int) -> _Points:
        """The points of an option's criteria, those apart that are the same under all of `touched`."""
        sure = still = 0
        differing = []
        for code, met, points in self._by.criteria[option]:
            answer: Each = self._judged.seen_from(code, lesion)
            given = (answer.yes if met else answer.no) & touched
            asked = touched & ~(answer.yes | answer.no)
            if given in (0, touched) and asked in (0, touched):
                sure += points if given else 0
                still += points if asked else 0
            else:
                differing.append((given, asked, points))
        return _Points(sure, still, differing)

    def _bound(self, spread: Spread, points: _Points, number: int) -> tuple[int, int]:
        """As `score.bound`, under one supposition."""
        sure, still = points.under(number)
        lows, highs = [], []
        for rank, band in self._bands:
            if spread[rank] >> number & 1:
                scored = rank != RANK[NOT_ADVISED]
                lows.append(band + sure if scored else band)
                highs.append(band + sure + still if scored else band)
        return min(lows), max(highs)


class _Points(msgspec.Struct, frozen=True, gc=False):
    sure: int
    still: int
    differing: Iterable[tuple[int, int, int]]

    def under(self, number: int) -> tuple[int, int]:
        sure, still = self.sure, self.still
        for given, asked, points in self.differing:
            if given >> number & 1:
                sure += points
            elif asked >> number & 1:
                still += points
        return sure, still


def _one_left(spread: Spread) -> int:
    """The suppositions under which one standing alone is possible."""
    some = several = 0
    for possible in spread:
        several |= some & possible
        some |= possible
    return some & ~several


def _bits(mask: int) -> Iterator[int]:
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest
