"""Doses in words: what is usual for a lesion, by which scheme, and what a schedule amounts to as BED."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from eligibility_scoring.dosing import size
from eligibility_scoring.dosing.advice import CAVITY, RECURRENT, TO_BE_RESECTED, Advice
from eligibility_scoring.dosing.effect import bed_gy
from eligibility_scoring.dosing.schemes import (
    ASTRO,
    BY_DIAMETER,
    BY_VOLUME,
    CAVITY_TRIAL,
    COMMON_FSRS,
    NEOADJUVANT,
    NEOADJUVANT_CEILING,
    Scheme,
)
from eligibility_scoring.dosing.tolerance import SAME_LESION
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.rules import View

NAMES = {
    ASTRO: "ASTRO 2022",
    BY_DIAMETER: "RTOG 90-05 by diameter",
    BY_VOLUME: "volume bands of a cavity trial",
    COMMON_FSRS: "common FSRS schedules",
    CAVITY_TRIAL: "arms of ALLIANCE A071801",
    NEOADJUVANT: "published examples, no recommendation",
    NEOADJUVANT_CEILING: "ceiling of the escalation trial",
}
_SETTINGS = {
    "intact": "metastasis",
    RECURRENT: "metastasis recurrent after SRS",
    CAVITY: "cavity",
    TO_BE_RESECTED: "metastasis to be resected",
    "": "lesion",
}
ASSUMED = "Read as an intact metastasis: its setting is not on record"
AGAIN = "SUP-ARE-prior-radiation"
"""What earlier radiation of a lesion means for its risk."""
NEAR_ORGAN = {"brainstem": "SUP-OAR-brainstem", "optic_pathway": "SUP-OAR-optic"}
_BEYOND = {
    size.SURGERY_FIRST: "surgery first, else several fractions",
    size.DISCOURAGED: "SRS is discouraged at this size",
}


def target(advice: Advice) -> str:
    """`2.4 cm metastasis`, `cavity of 11 ml`."""
    kind = _SETTINGS[advice.setting]
    return f"{advice.size} {kind}" if advice.size else f"{kind} of unknown size"


def alternatives(schemes: Iterable[Scheme]) -> str:
    """`18 Gy in 1, 27 Gy in 3 or 30 Gy in 5`."""
    said = list(dict.fromkeys(scheme.words for scheme in schemes))
    return " or ".join([", ".join(said[:-1]), said[-1]] if len(said) > 1 else said)


def by_scheme(schemes: Iterable[Scheme]) -> str:
    """`18 Gy in 1 (RTOG 90-05 by diameter); 16 Gy in 1 (volume bands of a cavity trial)`."""
    grouped: dict[str, list[Scheme]] = {}
    for scheme in schemes:
        grouped.setdefault(scheme.code, []).append(scheme)
    return "; ".join(f"{alternatives(listed)} ({NAMES[code]})" for code, listed in grouped.items())


def usual(advice: Advice, fractions: int | None = None) -> str:
    """The usual doses of a lesion and the other readings, of one or of several `fractions`, on one line."""
    if not advice.taken and not advice.beyond:
        return "No usual dose can be read: the size is not known"
    taken = by_scheme(advice.taken) if advice.taken else f"{_BEYOND[advice.beyond]} ({NAMES[ASTRO]})"
    beside = by_scheme(advice.other if fractions is None else advice.beside(fractions))
    assumed = "" if advice.setting else f". {ASSUMED}"
    return f"Usual: {taken}{f'. Beside it: {beside}' if beside else ''}{assumed}"


def treated_again(knowledge: Knowledge) -> str:
    """Why there is no usual dose for a lesion that had radiosurgery, and how much more it risks."""
    entry = knowledge.entry(AGAIN)
    risk = f"{entry.met_as[SAME_LESION]} {entry.conflicts}"
    return (
        "no usual dose. This lesion had radiosurgery, and the schemes are for a first one: the board sets "
        f"the dose by what the site has received. {risk}"
    )


def near_organ(lesion: View, knowledge: Knowledge) -> tuple[str, str]:
    """What limits a dose that goes by size alone, and the entry that says so; empty where nothing is near."""
    kind = str(lesion["lesion_oar_type"].value or "")
    if kind in NEAR_ORGAN:
        entry = knowledge.entry(NEAR_ORGAN[kind])
        place = kind.replace("_", " ")
        said = f"Close to the {place}: these doses do not regard it. {entry.statement} {entry.caution}"
        return said, NEAR_ORGAN[kind]
    if lesion["lesion_near_oar"].value is True:
        return (
            "Close to an organ at risk: these doses do not regard what it tolerates.",
            "DOSE-fsrs-large-or-oar",
        )
    return "", ""


CAVITY_TIMING = ("TIME-postop-srs-1-2-weeks", "TIME-postop-srs-over-4-weeks")


def cavity_timing(resected_on: dt.date | None, knowledge: Knowledge, on: dt.date) -> str:
    """By when a cavity is to be irradiated, with the days where that of the resection is known."""
    recommended, harmful = (knowledge.values(code, on)["days_to"] for code in CAVITY_TIMING)
    if resected_on is None:
        return (
            f"Recommended by day {recommended} after surgery; after day {harmful} local control can suffer."
        )
    by, late = (resected_on + dt.timedelta(days=days) for days in (recommended, harmful))
    return f"Resection {resected_on}: recommended by {by}; after {late} local control can suffer."


def bed(total_gy: float, fractions: int, knowledge: Knowledge, on: dt.date) -> str:
    """BED of a schedule for tumour and brain with the alpha/beta used, and the doubt at high single doses."""
    k = knowledge.values("SUP-BED-formula", on)
    tumour, brain = k["tumour_alpha_beta_gy"], k["brain_alpha_beta_gy"]
    single = total_gy / fractions
    said = (
        f"BED {bed_gy(fractions, single, tumour):.1f} Gy for tumour (alpha/beta {tumour:g} Gy) and "
        f"{bed_gy(fractions, single, brain):.1f} Gy for brain ({brain:g} Gy), both assumed"
    )
    limit = knowledge.values("SUP-BED-validity", on)["dose_per_fraction_gy_above"]
    return f"{said}; disputed above {limit:g} Gy per fraction" if single > limit else said
