"""Every treatment option judged for one patient, and which of them leads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set

from eligibility_scoring.arguments import ARGUMENTS, Argument
from eligibility_scoring.branches import BRANCHES
from eligibility_scoring.judged import Judged
from eligibility_scoring.standing import INVESTIGATIONAL, NOT_ADVISED, ORDER, UNKNOWN, best
from isodose.clinical.finding import Finding, Option
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.logic import Term
from isodose.clinical.record import PatientRecord
from isodose.clinical.rules import View

SCORE_WITHHELD = "No score is given: the weights of the criteria are not yet part of the knowledge."

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

_AFTER_LOCAL_PROGRESSION = ("biopsy", "salvage-srs")


def options(findings: list[Finding], knowledge: Knowledge, record: PatientRecord) -> list[Option]:
    """Every option of the contract, in its order. Pure."""
    judged = Judged(findings, _radiation_effect_excluded(findings, knowledge, record))
    met = {f.code for f in findings if f.verdict == "met"}
    not_met = {f"~{f.code}" for f in findings if f.verdict == "not-met" and f.code not in met}
    return [_option(argument, judged, met | not_met) for argument in ARGUMENTS]


def leading(judged_options: Iterable[Option]) -> Option | None:
    """The option at which the pathway ends, else the one that stands strongest; None while that is unknown.

    Local progression is settled first. Several lesions may end in different places: the strongest standing
    decides, then the order of `_LEADS`.
    """
    open_to_advice = [o for o in judged_options if o.standing not in (NOT_ADVISED, INVESTIGATIONAL, UNKNOWN)]
    return min(open_to_advice, key=_lead, default=None)


def _lead(option: Option) -> tuple[bool, bool, int, int]:
    later = not (option.on_pathway and option.code in _AFTER_LOCAL_PROGRESSION)
    return (not option.on_pathway, later, ORDER.index(option.standing), _LEADS.index(option.code))


def _option(argument: Argument, judged: Judged, said: Set[str]) -> Option:
    branch = BRANCHES[argument.code]
    each = branch.standings(judged)
    whole = best(each.values())
    absent = tuple(sorted(whole.missing))
    change = f"Decided once known: {', '.join(absent)}." if absent else argument.change
    return Option(
        code=argument.code,
        title=argument.title,
        standing=whole.standing,
        score_withheld=SCORE_WITHHELD,
        for_=_speaking(argument.speaks_for, said),
        against=_speaking(argument.speaks_against, said),
        missing=absent,
        possible=whole.in_order if whole.standing == UNKNOWN else (),
        applies_to=tuple(ref for ref, one in each.items() if ref and one.possible == whole.possible),
        on_pathway=whole.standing not in (NOT_ADVISED, UNKNOWN) and branch.ends(judged).value is True,
        what_would_change=change,
    )


def _speaking(wanted: Sequence[str], said: Set[str]) -> tuple[str, ...]:
    return tuple(code.removeprefix("~") for code in wanted if code in said)


def _radiation_effect_excluded(
    findings: Sequence[Finding], knowledge: Knowledge, record: PatientRecord
) -> dict[str, Term]:
    on = findings[0].on
    assert on is not None
    settled = knowledge.values("ELIG-salvage-srs", on)["are_settled_as"]
    subjects = {s.ref: s for s in record.of_scope("lesion")}
    return {
        f.applies_to: View(record, on, subjects.get(f.applies_to))["are_status"].is_in(settled)
        for f in findings
        if f.code == "ARE-DX-trigger"
    }
