"""Which trials may fit a patient on a day: eligible, possible, excluded or blocked; the most relevant first.

`eligible` means that every criterion the review prints is met, and no more than that: a protocol asks for
much that the review does not print.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

from eligibility_scoring.trials.catalogue import Catalogue, Trial, catalogue
from eligibility_scoring.trials.criteria import Criterion, Level, criteria_of
from isodose.clinical import logic
from isodose.clinical.logic import Term
from isodose.clinical.record import Fact, PatientRecord
from isodose.clinical.rules import View

Standing = Literal["eligible", "possible", "excluded", "blocked"]

STANDINGS: tuple[Standing, ...] = ("eligible", "possible", "excluded", "blocked")
_STATUSES = ("ongoing", "unpublished", "terminated", "published")
_PHASES = ("III", "II", "I", "early phase", "")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One criterion judged. `each` holds the answer for every lesion or plan where it is about those."""

    criterion: Criterion
    met: bool | None
    missing: tuple[str, ...]
    facts: tuple[Fact, ...]
    each: tuple[Term, ...] = ()


@dataclass(frozen=True, slots=True)
class Match:
    """One trial judged for one patient. `fits` is the answer of its criteria alone, also where it is blocked;
    `lesions` are those that meet all that is asked of a lesion; `together` is False where some lesion meets
    each such criterion and none meets all, None where that is open.
    """

    trial_id: str
    trial: Trial
    standing: Standing
    fits: bool | None
    outcomes: tuple[Outcome, ...]
    missing: tuple[str, ...] = ()
    lesions: tuple[str, ...] = ()
    together: bool | None = True

    @property
    def excluded_by(self) -> tuple[Outcome, ...]:
        return tuple(o for o in self.outcomes if o.met is False)

    @property
    def open(self) -> tuple[Outcome, ...]:
        return tuple(o for o in self.outcomes if o.met is None)

    @property
    def met(self) -> tuple[Outcome, ...]:
        return tuple(o for o in self.outcomes if o.met)


class Matcher:
    """The criteria of a catalogue, made ready once."""

    def __init__(self, known: Catalogue) -> None:
        self.known = known
        self.criteria = criteria_of(known)

    def matches(self, record: PatientRecord, on: dt.date) -> list[Match]:
        """Every trial judged, the most relevant first. `record` carries what is derived for the day."""
        judged = _Judged(record, on)
        found = [
            _match(trial_id, trial, [judged[c] for c in self.criteria[trial_id]], judged.lesions)
            for trial_id, trial in self.known.trials.items()
        ]
        return sorted(found, key=_relevance)


@cache
def matcher() -> Matcher:
    """The matcher of the trials that come with this service."""
    return Matcher(catalogue())


class _Judged:
    """Each criterion judged once for one patient."""

    def __init__(self, record: PatientRecord, on: dt.date) -> None:
        lesions = record.of_scope("lesion")
        self.lesions = tuple(s.ref for s in lesions)
        self._views: dict[Level, list[View]] = {
            "patient": [View(record, on)],
            "lesion": [View(record, on, s) for s in lesions or (None,)],
            "plan": [View(record, on, s) for s in record.of_scope("plan") or (None,)],
        }
        self._outcomes: dict[Criterion, Outcome] = {}

    def __getitem__(self, criterion: Criterion) -> Outcome:
        if criterion not in self._outcomes:
            each = tuple(criterion.test(view) for view in self._views[criterion.level])
            self._outcomes[criterion] = _outcome(criterion, each)
        return self._outcomes[criterion]


def _outcome(criterion: Criterion, each: tuple[Term, ...]) -> Outcome:
    whole = each[0] if len(each) == 1 else logic.some(each)
    return Outcome(
        criterion=criterion,
        met=None if whole.value is None else bool(whole.value),
        missing=tuple(sorted(whole.missing)),
        facts=tuple(sorted(whole.used, key=lambda f: (f.name, f.source))),
        each=each,
    )


def _match(trial_id: str, trial: Trial, outcomes: Sequence[Outcome], lesions: tuple[str, ...]) -> Match:
    about = [o for o in outcomes if o.criterion.level == "lesion"]
    together, apart = _on_one_lesion(about)
    answers = [o.met for o in outcomes]
    if all(answers) and together is not True:
        answers.append(together)
    fits = False if False in answers else None if None in answers or not answers else True
    absent = {name for o in outcomes if o.met is None for name in o.missing} | apart
    standing: Standing = "blocked" if trial.closed else _STANDING[fits]
    return Match(
        trial_id=trial_id,
        trial=trial,
        standing=standing,
        fits=fits,
        outcomes=tuple(outcomes),
        missing=tuple(sorted(absent)) if fits is None else (),
        lesions=tuple(
            ref for at, ref in enumerate(lesions) if about and all(o.each[at].value for o in about)
        ),
        together=together,
    )


_STANDING: dict[bool | None, Standing] = {True: "eligible", False: "excluded", None: "possible"}


def _on_one_lesion(about: Sequence[Outcome]) -> tuple[bool | None, set[str]]:
    """Whether one and the same lesion meets all that is asked of a lesion, and what is missing to tell."""
    if len(about) < 2:
        return True, set()
    each = [logic.every(o.each[at] for o in about) for at in range(len(about[0].each))]
    whole = logic.some(each)
    return (None if whole.value is None else bool(whole.value)), set(whole.missing)


def _relevance(match: Match) -> tuple[object, ...]:
    """Sorts a trial nearer to this patient's tumour before one that would take almost anybody."""
    weights = [o.criterion.weight for o in match.met]
    own = tuple(-sum(weight[at] for weight in weights) for at in range(3))
    return (
        STANDINGS.index(match.standing),
        match.trial.awaits_results,
        own,
        _STATUSES.index(match.trial.status),
        len(match.missing),
        _PHASES.index(match.trial.phase),
        match.trial_id,
    )
