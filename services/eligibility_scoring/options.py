"""Every treatment option judged for one patient, scored, and which of them leads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set

import msgspec

from eligibility_scoring import standing
from eligibility_scoring.appraisal import Appraised, appraise
from eligibility_scoring.arguments import ARGUMENTS, Argument
from eligibility_scoring.asked import relevant
from eligibility_scoring.branches import BRANCHES
from eligibility_scoring.decisive import MissingFact, missing_facts
from eligibility_scoring.judged import ARE_EXCLUDED, IRRADIATED, PLANNED, QUIET, Judged, Place, as_answer
from eligibility_scoring.questions import OF_DOSE, questions
from eligibility_scoring.score import Weights, criteria, weights
from eligibility_scoring.standing import INVESTIGATIONAL, NOT_ADVISED, ORDER, UNKNOWN
from isodose.clinical import derive, facts
from isodose.clinical.derive.courses import RADIOSURGERY, lesions_of
from isodose.clinical.finding import ByCode, Criterion, Finding, Option, by_code
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.logic import Term
from isodose.clinical.record import PatientRecord
from isodose.clinical.rules import views

_LEADS = (
    "best-supportive-care",
    "resection-then-postoperative-srs",
    "salvage-srs",
    "srs-with-systemic",
    "fsrs",
    "srs",
    "systemic-first",
    "ha-wbrt-memantine",
    "cns-downstaging",
    "neoadjuvant-srs-then-resection",
    "biopsy",
    "ttfields-after-srs",
    "wbrt",
    "clinical-trial",
)
"""Which option leads where several stand equally."""

_RADIOSURGERY = (
    "srs",
    "fsrs",
    "resection-then-postoperative-srs",
    "neoadjuvant-srs-then-resection",
    "srs-with-systemic",
    "salvage-srs",
)

_SETTLED_FIRST = ("biopsy", "salvage-srs", "cns-downstaging")
"""Where the pathway ends here, it comes first: local progression is settled before anything else, and
downstaging before the whole-brain radiotherapy that it may spare."""


class Appraisal:
    """The options of one patient with what they rest on: computed once, asked by cards and FHIR outputs.

    `missing` are the facts on which a standing or a score hangs, the most decisive first; `nothing_waits`
    tells that every lesion described had radiosurgery and none is known to have changed since; `names` are
    those of lesions and plans by reference; `by_code` are the findings.
    """

    def __init__(self, findings: Sequence[Finding], knowledge: Knowledge, record: PatientRecord) -> None:
        on = findings[0].on
        assert on is not None
        seen = derive.as_of(record, on)
        by = weights(knowledge, on)
        self.by_code = by_code(findings)
        answers = _answers(self.by_code, relevant(by), knowledge, seen)
        judged = Judged(answers, [f.applies_to for f in self.by_code.get("F1-fraction", ())], standing)
        self.names = {s.ref: s.label for s in record.subjects if s.label}
        self.missing: list[MissingFact] = []
        appraised = appraise(judged, by)
        if any(len(one.whole.possible) > 1 or one.width for one in appraised.values()):
            self.missing = missing_facts(
                judged, appraised, self.by_code, record=seen, knowledge=knowledge, on=on, by=by
            )
        decisive = [fact.name for fact in self.missing]
        made = _Maker(judged, by, _said(self.by_code), decisive).options(appraised)
        self.nothing_waits = all(judged(QUIET, lesion).value for lesion in judged.lesions)
        lead = None if self.nothing_waits and not _settled_by_treatment(made) else _leader(made)
        self.options = [
            msgspec.structs.replace(option, leads=True) if option is lead else option for option in made
        ]

    @property
    def questions(self) -> list[Finding]:
        """What is open for the board; of dose and fractions only while some radiosurgery is open."""
        irradiates = any(o.standing != NOT_ADVISED for o in self.options if o.code in _RADIOSURGERY)
        return [asked for asked in questions(self.by_code) if irradiates or asked.code not in OF_DOSE]

    @property
    def leading(self) -> Option | None:
        return leading(self.options)


def options(findings: list[Finding], knowledge: Knowledge, record: PatientRecord) -> list[Option]:
    """Every option of the contract, in its order. Pure."""
    return Appraisal(findings, knowledge, record).options


def leading(judged_options: Iterable[Option]) -> Option | None:
    """The option put first; None while that cannot be told, or where no treatment waits."""
    return next((option for option in judged_options if option.leads), None)


def _settled_by_treatment(made: Sequence[Option]) -> bool:
    """The pathway ends somewhere although no lesion waits: tumour treating fields, supportive care."""
    return any(option.on_pathway for option in made)


def _leader(made: Sequence[Option]) -> Option | None:
    """The option at which the pathway ends, else the one that stands strongest.

    Several lesions may end in different places: the strongest standing decides, then the order of `_LEADS`.
    Where the pathway ends nowhere, an option that is still unknown might stand stronger, so none leads. A
    trial leads where it alone is left.
    """
    ended = [o for o in made if o.on_pathway and o.standing != INVESTIGATIONAL]
    if ended:
        return min(ended, key=_precedence)
    if any(o.standing == UNKNOWN for o in made):
        return None
    open_to_advice = [o for o in made if o.standing not in (NOT_ADVISED, INVESTIGATIONAL)]
    if open_to_advice:
        return min(open_to_advice, key=_precedence)
    return next((o for o in made if o.on_pathway), None)


def _precedence(option: Option) -> tuple[bool, int, int]:
    later = not (option.on_pathway and option.code in _SETTLED_FIRST)
    return (later, ORDER.index(option.standing), _LEADS.index(option.code))


class _Maker:
    """Puts each appraised option into the words of the contract, missing facts in the order of `decisive`."""

    def __init__(self, judged: Judged, by: Weights, said: Set[str], decisive: Sequence[str]) -> None:
        self._judged = judged
        self._by = by
        self._said = said
        self._rank = {name: place for place, name in enumerate(decisive)}

    def options(self, appraised: Mapping[str, Appraised]) -> list[Option]:
        return [self._option(argument, appraised[argument.code]) for argument in ARGUMENTS]

    def _option(self, argument: Argument, appraised: Appraised) -> Option:
        whole = appraised.whole
        parts = criteria(argument.code, self._judged, appraised.lesion, self._by)
        absent = self._in_order(whole.missing)
        ends = BRANCHES[argument.code].ends(self._judged).value is True
        exact = appraised.low == appraised.high and whole.standing != UNKNOWN
        return Option(
            code=argument.code,
            title=argument.title,
            standing=whole.standing,
            score=appraised.low if exact else None,
            score_withheld="" if exact else self._withheld(absent, parts),
            bound=(appraised.low, appraised.high),
            criteria=parts if whole.standing != NOT_ADVISED else (),
            for_=_speaking(argument.speaks_for, self._said),
            against=_speaking(argument.speaks_against, self._said),
            missing=absent,
            possible=whole.in_order if whole.standing == UNKNOWN else (),
            applies_to=self._standing_so(appraised),
            on_pathway=ends and whole.standing not in (NOT_ADVISED, UNKNOWN),
            what_would_change=_once_known(absent) if absent else argument.change,
        )

    def _standing_so(self, appraised: Appraised) -> tuple[str, ...]:
        """The lesions for which the option stands as it does on the whole."""
        alike = {
            member
            for first, members in self._judged.groups.items()
            if first in appraised.walked and appraised.walked[first].possible == appraised.whole.possible
            for member in members
        }
        return tuple(lesion for lesion in self._judged.lesions if lesion and lesion in alike)

    def _withheld(self, absent: Sequence[str], parts: Sequence[Criterion]) -> str:
        if absent:
            return f"The standing hangs on what is not known: {', '.join(absent)}."
        names = self._in_order({name for part in parts for name in part.missing})
        return f"The score hangs on what is not known: {', '.join(names)}."

    def _in_order(self, names: Iterable[str]) -> tuple[str, ...]:
        return tuple(sorted(names, key=lambda name: (self._rank.get(name, len(self._rank)), name)))


_SPEAKING = frozenset(
    code.removeprefix("~") for one in ARGUMENTS for code in (*one.speaks_for, *one.speaks_against)
)


def _said(found: ByCode) -> set[str]:
    """Of the codes that may speak: those met, and with a tilde those judged and not met for any subject."""
    said = set()
    for code in _SPEAKING:
        verdicts = {finding.verdict for finding in found.get(code, ())}
        if "met" in verdicts:
            said.add(code)
        elif "not-met" in verdicts:
            said.add(f"~{code}")
    return said


def _once_known(absent: Iterable[str]) -> str:
    return f"Decided once known: {'; '.join(map(facts.words, absent))}."


def _speaking(wanted: Sequence[str], said: Set[str]) -> tuple[str, ...]:
    return tuple(code.removeprefix("~") for code in wanted if code in said)


def _answers(
    found: ByCode, wanted: Set[str], knowledge: Knowledge, record: PatientRecord
) -> dict[Place, Term]:
    """The verdicts wanted, and what the walk asks of each lesion beside them."""
    answers: dict[Place, Term] = {
        (code, finding.applies_to): as_answer(finding)
        for code, alike in found.items()
        if code in wanted
        for finding in alike
    }
    progresses = any(finding.verdict == "met" for finding in found.get("F1-follow", ()))
    subjects = {s.ref: s for s in record.of_scope("lesion")}
    for finding in found.get("ARE-DX-trigger", ()):
        lesion, on = finding.applies_to, finding.on
        assert on is not None
        view = views(record, on).of(subjects.get(lesion))
        settled = knowledge.values("ELIG-salvage-srs", on)["are_settled_as"]
        answers[ARE_EXCLUDED, lesion] = view["are_status"].is_in(settled)
        irradiated = lesion in subjects and view["months_since_srs"].known
        recurrent = view["lesion_setting"].is_in(knowledge.values("ELIG-salvage-srs", on)["had_srs"])
        answers[IRRADIATED, lesion] = Term(irradiated or recurrent.value is True)
        answers[QUIET, lesion] = Term(irradiated and finding.verdict != "met" and not progresses)
        answers[PLANNED, lesion] = Term(_radiosurgery_planned(record, lesion))
    return answers


def _radiosurgery_planned(record: PatientRecord, lesion: str) -> bool:
    return any(
        course.kind in RADIOSURGERY
        and course.status in ("planned", "in-progress")
        and lesion in lesions_of(course, record)[0]
        for course in record.courses
    )
