"""Which trials may fit a patient on a day: eligible, possible, excluded or blocked; the most relevant first.

`eligible` means that every criterion the review prints is met, and no more than that: a protocol asks for
much that the review does not print.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import cache
from typing import Literal

import msgspec

from eligibility_scoring.trials.catalogue import Catalogue, Trial, catalogue
from eligibility_scoring.trials.criteria import Criterion, Level, Nearness, criteria_of
from isodose.clinical import logic
from isodose.clinical.logic import Term
from isodose.clinical.record import Fact, PatientRecord
from isodose.clinical.rules import View, views

Standing = Literal["eligible", "possible", "excluded", "blocked"]

STANDINGS: tuple[Standing, ...] = ("eligible", "possible", "excluded", "blocked")
_STATUSES = ("ongoing", "unpublished", "terminated", "published")
_NEARNESS: tuple[Nearness, ...] = ("situation", "molecular", "tumour", "other")
_PHASES = ("III", "II", "I", "early phase", "")


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """One criterion judged as a `whole`; `each` is the answer for every lesion or plan it is asked of."""

    criterion: Criterion
    whole: Term
    each: tuple[Term, ...]

    @property
    def met(self) -> bool | None:
        return None if self.whole.value is None else bool(self.whole.value)

    @property
    def missing(self) -> tuple[str, ...]:
        return tuple(sorted(self.whole.missing))

    @property
    def facts(self) -> tuple[Fact, ...]:
        return tuple(sorted(self.whole.used, key=lambda f: (f.name, f.source)))


class Match(msgspec.Struct, frozen=True, gc=False):
    """One trial judged for one patient. `fits` is the answer of its criteria alone, also where it is blocked;
    `lesions` are those that meet all that is asked of a lesion; `together` is False where some lesion meets
    each such criterion and none meets all, None where that is open. `wbrt_again` tells that an arm of the
    trial gives WBRT to a patient who has had it, which what is printed does not speak of.
    """

    trial_id: str
    trial: Trial
    standing: Standing
    fits: bool | None
    outcomes: tuple[Outcome, ...]
    missing: tuple[str, ...] = ()
    lesions: tuple[str, ...] = ()
    together: bool | None = True
    wbrt_again: bool = False

    @property
    def excluded_by(self) -> tuple[Outcome, ...]:
        return tuple(o for o in self.outcomes if o.met is False)

    @property
    def open(self) -> tuple[Outcome, ...]:
        return tuple(o for o in self.outcomes if o.met is None)

    @property
    def nearness(self) -> tuple[int, ...]:
        """How many met criteria are of each nearness, the nearest first."""
        met = [o.criterion.nearness for o in self.outcomes if o.met]
        return tuple(met.count(kind) for kind in _NEARNESS)

    @property
    def met(self) -> tuple[Outcome, ...]:
        return tuple(o for o in self.outcomes if o.met)


class Matcher:
    """The criteria of a catalogue, made ready once."""

    def __init__(self, known: Catalogue) -> None:
        self.known = known
        self.criteria = criteria_of(known)
        self._open = {trial_id: trial for trial_id, trial in known.trials.items() if not trial.closed}

    def matches(self, record: PatientRecord, on: dt.date) -> list[Match]:
        """Every trial judged, the most relevant first. `record` carries what is derived for the day."""
        judged = _Judged(record, on)
        found = [
            _match(trial_id, trial, [judged[c] for c in self.criteria[trial_id]], judged)
            for trial_id, trial in self.known.trials.items()
        ]
        return sorted(found, key=_relevance)

    def open_to(self, record: PatientRecord, on: dt.date) -> list[Match]:
        """Those of `matches` eligible or possible; a trial is left at its first criterion not met."""
        judged = _Judged(record, on)
        found = []
        for trial_id, trial in self._open.items():
            outcomes = judged.unless_excluded(self.criteria[trial_id])
            if outcomes is not None:
                found.append(_match(trial_id, trial, outcomes, judged))
        found = [match for match in found if match.standing != "excluded"]
        return sorted(found, key=_relevance)


@cache
def matcher() -> Matcher:
    """The matcher of the trials that come with this service."""
    return Matcher(catalogue())


class _Judged:
    """Each criterion judged once for one patient."""

    def __init__(self, record: PatientRecord, on: dt.date) -> None:
        self.lesions = tuple(s.ref for s in record.of_scope("lesion"))
        seen = views(record, on)
        self._views: dict[Level, list[View]] = {
            "patient": [seen.patient],
            "lesion": seen.of_scope("lesion"),
            "plan": seen.of_scope("plan"),
        }
        self.had_wbrt = self._views["patient"][0]["prior_wbrt"].value is True
        self._outcomes: dict[Criterion, Outcome] = {}

    def __getitem__(self, criterion: Criterion) -> Outcome:
        if criterion not in self._outcomes:
            each = tuple(criterion.test(view) for view in self._views[criterion.level])
            whole = each[0] if len(each) == 1 else logic.some(each)
            self._outcomes[criterion] = Outcome(criterion, whole, each)
        return self._outcomes[criterion]

    def unless_excluded(self, criteria: Sequence[Criterion]) -> list[Outcome] | None:
        """The outcome of each criterion; None as soon as one is not met."""
        outcomes = []
        for criterion in criteria:
            outcome = self[criterion]
            if outcome.met is False:
                return None
            outcomes.append(outcome)
        return outcomes


def _match(trial_id: str, trial: Trial, outcomes: Sequence[Outcome], judged: _Judged) -> Match:
    about = [o for o in outcomes if o.criterion.level == "lesion"]
    together, apart = _on_one_lesion(about)
    answers = [o.met for o in outcomes]
    if all(answers) and together is not True:
        answers.append(together)
    fits = False if False in answers else None if None in answers or not answers else True
    absent = apart.union(*(o.whole.missing for o in outcomes)) if fits is None else ()
    standing: Standing = "blocked" if trial.closed else _STANDING[fits]
    return Match(
        trial_id=trial_id,
        trial=trial,
        standing=standing,
        fits=fits,
        outcomes=tuple(outcomes),
        missing=tuple(sorted(absent)),
        lesions=tuple(
            ref for at, ref in enumerate(judged.lesions) if about and all(o.each[at].value for o in about)
        ),
        together=together,
        wbrt_again=trial.wbrt_in_an_arm and judged.had_wbrt,
    )


_STANDING: dict[bool | None, Standing] = {True: "eligible", False: "excluded", None: "possible"}


def _on_one_lesion(about: Sequence[Outcome]) -> tuple[bool | None, frozenset[str]]:
    """Whether one and the same lesion meets all that is asked of a lesion, and what is missing to tell."""
    if len(about) < 2:
        return True, frozenset()
    each = [logic.every(o.each[at] for o in about) for at in range(len(about[0].each))]
    whole = logic.some(each)
    return (None if whole.value is None else bool(whole.value)), whole.missing


def _relevance(match: Match) -> tuple[object, ...]:
    """Sorts what may fit before what does not, and a trial near to the patient before one that takes almost
    anybody, whether or not all is known.
    """
    if match.standing not in ("eligible", "possible"):
        return (True, STANDINGS.index(match.standing), match.trial_id)
    return (
        False,
        match.trial.awaits_results,
        tuple(-weight for weight in match.nearness),
        match.wbrt_again,
        STANDINGS.index(match.standing),
        _STATUSES.index(match.trial.status),
        len(match.missing),
        _PHASES.index(match.trial.phase),
        match.trial.design == "single-arm",
        match.trial_id,
    )
