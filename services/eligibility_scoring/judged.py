"""The verdicts of one decision, as the walk along the pathway asks for them."""

from __future__ import annotations

from collections.abc import Sequence

from isodose.clinical import logic
from isodose.clinical.finding import Finding
from isodose.clinical.logic import Term


class Judged:
    """The verdicts of the findings as three-valued terms: of the patient, or of one lesion."""

    def __init__(self, findings: Sequence[Finding], are_excluded: dict[str, Term]) -> None:
        self._verdicts = {(f.code, f.applies_to): _verdict(f) for f in findings}
        self._codes: dict[str, list[Term]] = {}
        for finding in findings:
            self._codes.setdefault(finding.code, []).append(self._verdicts[finding.code, finding.applies_to])
        self.lesions = tuple(f.applies_to for f in findings if f.code == "F1-fraction")
        self._are_excluded = are_excluded

    def __call__(self, code: str, lesion: str = "") -> Term:
        return self._verdicts[code, lesion]

    def any(self, code: str) -> Term:
        """Met for some lesion or plan."""
        return logic.some(self._codes[code])

    @property
    def systemic_first(self) -> Term:
        """The pathway ends at systemic therapy first."""
        return self("F1-burden") & self("F1-size") & self("F1-systemic-first")

    def change_unexplained(self) -> Term:
        """Some lesion shows a change after SRS, and radiation effect has not been excluded."""
        return logic.some(
            self("ARE-DX-trigger", lesion) & ~self._are_excluded[lesion] for lesion in self.lesions
        )


def _verdict(finding: Finding) -> Term:
    if finding.verdict == "unknown":
        return Term(None, missing=frozenset(finding.missing))
    return Term(finding.verdict == "met")
