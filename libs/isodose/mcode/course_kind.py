"""What kind of course it is. mCODE has no code for a stereotactic technique, so the kind is inferred: from
procedure codes, words, whole or partial brain, fractions and dose per fraction, and says why and how surely.

The schedules are those of the review (27 Gy in 3, 25 to 35 Gy in 5 fractions; DOSE-fsrs-common-schedules).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from isodose.clinical.record import Certainty, CourseKind
from isodose.clinical.terminology import Coding, value_set
from isodose.mcode.sites import Extent, Region

_ONE_SESSION = {"447704003", "77371", "77372", "77432"}
_SEVERAL_SESSIONS = {"447912004", "G0340"}
_SRS_WORDS = (
    " radiosurgery ",
    " stereotactic ",
    " srs ",
    " fsrs ",
    " hsrt ",
    " fsrt ",
    " gamma knife ",
    " gammaknife ",
    " cyberknife ",
    " zap x ",
)
_FRACTIONATED_WORDS = (" fsrs ", " fsrt ", " hsrt ", " fractionated ", " hypofractionated ")
_WHOLE_WORDS = (" whole brain ", " wbrt ", " wbi ")
_SPARING_WORDS = (" hippocampal avoidance ", " hippocampal sparing ", " ha wbrt ", " hippocampus sparing ")
_OTHER_DISEASE_WORDS = (
    " trigeminal ",
    " arteriovenous ",
    " avm ",
    " acoustic ",
    " schwannoma ",
    " meningioma ",
    " cavernous ",
    " cavernoma ",
    " pituitary ",
    " tremor ",
    " thalamotomy ",
)


@dataclass(frozen=True)
class Clues:
    """All that speaks for a kind. `words` as `terminology.words_of` gives them."""

    codings: tuple[Coding, ...]
    words: str
    region: Region
    extent: Extent
    fractions: int | None
    total_gy: float | None
    per_fraction_gy: float | None
    cobalt: bool = False

    @property
    def schedule(self) -> str:
        if self.fractions and self.per_fraction_gy:
            return f"{self.fractions} x {self.per_fraction_gy:g} Gy"
        return f"{self.fractions or 'an unknown number of'} fractions"


class Kind(NamedTuple):
    kind: CourseKind
    certainty: Certainty
    reasons: tuple[str, ...]


def is_radiosurgery(codings: tuple[Coding, ...]) -> bool:
    """Whether a code says radiosurgery of, or fit for, a metastasis."""
    concepts = value_set("radiosurgery").matches(codings)
    return bool(concepts) and all(concept.role != "srs_exclude" for concept in concepts)


def infer(clues: Clues) -> Kind:
    """The kind of a course with its reasons; `ask` where a person must decide."""
    concepts = value_set("radiosurgery").matches(clues.codings)
    if any(concept.role == "srs_exclude" for concept in concepts):
        return Kind(
            "focal", "sure", ("The procedure code is radiosurgery of another disease than a metastasis.",)
        )
    codes = {c.code for c in clues.codings if value_set("radiosurgery").get(c)}
    body = any(concept.id == "sbrt_or_fractionated_srs" for concept in concepts)
    cranial = any(concept.role == "srs" and concept.id != "sbrt_or_fractionated_srs" for concept in concepts)
    anywhere = codes <= {"115959002", "446504008", "G0339", "G0340"}
    if clues.region == "other" and (anywhere or not cranial):
        return Kind("extracranial", "sure", ("The treated site lies outside the brain.",))
    if body and not cranial and clues.region == "unknown":
        reason = (
            "The code is billed for body and for cranial stereotactic radiotherapy, and no site is given."
        )
        return Kind("unknown", "ask", (reason,))
    if cranial or body:
        return _by_code(codes, clues, body and not cranial)
    return _by_words(clues) or _by_numbers(clues)


def _by_code(codes: set[str], clues: Clues, body: bool) -> Kind:  # noqa: PLR0911 (one return per clue)
    reason = "A procedure code says radiosurgery."
    if any(word in clues.words for word in _OTHER_DISEASE_WORDS):
        return Kind("focal", "ask", (reason, "The words name another disease than a metastasis."))
    if clues.region == "other":
        return Kind("unknown", "ask", (reason, "The code is cranial and the treated site is not."))
    fractions = clues.fractions
    if codes & _ONE_SESSION and not codes & _SEVERAL_SESSIONS:
        if fractions is None or fractions == 1:
            return Kind("single_srs", "sure", ("The procedure code is radiosurgery in one session.",))
        return _several(clues, "ask", (f"The code is for one session, the dose is {clues.schedule}.",))
    if codes & _SEVERAL_SESSIONS and fractions is None:
        return Kind("fsrs", "sure", ("The procedure code is fractionated radiosurgery.",))
    if fractions == 1:
        certainty: Certainty = "ask" if codes & _SEVERAL_SESSIONS else "likely" if body else "sure"
        return Kind("single_srs", certainty, (reason, "It was one fraction."))
    if fractions is not None:
        return _several(clues, "sure", (reason, f"It was {clues.schedule}."))
    if body:
        return Kind(
            "fsrs", "likely", ("The code is stereotactic radiotherapy in up to 5 fractions, of the brain.",)
        )
    certainty = "ask" if codes <= {"G0339"} else "likely"
    return Kind("single_srs", certainty, (reason, "The number of fractions is not given."))


def _several(clues: Clues, certainty: Certainty, reasons: tuple[str, ...]) -> Kind:
    if (clues.fractions or 0) <= 5:
        return Kind("fsrs", certainty, reasons)
    return Kind("focal", "ask", (*reasons, "More than 5 fractions are not radiosurgery."))


def _by_words(clues: Clues) -> Kind | None:  # noqa: PLR0911 (one return per clue)
    words = clues.words
    if any(word in words for word in _SPARING_WORDS):
        return Kind("ha_wbrt", "likely", ("The words say whole brain with hippocampal avoidance.",))
    if any(word in words for word in _WHOLE_WORDS) and clues.extent != "partial":
        certainty: Certainty = "sure" if clues.extent == "entire" else "likely"
        return Kind("wbrt", certainty, ("The words say whole brain.",))
    if not any(word in words for word in _SRS_WORDS):
        return None
    if any(word in words for word in _OTHER_DISEASE_WORDS):
        return Kind("focal", "likely", ("The words say radiosurgery of another disease than a metastasis.",))
    named = "The words say stereotactic radiosurgery."
    knife = " gamma knife " in words or " gammaknife " in words
    if clues.region == "unknown" and not knife:
        return Kind("unknown", "ask", (named, "No site is given: it may be the body."))
    if clues.fractions == 1:
        return Kind("single_srs", "likely", (named, "It was one fraction."))
    if clues.fractions is not None:
        return _several(clues, "likely", (named, f"It was {clues.schedule}."))
    if any(word in words for word in _FRACTIONATED_WORDS):
        return Kind("fsrs", "likely", ("The words say fractionated stereotactic radiosurgery.",))
    return Kind("single_srs", "ask", (named, "The number of fractions is not given."))


def _by_numbers(clues: Clues) -> Kind:  # noqa: PLR0911 (one return per clue)
    if clues.region == "unknown":
        return Kind("unknown", "ask", ("The treated site is not given.",))
    fractions, single, total = clues.fractions, clues.per_fraction_gy, clues.total_gy
    if clues.extent == "entire":
        usual = fractions is not None and fractions >= 5 and single is not None and 1.8 <= single <= 4
        why = f"The whole brain is treated with {clues.schedule}."
        return Kind("wbrt", "sure" if usual else "ask" if fractions == 1 else "likely", (why,))
    if fractions is None or single is None or total is None:
        part = " of part of the brain" if clues.extent == "partial" else ""
        return Kind("unknown", "ask", (f"Radiotherapy{part} whose fractions and dose are not both given.",))
    if fractions == 1:
        return _one_fraction(clues, single)
    if fractions <= 5 and single >= 5:
        return _few_fractions(clues, single, total)
    if clues.extent == "partial":
        return Kind(
            "focal", "likely", (f"{clues.schedule} to part of the brain is no radiosurgery schedule.",)
        )
    if total <= 40 and fractions >= 5:
        why = f"{clues.schedule} is a whole-brain schedule, and whole or part of the brain is not told."
        return Kind("wbrt", "ask", (why,))
    return Kind(
        "focal", "likely", (f"{clues.schedule} to the brain is neither radiosurgery nor whole-brain.",)
    )


def _one_fraction(clues: Clues, single: float) -> Kind:
    if clues.cobalt and single >= 12:
        return Kind(
            "single_srs", "sure", (f"One fraction of {single:g} Gy from cobalt-60, as a Gamma Knife gives.",)
        )
    if single >= 12:
        return Kind("single_srs", "likely", (f"One fraction of {single:g} Gy to part of the brain.",))
    return Kind("focal", "ask", (f"One fraction of {single:g} Gy is less than radiosurgery usually gives.",))


def _few_fractions(clues: Clues, single: float, total: float) -> Kind:
    first = f"{clues.schedule} ({total:g} Gy) to {'part of ' if clues.extent == 'partial' else ''}the brain."
    unnamed = "Neither a code nor the words say stereotactic."
    if total >= 21 and single >= 6:
        return Kind("fsrs", "likely", (first, "It is a schedule of fractionated radiosurgery.", unnamed))
    if total >= 25:
        lowest = (
            "25 Gy in 5 is the lowest common schedule of fractionated radiosurgery; conventional short-course"
        )
        return Kind("fsrs", "ask", (first, f"{lowest} radiotherapy gives the same.", unnamed))
    return Kind("focal", "ask", (first, "It is less than the common schedules of fractionated radiosurgery."))
