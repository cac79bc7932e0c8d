"""Which missing fact could change the answer most: each is supposed in turn, and the options walked again.

A fact is supposed to be each of its values (a number: just below, at and just above the limits that the open
rules hold it against). What counts is by how many points the bounds of the scores then narrow: first of the
options that may come out on top, then of all.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from eligibility_scoring.answers import NO, OPEN, YES, Bare, bare
from eligibility_scoring.appraisal import Appraised, appraise
from eligibility_scoring.branches import BRANCHES
from eligibility_scoring.decision import RULES
from eligibility_scoring.judged import ARE_EXCLUDED, Judged, Place
from eligibility_scoring.score import Weights
from isodose.clinical import facts
from isodose.clinical.finding import Finding
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import FactScalar, PatientRecord
from isodose.clinical.rules import View

_RULES = {rule.code: rule for rule in RULES}
_UNBOUNDED = (0, 1, 100)
"""Tried where no rule holds a number against a limit of its unit."""


@dataclass(frozen=True, slots=True)
class MissingFact:
    """`on_top` and `could` are the most points by which the bounds narrow for some value of the fact: of the
    options that may score highest or where the pathway ends, and of all. `usually` is the mean over the
    values tried; `decides` are the options whose standing some value settles.
    """

    name: str
    on_top: int
    could: int
    usually: float
    decides: tuple[str, ...]


class _EveryQuestion(Judged):
    """Answers everything with "open" and notes what was asked."""

    def __init__(self) -> None:
        super().__init__({}, ("a lesion",), NO)
        self.asked: set[str] = set()

    def __call__(self, code: str, lesion: str = "") -> Bare:
        self.asked.add(code)
        return OPEN

    def any(self, code: str) -> Bare:
        return self(code)


@cache
def asked() -> Mapping[str, frozenset[str]]:
    """By option, the entries that its way along the pathway asks for."""
    found: dict[str, frozenset[str]] = {}
    for code, branch in BRANCHES.items():
        every = _EveryQuestion()
        if branch.of_patient is not None:
            branch.of_patient(every)
        if branch.of_lesion is not None:
            branch.of_lesion(every, "a lesion")
        branch.ends(every)
        found[code] = frozenset(every.asked)
    return found


@lru_cache(maxsize=64)
def hangs_on(by: Weights) -> Mapping[str, frozenset[str]]:
    """By option, the entries on which its standing or its score hangs."""
    return {code: asked()[code] | {entry for entry, _, _ in by.criteria[code]} for code in BRANCHES}


@lru_cache(maxsize=64)
def relevant(by: Weights) -> frozenset[str]:
    """The entries on which some option hangs."""
    return frozenset().union(*hangs_on(by).values())


def missing_facts(
    judged: Judged,
    appraised: Mapping[str, Appraised],
    findings: Sequence[Finding],
    *,
    record: PatientRecord,
    knowledge: Knowledge,
    by: Weights,
) -> list[MissingFact]:
    """The missing facts on which a standing or a score hangs, the most decisive first.

    `appraised` is what `judged` comes to; `record` carries what is derived for the day. Pure.
    """
    return _Supposing(judged, appraised, findings, record=record, knowledge=knowledge, by=by).ranked()


def _by_entry(hanging: Mapping[str, frozenset[str]]) -> dict[str, list[str]]:
    """By entry, the options that hang on it."""
    found: dict[str, list[str]] = {}
    for option, entries in hanging.items():
        for entry in entries:
            found.setdefault(entry, []).append(option)
    return found


class _Supposing:
    def __init__(
        self,
        judged: Judged,
        appraised: Mapping[str, Appraised],
        findings: Sequence[Finding],
        *,
        record: PatientRecord,
        knowledge: Knowledge,
        by: Weights,
    ) -> None:
        self._lesions = judged.lesions
        self._knowledge = knowledge
        self._by = by
        self._hanging = _by_entry(
            {
                code: hangs_on(by)[code]
                for code, one in appraised.items()
                if one.width or len(one.whole.possible) > 1
            }
        )
        self._on: dt.date = findings[0].on or dt.date.min
        self._known = {place: bare(answer.value) for place, answer in judged.items()}
        self._judged = Judged(self._known, judged.lesions, NO)
        self._open = [f for f in findings if f.verdict == "unknown" and f.code in self._hanging]
        self._patient = View(record, self._on)
        self._views = {s.ref: View(record, self._on, s, self._patient) for s in record.subjects}
        self._before = appraised
        surely = max(one.low for one in self._before.values())
        self._on_top = {
            code
            for code, one in self._before.items()
            if one.high >= surely or (one.high and BRANCHES[code].ends(self._judged) is YES)
        }

    def ranked(self) -> list[MissingFact]:
        names = {name for f in self._open for name in f.missing}
        if any(self._known[ARE_EXCLUDED, lesion] is OPEN for lesion in self._lesions):
            names.add("are_status")
        found = [self._of(name) for name in sorted(names)]
        mattering = [f for f in found if f.could > 0 or f.decides]
        return sorted(mattering, key=lambda f: (-f.on_top, -f.could, -f.usually, f.name))

    def _of(self, name: str) -> MissingFact:
        outcomes = {frozenset(changed.items()): changed for changed in self._supposed(name)}
        narrowed: list[int] = []
        on_top: list[int] = []
        decides: set[str] = set()
        for changed in outcomes.values():
            after = self._appraised(changed)
            by_code = {code: self._before[code].width - one.width for code, one in after.items()}
            narrowed.append(sum(by_code.values()))
            on_top.append(sum(points for code, points in by_code.items() if code in self._on_top))
            decides |= {code for code, one in after.items() if self._settles(code, one)}
        return MissingFact(
            name=name,
            on_top=max(on_top, default=0),
            could=max(narrowed, default=0),
            usually=sum(narrowed) / len(narrowed) if narrowed else 0.0,
            decides=tuple(code for code in BRANCHES if code in decides),
        )

    def _settles(self, code: str, after: Appraised) -> bool:
        return len(after.whole.possible) == 1 < len(self._before[code].whole.possible)

    def _appraised(self, changed: Mapping[Place, Bare]) -> dict[str, Appraised]:
        """The options that hang on what has changed; one that is settled stays as it is."""
        hanging = {option for code, _ in changed for option in self._hanging.get(code, ())}
        return appraise(self._judged.changed(changed), self._by, hanging)

    def _supposed(self, name: str) -> Iterator[dict[Place, Bare]]:
        """For each value of the fact, the answers that are then no longer open."""
        hanging = [f for f in self._open if name in f.missing]
        for value in self._values(name, hanging):
            changed: dict[Place, Bare] = {}
            supposed: dict[str, View] = {}
            for finding in hanging:
                about = finding.applies_to
                if about not in supposed:
                    supposed[about] = self._views.get(about, self._patient).supposing(name, value)
                view = supposed[about]
                values = self._knowledge.values(finding.code, self._on)
                answer = bare(_RULES[finding.code].logic(view, values).value)
                if answer is not OPEN:
                    changed[finding.code, finding.applies_to] = answer
            if name == "are_status":
                changed |= self._are_supposed(value)
            yield changed

    def _are_supposed(self, value: FactScalar) -> dict[Place, Bare]:
        settled = self._knowledge.values("ELIG-salvage-srs", self._on)["are_settled_as"]
        return {
            (ARE_EXCLUDED, lesion): YES if value in settled else NO
            for lesion in self._lesions
            if self._known[ARE_EXCLUDED, lesion] is OPEN
        }

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
        in_force = self._knowledge.values(code, self._on)
        for name, dated in self._knowledge.entry(code).values.items():
            value = in_force[name]
            if dated[-1].unit == unit and isinstance(value, int | float) and not isinstance(value, bool):
                yield value
