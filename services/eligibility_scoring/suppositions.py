"""Each missing fact supposed to be each of its values, and the verdicts that are then no longer open.

A number is supposed to be below, at and just above each limit that the open rules hold it against.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from eligibility_scoring.decision import RULES
from eligibility_scoring.judged import ARE_EXCLUDED, Judged, Place
from isodose.clinical import facts
from isodose.clinical.finding import ByCode, Finding
from isodose.clinical.knowledge import Knowledge, Values
from isodose.clinical.logic import Term
from isodose.clinical.record import FactScalar, PatientRecord
from isodose.clinical.rules import View, views

_RULES = {rule.code: rule for rule in RULES}
_UNBOUNDED = (0, 1, 100)
"""Tried where no rule holds a number against a limit of its unit."""


@dataclass(frozen=True, slots=True)
class Supposition:
    """A missing fact with a value, and the open answers that follow from it: yes or no."""

    fact: str
    answers: Mapping[Place, bool]


def suppositions(
    judged: Judged,
    found: ByCode,
    *,
    entries: Set[str],
    record: PatientRecord,
    knowledge: Knowledge,
    on: dt.date,
) -> list[Supposition]:
    """Every value of each fact that is missing where an entry of `entries` is open, by the names of facts.

    Of the values of a fact from which the same follows, one is kept.
    """
    return _Supposing(judged, found, entries, record, knowledge, on=on).all()


class _Supposing:
    def __init__(
        self,
        judged: Judged,
        found: ByCode,
        entries: Set[str],
        record: PatientRecord,
        knowledge: Knowledge,
        *,
        on: dt.date,
    ) -> None:
        self._knowledge = knowledge
        self._on = on
        self._open: dict[str, list[Finding]] = {}
        for code, alike in found.items():
            if code in entries:
                for finding in alike:
                    for name in finding.missing:
                        self._open.setdefault(name, []).append(finding)
        self._effect_open = [
            lesion for lesion in judged.lesions if judged(ARE_EXCLUDED, lesion).value is None
        ]
        if self._effect_open:
            self._open.setdefault("are_status", [])
        self._views = views(record, self._on)
        self._subjects = {subject.ref: subject for subject in record.subjects}

    def all(self) -> list[Supposition]:
        return [
            Supposition(name, answers)
            for name in sorted(self._open)
            for answers in _different(self._supposed(name, self._open[name]))
        ]

    def _supposed(self, name: str, hanging: Sequence[Finding]) -> Iterator[dict[Place, bool]]:
        apart = {about: self._view(about).apart() for about in {finding.applies_to for finding in hanging}}
        open_rules = [
            ((f.code, f.applies_to), _RULES[f.code].logic, self._in_force(f.code), apart[f.applies_to])
            for f in hanging
        ]
        for value in self._values(name, hanging):
            for view in apart.values():
                view[name] = Term(value)
            answers: dict[Place, bool] = {}
            for place, logic, in_force, view in open_rules:
                answer = logic(view, in_force).value
                if answer is not None:
                    answers[place] = answer is not False
            if name == "are_status":
                settled = self._in_force("ELIG-salvage-srs")["are_settled_as"]
                answers |= {(ARE_EXCLUDED, lesion): value in settled for lesion in self._effect_open}
            yield answers

    def _view(self, about: str) -> View:
        return self._views.of(self._subjects.get(about))

    def _in_force(self, code: str) -> Values:
        return self._knowledge.values(code, self._on)

    def _values(self, name: str, hanging: Sequence[Finding]) -> Sequence[FactScalar]:
        definition = facts.definition(name)
        if definition.type == "boolean":
            return (True, False)
        if definition.type == "enum":
            return tuple(value for value in definition.values if value != "unknown")
        step = 1 if definition.type == "integer" else 0.01
        limits = sorted({limit for f in hanging for limit in self._limits(f.code, definition.unit)})
        if not limits:
            return _UNBOUNDED
        return (limits[0] - step, *(near for limit in limits for near in (limit, limit + step)))

    def _limits(self, code: str, unit: str) -> Iterator[float]:
        in_force = self._in_force(code)
        for name, dated in self._knowledge.entry(code).values.items():
            value = in_force[name]
            if dated[-1].unit == unit and isinstance(value, int | float) and not isinstance(value, bool):
                yield value


def _different(each: Iterator[dict[Place, bool]]) -> list[dict[Place, bool]]:
    return list({frozenset(answers.items()): answers for answers in each}.values())
