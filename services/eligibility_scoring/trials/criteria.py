"""Each criterion that a trial states, as a three-valued test with the words a clinician reads.

Equal criteria of several trials are one object, so that a patient is judged on each of them once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from eligibility_scoring.trials.catalogue import Catalogue, Criteria, Meanings, Setting
from eligibility_scoring.trials.limits import Limits
from isodose.clinical import logic
from isodose.clinical.logic import Term
from isodose.clinical.rules import View

Test = Callable[[View], Term]
Level = Literal["patient", "lesion", "plan"]
Nearness = Literal["situation", "molecular", "tumour", "other", ""]
"""From the nearest: the situation of a lesion (resected, to be resected, radiation effect), the molecular
profile, the tumour type, anything else; empty for what cannot be judged.
"""


@dataclass(frozen=True, slots=True, eq=False)
class Criterion:
    """`field` is the field of `Criteria` it comes from; `fact` the fact it mostly rests on, if there is one.

    A criterion of level lesion or plan is met when one lesion or plan meets it. `nearness` tells what brings
    the trial near to a patient who meets it. `codes`, `limits` and `must_not_hold` (of `fact`) say the same
    as the words, for machines.
    """

    field: str
    words: str
    level: Level
    test: Test
    fact: str = ""
    nearness: Nearness = "other"
    codes: tuple[str, ...] = ()
    limits: Limits | None = None
    must_not_hold: bool = False


def criteria_of(known: Catalogue) -> dict[str, tuple[Criterion, ...]]:
    """The criteria of every trial, by its id."""
    made = _Maker(known.meanings)
    return {trial_id: tuple(made.all_of(trial.criteria)) for trial_id, trial in known.trials.items()}


class _Maker:
    """Makes each criterion once; what it is made from is its key."""

    def __init__(self, meanings: Meanings) -> None:
        self.meanings = meanings
        self.tumour_type = lru_cache(None)(self._tumour_type)
        self.molecular = lru_cache(None)(self._molecular)
        self.count = lru_cache(None)(self._count)
        self.between = lru_cache(None)(self._between)
        self.setting = lru_cache(None)(self._setting)
        self.stated = lru_cache(None)(self._stated)
        self.one_of = lru_cache(None)(self._one_of)
        self.first_line = lru_cache(None)(self._first_line)
        self.unresected = lru_cache(None)(self._unresected)
        self.unresected_size = lru_cache(None)(self._unresected_size)
        self.not_checked = lru_cache(None)(self._not_checked)

    def all_of(self, c: Criteria) -> Iterator[Criterion]:
        yield from self._of_the_tumour(c)
        yield from self._of_number_and_size(c)
        asked = self._asked(c.settings)
        if asked:
            yield self.setting(asked, c.setting_inferred)
        yield from self._of_treatment(c)
        for words in c.not_checked:
            yield self.not_checked(words)

    def _of_the_tumour(self, c: Criteria) -> Iterator[Criterion]:
        if c.histologies:
            yield self.tumour_type(c.histologies, False)
        if c.inferred_histologies:
            yield self.tumour_type(c.inferred_histologies, True)
        if c.molecular_any_of:
            yield self.molecular(tuple(sorted(c.molecular_any_of.items())))

    def _of_number_and_size(self, c: Criteria) -> Iterator[Criterion]:
        if c.lesion_count_min is not None or c.lesion_count_max is not None:
            yield self.count(c.lesion_count_min, c.lesion_count_max, "resected" in c.settings)
        low, high = c.diameter_cm_min, c.diameter_cm_max
        if low is not None or high is not None:
            yield self.between("lesion_diameter_cm", low, c.diameter_cm_min_inclusive, high, True)
        if c.cavity_diameter_cm_max is not None:
            yield self.between("cavity_diameter_cm", None, True, c.cavity_diameter_cm_max, True)
        if c.citv_ml_max is not None:
            yield self.between("citv_ml", None, True, c.citv_ml_max, c.citv_ml_max_inclusive)
        if c.unresected_count_max is not None:
            yield self.unresected(c.unresected_count_max)
        if c.unresected_diameter_cm_below is not None:
            yield self.unresected_size(c.unresected_diameter_cm_below)
        if c.velocity_min is not None:
            yield self.between("bm_velocity_per_year", c.velocity_min, True, None, True)
        if c.relapse_numbers:
            yield self.one_of("distant_brain_relapse_number", c.relapse_numbers)

    def _of_treatment(self, c: Criteria) -> Iterator[Criterion]:
        if c.first_line:
            yield self.first_line()
        for field, fact, wanted in (
            ("prior_wbrt", "prior_wbrt", c.prior_wbrt),
            ("symptomatic", "neuro_symptomatic", c.symptomatic),
            ("tki_naive", "tki_naive", c.tki_naive),
            ("litt_feasible", "litt_feasible", c.litt_feasible),
        ):
            if wanted is not None:
                yield self.stated(field, fact, wanted)
        if c.modalities:
            yield self.one_of("modality", c.modalities)
        if c.platforms:
            yield self.one_of("platform", c.platforms)

    def _asked(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """The settings one of which is asked for; none where a treatment of the trial is among them."""
        settings = self.meanings.settings
        if any(settings[name].given_in_trial for name in names):
            return ()
        return tuple(name for name in names if settings[name].asks)

    def _says(self, values: tuple[str | int, ...]) -> str:
        return " or ".join(self.meanings.words.get(str(v), str(v).replace("_", " ")) for v in values)

    def _tumour_type(self, names: tuple[str, ...], inferred: bool) -> Criterion:
        excluded = self.meanings.solid_tumours_are_not
        any_solid = "solid_tumours" in names

        def test(f: View) -> Term:
            histology = f["histology"]
            return ~histology.is_in(excluded) if any_solid else histology.is_in(names)

        source = ", inferred from titles of references" if inferred else ""
        field = "inferred_histologies" if inferred else "histologies"
        nearness: Nearness = "other" if any_solid else "tumour"
        words = f"tumour type: {self._says(names)}{source}"
        return Criterion(field, words, "patient", test, "histology", nearness, codes=names)

    def _molecular(self, wanted: tuple[tuple[str, str], ...]) -> Criterion:
        def test(f: View) -> Term:
            return logic.some(f[f"molecular.{gene}"] == value for gene, value in wanted)

        words = " or ".join(f"{gene.replace('_', ' ')} {value}" for gene, value in wanted)
        fact = f"molecular.{wanted[0][0]}" if len(wanted) == 1 else ""
        codes = tuple(value for _, value in wanted)
        return Criterion("molecular_any_of", words, "patient", test, fact, "molecular", codes)

    def _count(self, low: int | None, high: int | None, one_is_resected: bool) -> Criterion:
        """The review does not say whether a resected metastasis counts: then too few decides nothing."""
        limits = Limits(low, high)

        def test(f: View) -> Term:
            enough = Limits(low).holds(f["lesion_count"])
            if one_is_resected and enough.value is False:
                enough = Term(None, enough.used)
            return enough & Limits(high=high).holds(f["lesion_count"])

        counted = " (whether a resected one counts is not printed)" if one_is_resected else ""
        words = f"number of brain metastases {limits}{counted}"
        return Criterion("lesion_count", words, "patient", test, "lesion_count", limits=limits)

    def _between(
        self, fact: str, low: float | None, from_low: bool, high: float | None, to_high: bool
    ) -> Criterion:
        limits = Limits(low, high, from_low, to_high)
        words, unit = _MEASURES[fact]
        level: Level = "lesion" if fact in ("lesion_diameter_cm", "cavity_diameter_cm") else "patient"
        return Criterion(
            fact, f"{words} {limits}{unit}", level, lambda f: limits.holds(f[fact]), fact, limits=limits
        )

    def _setting(self, names: tuple[str, ...], inferred: bool) -> Criterion:
        settings = [self.meanings.settings[name] for name in names]

        def test(f: View) -> Term:
            return logic.some(_in_setting(f, setting) for setting in settings)

        about_lesion = all(s.lesion_setting or s.are_status for s in settings)
        source = " (not said in so many words)" if inferred else ""
        words = f"setting: {' or '.join(s.words for s in settings)}{source}"
        level: Level = "lesion" if about_lesion else "patient"
        nearness: Nearness = "situation" if about_lesion and "intact" not in names else "other"
        return Criterion("settings", words, level, test, nearness=nearness, codes=names)

    def _stated(self, field: str, fact: str, wanted: bool) -> Criterion:
        level: Level = "lesion" if fact == "litt_feasible" else "patient"

        def test(f: View) -> Term:
            return f[fact] if wanted else ~f[fact]

        words = _STATED[field] if wanted else f"no {_STATED[field]}"
        return Criterion(field, words, level, test, fact, must_not_hold=not wanted)

    def _one_of(self, fact: str, values: tuple[str | int, ...]) -> Criterion:
        level: Level = "plan" if fact in ("modality", "platform") else "patient"
        words = f"{_CHOICES[fact]}: {self._says(values)}"
        codes = tuple(map(str, values))
        return Criterion(fact, words, level, lambda f: f[fact].is_in(values), fact, codes=codes)

    def _first_line(self) -> Criterion:
        treated = self.meanings.treated_before
        return Criterion(
            "first_line",
            "first-line: not a recurrence after SRS",
            "lesion",
            lambda f: ~f["lesion_setting"].is_in(treated),
        )

    def _unresected(self, most: int) -> Criterion:
        """No more than `most` beside the cavity, whether or not the stated number counts the cavity."""
        cavity = self.meanings.cavity

        def test(f: View) -> Term:
            count = f["lesion_count"]
            few = count <= most
            if few.value is not False:
                return few
            settings = [View(f.record, f.on, s)["lesion_setting"] for s in f.record.of_scope("lesion")]
            resected = [s.is_in(cavity) for s in settings]
            many = count - sum(one.value is not False for one in resected) > most
            if many.value:
                return Term(False, few.used)
            return Term(None, few.used, frozenset().union(*(one.missing for one in resected)))

        words = f"at most {most} unresected metastases"
        return Criterion("unresected_count_max", words, "patient", test)

    def _unresected_size(self, below: float) -> Criterion:
        """Also met where no metastasis is left."""

        def test(f: View) -> Term:
            return (f["lesion_count"] == 0) | (f["largest_diameter_cm"] < below)

        words = f"every unresected metastasis below {below:g} cm"
        return Criterion("unresected_diameter_cm_below", words, "patient", test)

    def _not_checked(self, words: str) -> Criterion:
        return Criterion("not_checked", words, "patient", lambda _f: Term(None), nearness="")


def _in_setting(f: View, setting: Setting) -> Term:
    if setting.are_status:
        return f["are_status"].is_in(setting.are_status)
    if setting.progression:
        return f["intracranial_progression_type"].is_in(setting.progression)
    if setting.with_ici:
        return f["ici_active"] | f["ici_planned"]
    in_setting: Term = f["lesion_setting"].is_in(setting.lesion_setting)
    if setting.or_irradiated_before:
        in_setting = in_setting | f["prior_cranial_rt_to_site"]
    if setting.can_wait:
        in_setting = in_setting & f["lesion_surgically_accessible"] & ~f["urgent_surgery_needed"]
    return in_setting


_MEASURES = {
    "lesion_diameter_cm": ("diameter of a lesion", " cm"),
    "cavity_diameter_cm": ("diameter of the cavity", " cm"),
    "citv_ml": ("cumulative intracranial tumour volume", " ml"),
    "bm_velocity_per_year": ("new brain metastases per year", ""),
}
_STATED = {
    "prior_wbrt": "earlier WBRT",
    "symptomatic": "neurological symptoms",
    "tki_naive": "TKI-naive",
    "litt_feasible": "laser ablation feasible",
}
_CHOICES = {
    "modality": "planned radiation",
    "platform": "platform",
    "distant_brain_relapse_number": "number of the distant relapse",
}
