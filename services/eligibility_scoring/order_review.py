"""What a draft order of cranial radiation should be checked for before it is signed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from isodose.clinical.finding import Finding
from isodose.clinical.record import Course

RADIOSURGERY = ("single_srs", "fsrs")
CRANIAL = (*RADIOSURGERY, "wbrt", "ha_wbrt")


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing to think over: `code` is the finding it rests on; serious ones come first."""

    code: str
    title: str
    findings: tuple[Finding, ...]
    serious: bool = True


CHECKS = (
    ("F1-status", CRANIAL, "Poor performance status or prognosis: best supportive care usually comes first"),
    ("ELIG-histology-exceptions", RADIOSURGERY, "Lymphoma or germ-cell tumour: SRS is not the default"),
    (
        "ARE-DX-trigger",
        CRANIAL,
        "Change after SRS: tell progression from radiation effect before treating again",
    ),
    ("F1-urgent", RADIOSURGERY, "Lesion needs urgent surgery: resect first, then postoperative SRS"),
    ("ELIG-poly-over-10", RADIOSURGERY, "More than ten metastases: guidelines often do not recommend SRS"),
    (
        "F1-fraction",
        ("single_srs",),
        "Large target or organ at risk nearby: consider FSRS over a single fraction",
    ),
    ("ELIG-srs-over-wbrt-cognition", ("wbrt", "ha_wbrt"), "One to four metastases: SRS spares cognition"),
    (
        "ELIG-wbrt-use-ha-memantine",
        ("wbrt",),
        "WBRT: hippocampal avoidance and memantine lessen cognitive decline",
    ),
)
"""Catalogue id, the kinds of course it is asked of, what the card says; most serious first."""

REQUIRED = ("F1-status", "F1-burden", "F1-fraction")
"""What must be known for a radiosurgery order to be checked at all."""


def remarks(courses: Sequence[Course], findings: Sequence[Finding]) -> list[Remark]:
    """What speaks against the courses as drafted, then what could not be checked."""
    made = [
        Remark(code, title, concerned)
        for code, kinds, title in CHECKS
        if (concerned := tuple(_concerned(code, kinds, courses, findings, "met")))
    ]
    kinds = {course.kind for course in courses}
    unchecked = tuple(
        f
        for code in REQUIRED
        if code != "F1-fraction" or "single_srs" in kinds
        for f in _concerned(code, CRANIAL, courses, findings, "unknown")
    )
    if unchecked:
        missing = len({name for f in unchecked for name in f.missing})
        title = f"This order could not be checked fully: {missing} facts are not known"
        made.append(Remark("order-unchecked", title, unchecked, serious=False))
    return made


def _concerned(
    code: str, kinds: Sequence[str], courses: Sequence[Course], findings: Sequence[Finding], verdict: str
) -> Iterator[Finding]:
    """The findings of the patient, of these plans and of the lesions they target."""
    asked = [course for course in courses if course.kind in kinds]
    if not asked:
        return
    named = all(course.target_lesions for course in asked)
    targets = {ref for course in asked for ref in (*course.target_lesions, course.ref, course.planned_by)}
    for finding in findings:
        about = finding.applies_to
        if (
            finding.code == code
            and finding.verdict == verdict
            and (not about or not named or about in targets)
        ):
            yield finding
