"""The schemes of dose of the review and the guideline: ranges of total dose by number of fractions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import msgspec

from eligibility_scoring.dosing import size
from isodose.clinical.knowledge import Knowledge, Values
from isodose.clinical.logic import Term

ASTRO = "SUP-DOSE-astro-size-bands"
BY_DIAMETER = "DOSE-rtog9005-single-fraction"
BY_VOLUME = "DOSE-volume-deescalation"
COMMON_FSRS = "DOSE-fsrs-common-schedules"
CAVITY_TRIAL = "DOSE-postop-alliance-071801"
NEOADJUVANT = "NEOADJ-no-dose-recommendation"
NEOADJUVANT_CEILING = "NEOADJ-dose-escalation-mtd"


class Scheme(msgspec.Struct, frozen=True, gc=False):
    """A usual total dose in Gy, from `low` to `high`, in `fractions`; an end that is None is left open.

    `code` is the entry that gives it.
    """

    code: str
    fractions: int
    low: float | None
    high: float | None

    def holds(self, total_gy: float) -> bool:
        """Whether a total dose lies within it, both ends included."""
        above = self.low is None or self.low <= total_gy
        return above and (self.high is None or total_gy <= self.high)

    @property
    def words(self) -> str:
        """`18 Gy in 1`, `20-24 Gy in 1`, `up to 15 Gy in 1`."""
        if self.low is None:
            return f"up to {self.high:g} Gy in {self.fractions}"
        span = f"{self.low:g}" if self.low == self.high else f"{self.low:g}-{self.high:g}"
        return f"{span} Gy in {self.fractions}"


class Schemes:
    """The schemes in force on a day."""

    def __init__(self, knowledge: Knowledge, on: dt.date) -> None:
        self._knowledge = knowledge
        self._on = on

    def guideline(self, band: str) -> tuple[Scheme, ...]:
        """ASTRO 2022 for the band of an intact metastasis; empty where it gives no dose."""
        k = self._values(ASTRO)
        few = self._listed(ASTRO, k["schedules"])
        match band:
            case size.SINGLE_SMALL:
                return (Scheme(ASTRO, 1, k["small_single_gy_from"], k["small_single_gy_to"]),)
            case size.SINGLE_OR_FEW:
                return (Scheme(ASTRO, 1, k["medium_single_gy"], k["medium_single_gy"]), *few)
            case size.FEW_OR_LOW_SINGLE:
                return (*few, Scheme(ASTRO, 1, None, k["large_single_gy_to"]))
            case _:
                return ()

    def ceiling(self, dose: Term) -> tuple[Scheme, ...]:
        """RTOG 90-05 for a diameter."""
        return _single(BY_DIAMETER, dose, open_below=True)

    def by_volume(self, volume: Term) -> tuple[Scheme, ...]:
        """The volume scheme, for a metastasis or a cavity of this volume."""
        return _single(BY_VOLUME, size.by_volume(volume, self._values(BY_VOLUME)))

    def common_fsrs(self) -> tuple[Scheme, ...]:
        """The common FSRS schedules of the review."""
        k = self._values(COMMON_FSRS)
        return (
            Scheme(COMMON_FSRS, k["few_fractions"], k["few_total_gy"], k["few_total_gy"]),
            Scheme(COMMON_FSRS, k["five_fractions"], k["five_total_gy_from"], k["five_total_gy_to"]),
        )

    def cavity_trial(self) -> tuple[Scheme, ...]:
        """Both arms of ALLIANCE A071801."""
        k = self._values(CAVITY_TRIAL)
        single = Scheme(CAVITY_TRIAL, 1, k["single_gy_from"], k["single_gy_to"])
        return (single, *self._listed(CAVITY_TRIAL, k["schedules"]))

    def neoadjuvant_examples(self) -> tuple[Scheme, ...]:
        """Published examples; there is no recommended dose."""
        return self._listed(NEOADJUVANT, self._values(NEOADJUVANT)["examples"])

    def neoadjuvant_ceiling(self, dose: Term) -> tuple[Scheme, ...]:
        """The highest single dose of the escalation trial for a diameter."""
        return _single(NEOADJUVANT_CEILING, dose, open_below=True)

    def _values(self, code: str) -> Values:
        return self._knowledge.values(code, self._on)

    def _listed(self, code: str, totals: Mapping[str, Any]) -> tuple[Scheme, ...]:
        return tuple(Scheme(code, int(fractions), total, total) for fractions, total in totals.items())


def _single(code: str, dose: Term, *, open_below: bool = False) -> tuple[Scheme, ...]:
    if not isinstance(dose.value, int | float) or isinstance(dose.value, bool):
        return ()
    return (Scheme(code, 1, None if open_below else dose.value, dose.value),)
