"""The trials of the review as data: who they are for, what is known of them and when it was read.

Read from `known/*.yaml`, keyed by registry number, or by name where the review prints no number. What a field
of `Criteria` leaves out, the review does not say.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Literal, TypeVar

import msgspec
import yaml

from isodose.clinical.finding import Citation
from isodose.clinical.knowledge import KnowledgeError
from isodose.clinical.written import parsed

_Read = TypeVar("_Read")
Status = Literal["ongoing", "unpublished", "terminated", "published"]

REVIEW = Citation(cite="Mansouri, Nat Rev Clin Oncol 2025", doi="10.1038/s41571-025-01013-1")
"""What is cited where the review gives no reference for a trial."""


class Criteria(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Whom a trial takes, as far as the review says. Counts and diameters are inclusive unless said.

    `histologies` are values of that fact, `solid_tumours` standing for all but those named in `Meanings`;
    they are `inferred_histologies` where only the titles of references tell. One of `molecular_any_of` and
    one of `settings` is enough. `not_checked` is stated without a figure or a fact to judge it by.
    `by_entry` names the catalogue entry that states a criterion where the trial's description does not.
    """

    histologies: tuple[str, ...] = ()
    inferred_histologies: tuple[str, ...] = ()
    molecular_any_of: dict[str, str] = {}
    lesion_count_min: int | None = None
    lesion_count_max: int | None = None
    diameter_cm_min: float | None = None
    diameter_cm_min_inclusive: bool = True
    diameter_cm_max: float | None = None
    cavity_diameter_cm_max: float | None = None
    citv_ml_max: float | None = None
    citv_ml_max_inclusive: bool = True
    settings: tuple[str, ...] = ()
    setting_inferred: bool = False
    first_line: bool = False
    unresected_count_max: int | None = None
    unresected_diameter_cm_below: float | None = None
    velocity_min: float | None = None
    relapse_numbers: tuple[int, ...] = ()
    prior_wbrt: bool | None = None
    symptomatic: bool | None = None
    tki_naive: bool | None = None
    litt_feasible: bool | None = None
    modalities: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    not_checked: tuple[str, ...] = ()
    by_entry: dict[str, str] = {}


class Trial(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One trial or study. `status` is the review's; `unpublished` means "ongoing or unpublished", which does
    not show that it recruits. `blocked` says why it is matched to nobody although its status would allow it;
    `histology_as_printed` is a reading of the review that is not used.
    """

    name: str
    question: str
    criteria: Criteria
    status: Status
    where: str
    phase: str = ""
    design: str = ""
    participants: int | None = None
    endpoint: str = ""
    status_note: str = ""
    blocked: str = ""
    awaits_results: bool = False
    wbrt_in_an_arm: bool = False
    histology_as_printed: str = ""
    results: str = ""
    suspect: str = ""
    evidence: tuple[Citation, ...] = (REVIEW,)

    @property
    def closed(self) -> str:
        """Why the trial is matched to nobody; empty where it may be."""
        if self.blocked:
            return self.blocked
        if self.status == "published":
            return "Published: its patients are in; it stands as evidence."
        if self.status == "terminated":
            return f"Ended early: {self.status_note}."
        return ""


class Setting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a setting asks of a lesion or of the patient. `given_in_trial` marks a treatment of the trial
    itself, which asks nothing; neither does a setting that tells only what the trial wants to know.
    """

    words: str
    lesion_setting: tuple[str, ...] = ()
    are_status: tuple[str, ...] = ()
    progression: tuple[str, ...] = ()
    or_irradiated_before: bool = False
    can_wait: bool = False
    with_ici: bool = False
    given_in_trial: bool = False

    @property
    def asks(self) -> bool:
        return bool(self.lesion_setting or self.are_status or self.progression or self.with_ici)


class Meanings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the words of the trials mean, when their status was read, how long a later check holds good."""

    registry_read_on: dt.date
    registry_check_good_for_days: int
    solid_tumours_are_not: tuple[str, ...]
    treated_before: tuple[str, ...]
    cavity: tuple[str, ...]
    settings: dict[str, Setting]
    words: dict[str, str]


class Catalogue(msgspec.Struct, frozen=True):
    """All trials by id, with the meanings they share."""

    trials: Mapping[str, Trial]
    meanings: Meanings

    @property
    def version(self) -> str:
        """Changes with any change of content."""
        content = msgspec.json.encode([self.trials, self.meanings], order="deterministic")
        return hashlib.sha256(content).hexdigest()[:16]


def registry_page(trial_id: str) -> str:
    """Where the registry tells whether a trial recruits; empty where the review prints no number."""
    return f"https://clinicaltrials.gov/study/{trial_id}" if is_registered(trial_id) else ""


def is_registered(trial_id: str) -> bool:
    """The id is a number of ClinicalTrials.gov; the other trials are known here by name alone."""
    return trial_id.startswith("NCT")


@cache
def catalogue() -> Catalogue:
    """The trials that come with this service. Raises `KnowledgeError` naming the file that is at fault."""
    trials: dict[str, Trial] = {}
    here = files("eligibility_scoring.trials")
    for file in sorted(here.joinpath("known").iterdir(), key=lambda f: f.name):
        read = _read(file.name, file.read_text(encoding="utf-8"), dict[str, dict[str, Trial]])["trials"]
        twice = trials.keys() & read.keys()
        if twice:
            raise KnowledgeError(f"{file.name}: {', '.join(sorted(twice))} stands in two files")
        trials |= read
    meanings = _read("meanings.yaml", here.joinpath("meanings.yaml").read_text(encoding="utf-8"), Meanings)
    used = {name for trial in trials.values() for name in trial.criteria.settings}
    unheard = sorted(used - meanings.settings.keys())
    if unheard:
        raise KnowledgeError(f"meanings.yaml does not say what these settings are: {', '.join(unheard)}")
    return Catalogue(trials=trials, meanings=meanings)


def _read(name: str, text: str, kind: type[_Read]) -> _Read:
    try:
        return msgspec.convert(parsed(text), kind)
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        raise KnowledgeError(f"{name}: {error}") from error
