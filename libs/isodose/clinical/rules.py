"""Rules and how they are judged: each rule once per subject of its scope, every answer a finding."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter

from isodose.clinical import facts, logic
from isodose.clinical.facts import current as current  # noqa: PLC0414
from isodose.clinical.finding import FactUsed, Finding, Verdict
from isodose.clinical.knowledge import Knowledge, Stated, Values
from isodose.clinical.logic import Term
from isodose.clinical.record import Fact, FactScalar, PatientRecord, Scope, Subject

Logic = Callable[["View", Values], Term]


@dataclass(frozen=True, slots=True)
class Rule:
    """`code` is a catalogue id; `scope` says what it is judged once for; `logic` is a pure function."""

    code: str
    logic: Logic
    scope: Scope = "patient"


_BY_NAME = attrgetter("name", "source")


class View(dict[str, Term]):
    """The facts as seen from the patient or from one subject: `f["kps"]` is a Term, found when it is
    first asked for.

    A fact of another scope is taken from the linked subjects, or else from those that name no subject of this
    scope; where several disagree it is unknown, never guessed. What names another lesion says nothing of this
    one. `applies_to` is the subject's reference.
    """

    def __init__(
        self, record: PatientRecord, on: dt.date, subject: Subject | None = None, patient: View | None = None
    ) -> None:
        super().__init__()
        self.record = record
        self.on = on
        self.subject = subject
        self.applies_to = subject.ref if subject else ""
        self._patient = patient
        self._near: dict[Scope, tuple[Subject, ...]] = {}
        self._shown: dict[int, tuple[Fact, FactUsed]] = {} if patient is None else patient._shown
        self._together: dict[frozenset[Fact], tuple[FactUsed, ...]] = (
            {} if patient is None else patient._together
        )
        self._held: dict[int, tuple[object, dict[str, list[Fact]]]] = {} if patient is None else patient._held

    def __missing__(self, name: str) -> Term:
        found = self[name] = self._find(name)
        return found

    def _find(self, name: str) -> Term:
        scope = facts.definition(name).scope
        if scope == "patient":
            return self._told(name, self.record) if self._patient is None else self._patient[name]
        if scope in ("site", "trial", "drug"):
            own = self._told(name, self.record)
            if own.known:
                return own
        if self.subject is not None and self.subject.scope == scope:
            return self._told(name, self.subject)
        return self._agreed(name, self._related(scope))

    def _told(self, name: str, holder: PatientRecord | Subject) -> Term:
        fact = self._current(holder, name)
        return logic.missing(name) if fact is None else logic.known(fact)

    def _agreed(self, name: str, holders: Sequence[Subject]) -> Term:
        """What every one of the holders says."""
        found = [self._current(holder, name) for holder in holders]
        first = found[0] if found else None
        if first is None or any(fact is None or fact.value != first.value for fact in found):
            return logic.missing(name)
        return logic.known(first)

    def _current(self, holder: PatientRecord | Subject, name: str) -> Fact | None:
        """The value of `name` that counts on the day; the facts of each holder are listed by name once."""
        held = self._held.get(id(holder))
        if held is None:
            by_name: dict[str, list[Fact]] = {}
            for fact in holder.facts:
                by_name.setdefault(fact.name, []).append(fact)
            held = self._held[id(holder)] = (holder, by_name)
        given = held[1].get(name)
        return None if given is None else facts.counting(given, self.on)

    def _related(self, scope: Scope) -> tuple[Subject, ...]:
        if scope not in self._near:
            self._near[scope] = self._linked(self.record.of_scope(scope))
        return self._near[scope]

    def _linked(self, candidates: tuple[Subject, ...]) -> tuple[Subject, ...]:
        subject = self.subject
        if subject is None or not candidates:
            return candidates
        linked = tuple(c for c in candidates if c.ref in subject.links or subject.ref in c.links)
        if linked:
            return linked
        others = [s for s in self.record.of_scope(subject.scope) if s is not subject]
        named = {ref for other in others for ref in (other.ref, *other.links)}
        return tuple(c for c in candidates if c.ref not in named and named.isdisjoint(c.links))

    def apart(self) -> View:
        """The same view once more: what is set in it, `f["kps"] = Term(70)`, is supposed there alone."""
        other = View(self.record, self.on, self.subject, self._patient)
        other.update(self)
        other._near = self._near
        return other

    def shown(self, used: frozenset[Fact]) -> tuple[FactUsed, ...]:
        """Facts as they stand on a finding of this day, by name and source; the same ones are made once."""
        found = self._together.get(used)
        if found is None:
            found = self._together[used] = tuple(sorted(map(self._as_used, used), key=_BY_NAME))
        return found

    def _as_used(self, fact: Fact) -> FactUsed:
        held = self._shown.get(id(fact))
        if held is None:
            held = self._shown[id(fact)] = (fact, as_used(fact, self.on))
        return held[1]


class Views:
    """The facts of one record on one day as seen from the patient and from each subject, each made once."""

    def __init__(self, record: PatientRecord, on: dt.date) -> None:
        self.patient = View(record, on)
        self._of: dict[tuple[Scope, str], View] = {}
        self._of_scope: dict[Scope, list[View]] = {}

    def of(self, subject: Subject | None) -> View:
        """As seen from a subject; None stands for the patient."""
        if subject is None:
            return self.patient
        place = (subject.scope, subject.ref)
        if place not in self._of:
            self._of[place] = View(self.patient.record, self.patient.on, subject, self.patient)
        return self._of[place]

    def of_scope(self, scope: Scope) -> list[View]:
        """As seen from each subject of a scope; from the patient where there is none, or for that scope."""
        if scope not in self._of_scope:
            subjects = self.patient.record.of_scope(scope)
            self._of_scope[scope] = [self.of(subject) for subject in subjects] or [self.patient]
        return self._of_scope[scope]


_last = threading.local()
"""The views asked for last in this thread: one decision asks for the same ones from several places."""


def views(record: PatientRecord, on: dt.date) -> Views:
    """The views of `record` on a day. Pure; same input, same answers."""
    found: Views | None = getattr(_last, "views", None)
    if found is None or found.patient.record is not record or found.patient.on != on:
        _last.views = found = Views(record, on)
    return found


def judge(
    rules: Iterable[Rule],
    record: PatientRecord,
    knowledge: Knowledge,
    on: dt.date,
    about: Collection[str] | None = None,
) -> list[Finding]:
    """Every enabled rule judged for every subject of its scope, in the order of the rules; only for subjects
    whose reference is in `about`, where it is given.

    `record` must already carry what can be derived for the day (`derive.as_of`). A rule whose scope has no
    subject in the record is judged once, with `applies_to` empty.
    """
    found = []
    for rule, values, seen in _asked(rules, record, knowledge, on, about):
        stated = knowledge.stated(rule.code)
        for view in seen:
            found.append(_finding(stated, rule.code, rule.logic(view, values), view, knowledge.version))
    return found


def met(
    rules: Iterable[Rule],
    record: PatientRecord,
    knowledge: Knowledge,
    on: dt.date,
    about: Collection[str] | None = None,
) -> set[str]:
    """The codes that `judge` would find met, for any of the subjects; no finding is made."""
    return {
        rule.code
        for rule, values, seen in _asked(rules, record, knowledge, on, about)
        for view in seen
        if (value := rule.logic(view, values).value) is not None and value is not False
    }


def _asked(
    rules: Iterable[Rule],
    record: PatientRecord,
    knowledge: Knowledge,
    on: dt.date,
    about: Collection[str] | None,
) -> Iterator[tuple[Rule, Values, Sequence[View]]]:
    """Each enabled rule, with its values of the day and the views that it is asked of."""
    seen = views(record, on)
    for rule in rules:
        if knowledge.is_enabled(rule.code):
            each: Sequence[View] = seen.of_scope(rule.scope)
            if about is not None:
                each = [view for view in each if view.applies_to in about]
            yield rule, knowledge.values(rule.code, on), each


def finding(code: str, result: Term, view: View, knowledge: Knowledge) -> Finding:
    """The finding that states `result` for the entry `code`."""
    return _finding(knowledge.stated(code), code, result, view, knowledge.version)


def _finding(stated: Stated, code: str, result: Term, view: View, version: str) -> Finding:
    entry, value = stated.entry, result.value
    verdict: Verdict
    absent, change, unit, action = _NOTHING, "", "", entry.action
    if value is None:
        verdict = "unknown"
        absent, summary, change = _open(result.missing)
    elif value is False:
        verdict, summary, action = "not-met", stated.not_met, ""
    else:
        verdict, summary, unit = "met", _met(stated, value), entry.unit
    return Finding(  # in the order of the fields: naming 22 of them takes seven times as long (measured)
        code,
        verdict,
        summary,
        entry.strength,
        view.applies_to,
        None if value is True or value is False else value,
        unit,
        entry.severity,
        absent,
        view.shown(result.used) if result.used else (),
        entry.evidence,
        stated.beside,
        (),
        action,
        entry.boundary,
        entry.caution,
        entry.conflicts,
        entry.suspect,
        change,
        view.record.version,
        version,
        view.on,
    )


def as_used(fact: Fact, on: dt.date) -> FactUsed:
    """A fact as shown on a finding, marked stale when older than the vocabulary says it stays good."""
    good_for = facts.definition(fact.name).good_for_days
    stale = good_for is not None and fact.on is not None and (on - fact.on).days > good_for
    return FactUsed(fact.name, fact.value, fact.unit, fact.on, fact.source, fact.certainty, stale)


def _met(stated: Stated, value: FactScalar) -> str:
    said = stated.entry.met_as.get(str(value)) or stated.met if stated.entry.met_as else stated.met
    return said.replace("{value}", _shown(value)) if "{value}" in said else said


def _shown(value: FactScalar | None) -> str:
    return f"{round(value, 2):g}" if isinstance(value, int | float) else str(value)


_NOTHING: tuple[str, ...] = ()


@lru_cache(maxsize=4096)
def _open(missing: frozenset[str]) -> tuple[tuple[str, ...], str, str]:
    """The names of what is missing in their order; what is said while it is; what would change the answer."""
    absent = tuple(sorted(missing))
    if not absent:
        return absent, "Cannot be judged yet.", ""
    wanted = "; ".join(_wanted(name) for name in absent)
    return (
        absent,
        f"Cannot be judged yet. Not known: {wanted}.",
        f"Decided once known: {'; '.join(map(facts.words, absent))}",
    )


def _wanted(name: str) -> str:
    definition = facts.definition(name).definition
    return definition if definition[1:2].isupper() else definition[0].lower() + definition[1:]
