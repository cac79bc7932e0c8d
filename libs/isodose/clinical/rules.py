"""Rules and how they are judged: each rule once per subject of its scope, every answer a finding."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from isodose.clinical import facts, logic
from isodose.clinical.facts import current as current  # noqa: PLC0414
from isodose.clinical.finding import FactUsed, Finding, Verdict
from isodose.clinical.knowledge import Entry, Knowledge, Values
from isodose.clinical.logic import Term
from isodose.clinical.record import Fact, FactScalar, PatientRecord, Scope, Subject

Logic = Callable[["View", Values], Term]


@dataclass(frozen=True, slots=True)
class Rule:
    """`code` is a catalogue id; `scope` says what it is judged once for; `logic` is a pure function."""

    code: str
    logic: Logic
    scope: Scope = "patient"


class View:
    """The facts as seen from the patient or from one subject: `f["kps"]` is a Term.

    A fact of another scope is taken from the linked subjects, or else from those that name no subject of this
    scope; where several disagree it is unknown, never guessed. What names another lesion says nothing of this
    one. `applies_to` is the subject's reference.
    """

    def __init__(
        self, record: PatientRecord, on: dt.date, subject: Subject | None = None, patient: View | None = None
    ) -> None:
        self.record = record
        self.on = on
        self.subject = subject
        self.applies_to = subject.ref if subject else ""
        self._patient = patient
        self._cache: dict[str, Term] = {}
        self._near: dict[Scope, tuple[Subject, ...]] = {}
        self._shown: dict[int, tuple[Fact, FactUsed]] = patient._shown if patient else {}
        self._held: dict[int, tuple[object, dict[str, Fact | None]]] = patient._held if patient else {}

    def __getitem__(self, name: str) -> Term:
        found = self._cache.get(name)
        if found is None:
            found = self._cache[name] = self._find(name)
        return found

    def _find(self, name: str) -> Term:
        scope = facts.definition(name).scope
        if scope in ("patient", "site", "trial", "drug"):
            if scope == "patient" and self._patient is not None:
                return self._patient[name]
            own = self._current(self.record, name)
            if own is not None or scope == "patient":
                return _single(name, [own])
        if self.subject is not None and self.subject.scope == scope:
            return _single(name, [self._current(self.subject, name)])
        return _single(name, [self._current(s, name) for s in self._related(scope)])

    def _current(self, holder: PatientRecord | Subject, name: str) -> Fact | None:
        """The value of `name` that counts on the day; those of each holder are found once."""
        if id(holder) not in self._held:
            listed: dict[str, list[Fact]] = {}
            for fact in holder.facts:
                listed.setdefault(fact.name, []).append(fact)
            counted = {name: current(given, name, self.on) for name, given in listed.items()}
            self._held[id(holder)] = (holder, counted)
        return self._held[id(holder)][1].get(name)

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

    def supposing(self, name: str, value: FactScalar) -> View:
        """The same view with one fact more, to see what would follow from it."""
        other = View(self.record, self.on, self.subject, self._patient)
        other._cache = {**self._cache, name: Term(value)}
        other._near, other._shown, other._held = self._near, self._shown, self._held
        return other

    def as_used(self, fact: Fact) -> FactUsed:
        """The fact as shown on a finding of this day; each is made once."""
        if id(fact) not in self._shown:
            self._shown[id(fact)] = (fact, as_used(fact, self.on))
        return self._shown[id(fact)][1]


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


def _single(name: str, found: Sequence[Fact | None]) -> Term:
    if len(found) == 1 and found[0] is not None:
        return logic.known(found[0])
    present = [fact for fact in found if fact is not None]
    if not present or len(present) < len(found) or len({fact.value for fact in present}) > 1:
        return logic.missing(name)
    return logic.known(present[0])


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
    judged = _judged(rules, record, knowledge, on, about)
    return [finding(code, result, view, knowledge) for code, result, view in judged]


def met(
    rules: Iterable[Rule],
    record: PatientRecord,
    knowledge: Knowledge,
    on: dt.date,
    about: Collection[str] | None = None,
) -> set[str]:
    """The codes that `judge` would find met, for any of the subjects; no finding is made."""
    judged = _judged(rules, record, knowledge, on, about)
    return {code for code, result, _ in judged if result.value is not None and result.value is not False}


def _judged(
    rules: Iterable[Rule],
    record: PatientRecord,
    knowledge: Knowledge,
    on: dt.date,
    about: Collection[str] | None,
) -> Iterator[tuple[str, Term, View]]:
    seen = views(record, on)
    for rule in rules:
        if not knowledge.is_enabled(rule.code):
            continue
        values = knowledge.values(rule.code, on)
        for view in seen.of_scope(rule.scope):
            if about is None or view.applies_to in about:
                yield rule.code, rule.logic(view, values), view


def finding(code: str, result: Term, view: View, knowledge: Knowledge) -> Finding:
    """The finding that states `result` for the entry `code`."""
    entry = knowledge.entry(code)
    verdict: Verdict = "unknown" if result.value is None else "not-met" if result.value is False else "met"
    absent = tuple(sorted(result.missing)) if verdict == "unknown" else ()
    return Finding(  # in the order of the fields: naming 22 of them takes seven times as long (measured)
        code,
        verdict,
        _summary(entry, verdict, absent, result.value),
        entry.strength,
        view.applies_to,
        None if isinstance(result.value, bool) else result.value,
        entry.unit if verdict == "met" else "",
        entry.severity,
        absent,
        _facts(result, view),
        entry.evidence,
        knowledge.evidence_for(code),
        (),
        entry.action if verdict != "not-met" else "",
        entry.boundary,
        entry.caution,
        entry.conflicts,
        entry.suspect,
        f"Decided once known: {', '.join(absent)}" if absent else "",
        view.record.version,
        knowledge.version,
        view.on,
    )


def _facts(result: Term, view: View) -> tuple[FactUsed, ...]:
    if not result.used:
        return ()
    used = [view.as_used(fact) for fact in result.used]
    if len(used) > 1:
        used.sort(key=lambda fact: (fact.name, fact.source))
    return tuple(used)


def as_used(fact: Fact, on: dt.date) -> FactUsed:
    """A fact as shown on a finding, marked stale when older than the vocabulary says it stays good."""
    good_for = facts.definition(fact.name).good_for_days
    stale = good_for is not None and fact.on is not None and (on - fact.on).days > good_for
    return FactUsed(
        name=fact.name,
        value=fact.value,
        unit=fact.unit,
        on=fact.on,
        source=fact.source,
        certainty=fact.certainty,
        stale=stale,
    )


def _summary(entry: Entry, verdict: Verdict, absent: tuple[str, ...], value: FactScalar | None) -> str:
    if verdict == "unknown":
        return _not_judged(absent)
    if verdict == "met":
        said = entry.met_as.get(str(value), entry.met) or entry.statement
        return said.replace("{value}", _shown(value)) if "{value}" in said else said
    return entry.not_met or f"Does not apply: {entry.statement}"


def _shown(value: FactScalar | None) -> str:
    return f"{round(value, 2):g}" if isinstance(value, int | float) else str(value)


@lru_cache(maxsize=4096)
def _not_judged(absent: tuple[str, ...]) -> str:
    wanted = "; ".join(_wanted(name) for name in absent)
    return f"Cannot be judged yet. Not known: {wanted}." if wanted else "Cannot be judged yet."


def _wanted(name: str) -> str:
    definition = facts.definition(name).definition
    return definition if definition[1:2].isupper() else definition[0].lower() + definition[1:]
