"""Which entries each option hangs on: those its way along the pathway asks for, and those of its score."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any

from eligibility_scoring import standing
from eligibility_scoring.branches import BRANCHES
from eligibility_scoring.judged import Judged
from eligibility_scoring.score import Weights
from isodose.clinical.logic import Term


class _EveryQuestion(Judged):
    """Answers everything with "open" and notes what was asked."""

    def __init__(self) -> None:
        super().__init__({}, ("a lesion",), standing)
        self.asked: set[str] = set()

    def __call__(self, code: str, lesion: str = "") -> Any:
        self.asked.add(code)
        return Term(None)

    def any(self, code: str) -> Any:
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
