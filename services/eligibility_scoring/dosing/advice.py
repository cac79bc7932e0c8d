"""What dose a lesion is usually given, by each scheme, and which of them the platform takes.

An intact metastasis goes by the guideline's bands of diameter, a cavity by its volume, a metastasis to be
resected by published examples: the other schemes stand beside as a second reading.
"""

from __future__ import annotations

import datetime as dt

import msgspec

from eligibility_scoring import neoadjuvant
from eligibility_scoring.dosing import size
from eligibility_scoring.dosing.schemes import ASTRO, BY_DIAMETER, NEOADJUVANT_CEILING, Scheme, Schemes
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.logic import Term
from isodose.clinical.rules import View

CAVITY = "resection_cavity"
TO_BE_RESECTED = "planned_resection"
RECURRENT = "recurrent_after_srs"


class Advice(msgspec.Struct, frozen=True, gc=False):
    """`taken` are the usual doses of the scheme the platform goes by, `other` those of the schemes beside it.

    `setting` is empty while it is not known: the lesion is then read as an intact metastasis, which has to be
    said. `size` is in words, `facts` are the terms it rests on, `missing` the facts without which a scheme
    could not be read.
    """

    lesion: str
    setting: str
    size: str
    taken: tuple[Scheme, ...]
    other: tuple[Scheme, ...]
    facts: tuple[Term, ...]
    missing: tuple[str, ...] = ()
    beyond: str = ""

    def usual(self, fractions: int) -> tuple[Scheme, ...]:
        """What is taken for this number of fractions; several fractions are read from all schemes."""
        considered = self.taken if fractions == 1 else (*self.taken, *self.other)
        return tuple(scheme for scheme in considered if scheme.fractions == fractions)

    def beside(self, fractions: int) -> tuple[Scheme, ...]:
        """The other readings for one fraction, or for several."""
        return tuple(s for s in self.other if (s.fractions == 1) == (fractions == 1))


def advise(lesion: View, knowledge: Knowledge, on: dt.date) -> Advice:
    """The usual doses for one lesion, seen as it is in a record that carries what can be derived."""
    match lesion["lesion_setting"].value:
        case "resection_cavity":
            return advise_cavity(lesion, knowledge, on)
        case "planned_resection":
            return advise_before_resection(lesion, knowledge, on)
        case setting:
            return _in_place(lesion, knowledge, on, str(setting or ""))


def _in_place(lesion: View, knowledge: Knowledge, on: dt.date, setting: str) -> Advice:
    schemes = Schemes(knowledge, on)
    diameter, volume = lesion["lesion_diameter_cm"], lesion["lesion_volume_ml"]
    band = size.guideline_band(lesion, knowledge.values(ASTRO, on))
    ceiling = size.ceiling_by_diameter(lesion, knowledge.values(BY_DIAMETER, on))
    return Advice(
        lesion=lesion.applies_to,
        setting=setting,
        size=_size(diameter, volume),
        taken=schemes.guideline(str(band.value)),
        other=(*schemes.ceiling(ceiling), *schemes.by_volume(volume), *schemes.common_fsrs()),
        facts=(diameter, volume, lesion["lesion_setting"]),
        missing=() if diameter.known else ("lesion_diameter_cm",),
        beyond=str(band.value) if band.value in (size.SURGERY_FIRST, size.DISCOURAGED) else "",
    )


def advise_cavity(lesion: View, knowledge: Knowledge, on: dt.date) -> Advice:
    """By the volume of the cavity; by the arms of a trial while there is none or it is not known."""
    schemes = Schemes(knowledge, on)
    diameter, volume = lesion["cavity_diameter_cm"], lesion["cavity_volume_ml"]
    by_volume, trial = schemes.by_volume(volume), schemes.cavity_trial()
    several = tuple(scheme for scheme in trial if scheme.fractions > 1)
    single = tuple(scheme for scheme in trial if scheme.fractions == 1)
    return Advice(
        lesion=lesion.applies_to,
        setting=CAVITY,
        size=_size(diameter, volume),
        taken=(*(by_volume or single), *several),
        other=(*(single if by_volume else ()), *schemes.common_fsrs()),
        facts=(diameter, volume, lesion["lesion_setting"]),
        missing=() if volume.known else ("cavity_volume_ml",),
    )


def advise_before_resection(lesion: View, knowledge: Knowledge, on: dt.date) -> Advice:
    """Published examples for a lesion as if it were to be resected after radiosurgery, with their ceiling."""
    schemes = Schemes(knowledge, on)
    diameter = lesion["lesion_diameter_cm"]
    ceiling = neoadjuvant.escalation_ceiling(lesion, knowledge.values(NEOADJUVANT_CEILING, on))
    return Advice(
        lesion=lesion.applies_to,
        setting=TO_BE_RESECTED,
        size=_size(diameter, lesion["lesion_volume_ml"]),
        taken=schemes.neoadjuvant_examples(),
        other=schemes.neoadjuvant_ceiling(ceiling),
        facts=(diameter, lesion["lesion_setting"]),
    )


def _size(diameter: Term, volume: Term) -> str:
    told = [f"{diameter.value:g} cm"] if diameter.known else []
    return ", ".join([*told, *([f"{volume.value:g} ml"] if volume.known else [])])
