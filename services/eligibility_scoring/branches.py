"""The walk along the pathway: how each option stands, and where the pathway ends.

A walk is written once for answers of any algebra (`judged.Algebra`): what it gives is a `Standings`, or a
`Spread` over many suppositions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from eligibility_scoring.judged import IRRADIATED, PLANNED, QUIET, Judged
from eligibility_scoring.standing import (
    CONDITIONAL,
    EMERGING,
    INVESTIGATIONAL,
    NOT_ADVISED,
    STANDARD,
)


def supportive_care(j: Judged) -> Any:
    return j.first_of((j("F1-status"), STANDARD), otherwise=NOT_ADVISED)


def radiosurgery(j: Judged, lesion: str) -> Any:
    """First radiosurgery of one lesion without resection, in whatever number of fractions."""
    if lesion not in j.walked:
        j.walked[lesion] = _radiosurgery(j, lesion)
    return j.walked[lesion]


def _radiosurgery(j: Judged, lesion: str) -> Any:
    oligo, banded = j("F1-burden"), j("F1-poly")
    return j.first_of(
        (j("F1-status"), NOT_ADVISED),
        (j("ELIG-histology-exceptions"), NOT_ADVISED),
        (j(IRRADIATED, lesion), NOT_ADVISED),
        (j("ELIG-poly-over-10"), NOT_ADVISED),
        (j("F1-urgent", lesion), NOT_ADVISED),
        (j.systemic_first, CONDITIONAL),
        (oligo & j("F1-accessible", lesion), NOT_ADVISED),
        (j("ELIG-sclc-wbrt-pci-neurotoxic") & (oligo | banded), EMERGING),
        (banded, CONDITIONAL),
        (j("ELIG-postop-srs-vs-observation", lesion), STANDARD),
        (oligo & j("F1-upfront-srs", lesion), STANDARD),
        (oligo, CONDITIONAL),
        otherwise=NOT_ADVISED,
    )


def single_fraction(j: Judged, lesion: str) -> Any:
    whole = radiosurgery(j, lesion)
    return j.first_of((j("F1-fraction", lesion), j.at_most(CONDITIONAL, whole)), otherwise=whole)


def several_fractions(j: Judged, lesion: str) -> Any:
    whole = radiosurgery(j, lesion)
    return j.first_of((j("F1-fraction", lesion), j.at_most(CONDITIONAL, whole)), otherwise=NOT_ADVISED)


def resection_first(j: Judged, lesion: str) -> Any:
    excepted = j("ELIG-histology-exceptions")
    return j.first_of(
        (j("F1-status"), NOT_ADVISED),
        (j("F1-urgent", lesion) & excepted, CONDITIONAL),
        (excepted, NOT_ADVISED),
        (j("F1-urgent", lesion), STANDARD),
        (j("ELIG-postop-srs-vs-observation", lesion) & ~j(IRRADIATED, lesion), STANDARD),
        (j("ELIG-surgery-then-postop-srs", lesion), STANDARD),
        (j("F1-accessible", lesion) & j("F1-burden") & ~j.systemic_first, STANDARD),
        (j("F1-accessible", lesion), CONDITIONAL),
        otherwise=NOT_ADVISED,
    )


def radiosurgery_before_resection(j: Judged, lesion: str) -> Any:
    return j.first_of(
        (j("F1-status"), NOT_ADVISED),
        (j("ELIG-histology-exceptions"), NOT_ADVISED),
        (j(IRRADIATED, lesion), NOT_ADVISED),
        (j("F1-accessible", lesion) & j("NEOADJ-candidate-profile", lesion), EMERGING),
        otherwise=NOT_ADVISED,
    )


def biopsy(j: Judged, lesion: str) -> Any:
    """Of a lesion whose profile is to be renewed, or of the one that progressed, where it is told which."""
    changed = j("ARE-DX-trigger", lesion) | ~j.some(j("ARE-DX-trigger", other) for other in j.groups)
    progressed = j("ELIG-local-progression-workup") & changed
    wanted = j("ELIG-tissue-for-molecular-update", lesion) | progressed
    return j.first_of((j("F1-status"), NOT_ADVISED), (wanted, CONDITIONAL), otherwise=NOT_ADVISED)


def whole_brain(j: Judged) -> Any:
    """Not proposed again after earlier WBRT: how much more is bearable is for the board to say."""
    return j.first_of(
        (j("F1-status"), NOT_ADVISED),
        (_whole_brain_considered(j) & ~j("ELIG-wbrt-toxicity-balance"), CONDITIONAL),
        otherwise=NOT_ADVISED,
    )


def hippocampal_avoidance(j: Judged) -> Any:
    considered = j("F1-poly") | _whole_brain_considered(j)
    return j.first_of(
        (j("F1-status"), NOT_ADVISED),
        (considered & ~j("ELIG-wbrt-toxicity-balance") & j("SUP-WBRT-ha-criteria"), CONDITIONAL),
        otherwise=NOT_ADVISED,
    )


def systemic_first(j: Judged) -> Any:
    """By Fig. 1, by the body text, which names other groups (SUS-21), or by guidelines with many lesions."""
    by_body_text = j("F1-burden") & j("F1-size") & j("SYS-omit-local-not-general")
    many = j("F1-poly") | j("ELIG-poly-over-10")
    by_guideline = many & j("SYS-guideline-conditional") & ~j("SUP-ELIG-astro-symptomatic")
    return j.first_of(
        (j("F1-status"), NOT_ADVISED),
        (j.systemic_first | by_body_text | by_guideline, EMERGING),
        otherwise=NOT_ADVISED,
    )


def with_systemic(j: Judged) -> Any:
    """As strong as the radiosurgery itself, where effective systemic therapy goes on."""
    given = j.best(single_fraction(j, lesion) for lesion in j.groups)
    return j.first_of((j("F1-systemic"), given), otherwise=NOT_ADVISED)


def downstaging(j: Judged) -> Any:
    return j.first_of(
        (j("F1-status"), NOT_ADVISED), (j("SYS-cns-downstaging"), EMERGING), otherwise=NOT_ADVISED
    )


def tumour_treating_fields(j: Judged) -> Any:
    return j.first_of(
        (j("F1-status"), NOT_ADVISED), (j.any("ELIG-ttfields-nsclc"), EMERGING), otherwise=NOT_ADVISED
    )


def salvage(j: Judged) -> Any:
    return j.first_of(
        (j("F1-status"), NOT_ADVISED),
        (j("ELIG-salvage-srs") & ~j.change_unexplained(), EMERGING),
        otherwise=NOT_ADVISED,
    )


def trial(j: Judged) -> Any:
    return j.first_of((j("F1-status"), NOT_ADVISED), otherwise=INVESTIGATIONAL)


def _whole_brain_considered(j: Judged) -> Any:
    return (
        j("ELIG-poly-over-10")
        | j("ELIG-poly-trajectory-review")
        | j("ELIG-wbrt-indications-cyberspace")
        | j("ELIG-sclc-wbrt-pci-neurotoxic")
    )


def ends_at_radiosurgery(j: Judged, lesion: str) -> Any:
    """The pathway of one lesion ends at radiosurgery alone."""
    surgical = j("F1-urgent", lesion) | (j("F1-burden") & j("F1-accessible", lesion))
    alone = j("F1-poly") | (j("F1-burden") & ~j.systemic_first & j("F1-upfront-srs", lesion))
    return alone & ~surgical & ~j(QUIET, lesion)


def ends_at_one_fraction(j: Judged) -> Any:
    return j.some(ends_at_radiosurgery(j, x) & ~j("F1-fraction", x) for x in j.groups)


def ends_at_several_fractions(j: Judged) -> Any:
    return j.some(ends_at_radiosurgery(j, x) & j("F1-fraction", x) for x in j.groups)


def ends_at_resection(j: Judged) -> Any:
    return j.some(
        (j("F1-urgent", x) | _resected_or_to_be(j, x)) & ~j(QUIET, x) & ~_radiosurgery_planned_first(j, x)
        for x in j.groups
    )


def ends_at_radiosurgery_before_resection(j: Judged) -> Any:
    return j.some(_radiosurgery_planned_first(j, x) for x in j.groups)


def _resected_or_to_be(j: Judged, lesion: str) -> Any:
    to_be = j("F1-burden") & ~j.systemic_first & j("F1-accessible", lesion)
    return j("ELIG-postop-srs-vs-observation", lesion) | to_be


def _radiosurgery_planned_first(j: Judged, lesion: str) -> Any:
    """Radiosurgery is planned for a lesion whose resection is planned as well and can wait."""
    candidate = j("F1-accessible", lesion) & j("NEOADJ-candidate-profile", lesion)
    return candidate & j("GAP-neoadjuvant-selection-dose", lesion) & j(PLANNED, lesion)


def ends_at_systemic_therapy(j: Judged) -> Any:
    return j.systemic_first & j.some(~j(QUIET, x) for x in j.groups)


def ends_at_hippocampal_avoidance(j: Judged) -> Any:
    return j("ELIG-poly-over-10") & ~j("ELIG-wbrt-toxicity-balance") & j("SUP-WBRT-ha-criteria")


def ends_at_whole_brain(j: Judged) -> Any:
    return j("ELIG-poly-over-10") & ~j("ELIG-wbrt-toxicity-balance") & ~j("SUP-WBRT-ha-criteria")


def ends_at_downstaging(j: Judged) -> Any:
    return j("ELIG-poly-over-10") & j("SYS-cns-downstaging")


def ends_at_treating_fields(j: Judged) -> Any:
    """Radiosurgery has been given to every lesion, and none waits for treatment."""
    waiting = j.some(~j(QUIET, x) for x in j.groups)
    return j.any("ELIG-ttfields-nsclc") & ~waiting


def ends_at_a_trial(j: Judged) -> Any:
    """Nothing but a trial is left: too many for radiosurgery, and WBRT was given before."""
    return j("ELIG-poly-over-10") & j("ELIG-wbrt-toxicity-balance") & ~j("ELIG-histology-exceptions")


def ends_at_radiosurgery_with_systemic(j: Judged) -> Any:
    isolated = j("ELIG-cns-only-progression-srs-continue")
    return isolated & j.some(ends_at_radiosurgery(j, x) for x in j.groups)


def ends_at_biopsy(j: Judged) -> Any:
    return j("ELIG-local-progression-workup") & j.change_unexplained()


def ends_at_salvage(j: Judged) -> Any:
    return j("ELIG-local-progression-workup") & j("ELIG-salvage-srs") & ~j.change_unexplained()


def never(j: Judged) -> Any:
    return j.never


@dataclass(frozen=True, slots=True)
class Branch:
    """How an option stands: once per lesion where `of_lesion` is given, else once for the patient.

    `ends` asks whether the pathway ends at this option, for the patient or for some lesion.
    """

    of_patient: Callable[[Judged], Any] | None = None
    of_lesion: Callable[[Judged, str], Any] | None = None
    ends: Callable[[Judged], Any] = never


BRANCHES = {
    "best-supportive-care": Branch(supportive_care, ends=lambda j: j("F1-status")),
    "srs": Branch(of_lesion=single_fraction, ends=ends_at_one_fraction),
    "fsrs": Branch(of_lesion=several_fractions, ends=ends_at_several_fractions),
    "resection-then-postoperative-srs": Branch(of_lesion=resection_first, ends=ends_at_resection),
    "neoadjuvant-srs-then-resection": Branch(
        of_lesion=radiosurgery_before_resection, ends=ends_at_radiosurgery_before_resection
    ),
    "biopsy": Branch(of_lesion=biopsy, ends=ends_at_biopsy),
    "wbrt": Branch(whole_brain, ends=ends_at_whole_brain),
    "ha-wbrt-memantine": Branch(hippocampal_avoidance, ends=ends_at_hippocampal_avoidance),
    "systemic-first": Branch(systemic_first, ends=ends_at_systemic_therapy),
    "srs-with-systemic": Branch(with_systemic, ends=ends_at_radiosurgery_with_systemic),
    "cns-downstaging": Branch(downstaging, ends=ends_at_downstaging),
    "ttfields-after-srs": Branch(tumour_treating_fields, ends=ends_at_treating_fields),
    "salvage-srs": Branch(salvage, ends=ends_at_salvage),
    "clinical-trial": Branch(trial, ends=ends_at_a_trial),
}
"""By option code."""
