"""The verdicts of one decision, as the walk along the pathway asks for them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from isodose.clinical.finding import Finding
from isodose.clinical.logic import Term

Place = tuple[str, str]
"""A catalogue id, and the subject it was judged for (empty for the patient)."""

ARE_EXCLUDED = "ARE-excluded"
"""Radiation effect has been excluded in a lesion: no entry of its own, a condition of ELIG-salvage-srs."""

IRRADIATED = "had-radiosurgery"
"""A lesion had radiosurgery, by a course on record or because it is called recurrent after SRS: more of it is
salvage, an option of its own. Always known: it tells what the record holds.
"""

QUIET = "quiet-after-radiosurgery"
"""A lesion had radiosurgery and is not known to have changed since: no treatment waits for it. Always known,
for it only tells where the pathway ends, never how an option stands.
"""

PLANNED = "radiosurgery-planned"
"""Radiosurgery of a lesion is planned or begun. Always known, and used as `QUIET` is."""


class Algebra(Protocol):
    """How answers are told apart and become standings: the modules `standing` (as it is, with the facts
    missing) and `answers` (under many suppositions at once).
    """

    @property
    def NO(self) -> Any: ...  # noqa: N802
    @property
    def alike(self) -> Callable[[Any], Hashable]: ...
    @property
    def first_of(self) -> Callable[..., Any]: ...
    @property
    def at_most(self) -> Callable[[Any, Any], Any]: ...
    @property
    def best(self) -> Callable[[Iterable[Any]], Any]: ...


class Judged:
    """The verdicts as answers, of the patient or of one lesion; they combine by `&`, `|` and `~`.

    Lesions of which every verdict is the same stand in one group and are walked once. `walked` holds by
    lesion what several options share of the walk.
    """

    def __init__(self, answers: Mapping[Place, Any], lesions: Sequence[str], algebra: Algebra) -> None:
        self._answers = answers
        self._codes: dict[str, list[Place]] = {}
        for place in answers:
            self._codes.setdefault(place[0], []).append(place)
        self.lesions = tuple(lesions)
        self.walked: dict[str, Any] = {}
        self.never = algebra.NO
        self.first_of, self.at_most, self.best = algebra.first_of, algebra.at_most, algebra.best
        self.groups = self._alike(algebra.alike)

    def items(self) -> Iterable[tuple[Place, Any]]:
        return self._answers.items()

    def __call__(self, code: str, lesion: str = "") -> Any:
        return self._answers[code, lesion]

    def seen_from(self, code: str, lesion: str) -> Any:
        """The verdict of this lesion, else of the patient, else met for some subject."""
        found = self._answers.get((code, lesion))
        if found is None:
            found = self._answers.get((code, ""))
        return self.any(code) if found is None else found

    def any(self, code: str) -> Any:
        """Met for some lesion or plan."""
        return self.some(self._answers[place] for place in self._codes.get(code, ()))

    def some(self, answers: Iterable[Any]) -> Any:
        found: Any = self.never
        for answer in answers:
            found = found | answer
        return found

    def _alike(self, told: Callable[[Any], Hashable]) -> dict[str, list[str]]:
        """By its first lesion, the lesions judged alike."""
        if len(self.lesions) == 1:
            return {self.lesions[0]: [self.lesions[0]]}
        alike: dict[Any, list[str]] = {}
        by_lesion: dict[str, list[Any]] = {lesion: [] for lesion in self.lesions}
        for (code, about), answer in self._answers.items():
            if about in by_lesion:
                by_lesion[about].append((code, told(answer)))
        for lesion, verdicts in by_lesion.items():
            alike.setdefault(frozenset(verdicts), []).append(lesion)
        return {lesions[0]: lesions for lesions in alike.values()}

    @property
    def systemic_first(self) -> Any:
        """The pathway ends at systemic therapy first."""
        return self("F1-burden") & self("F1-size") & self("F1-systemic-first")

    def change_unexplained(self) -> Any:
        """Some lesion shows a change after SRS, and radiation effect has not been excluded."""
        return self.some(
            self("ARE-DX-trigger", lesion) & ~self(ARE_EXCLUDED, lesion) for lesion in self.groups
        )


def as_answer(finding: Finding) -> Term:
    if finding.verdict == "unknown":
        return Term(None, missing=frozenset(finding.missing))
    return Term(finding.verdict == "met")
