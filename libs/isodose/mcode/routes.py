"""By which route a drug is given: what acts in the whole body is told from what acts where it is put."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import orjson

from isodose.clinical.terminology import Coding, codings, words_of
from isodose.mcode.chart import Resource

Route = Literal["", "systemic", "topical", "inhaled", "ophthalmic", "local"]

# SNOMED CT routes from memory; the words of the route decide just as well.
_ROUTE_CODES: dict[str, Route] = {
    "26643006": "systemic",
    "47625008": "systemic",
    "34206005": "systemic",
    "78421000": "systemic",
    "37161004": "systemic",
    "54485002": "ophthalmic",
    "418401004": "ophthalmic",
    "6064005": "topical",
    "448598008": "topical",
    "46713006": "topical",
    "10547007": "local",
    "12130007": "local",
    "447694001": "inhaled",
}
_ROUTE_WORDS: tuple[tuple[Route, tuple[str, ...]], ...] = (
    ("ophthalmic", (" ophthalmic ", " eye ", " ocular ", " intravitreal ", " conjunctival ", " eye drops ")),
    (
        "topical",
        (" topical ", " cream ", " ointment ", " lotion ", " cutaneous ", " nasal ", " mouthwash ", " gel "),
    ),
    ("inhaled", (" inhalation ", " inhaled ", " inhaler ", " nebuliser ", " nebulizer ", " nebulized ")),
    (
        "local",
        (
            " otic ",
            " ear ",
            " intraarticular ",
            " intra articular ",
            " intralesional ",
            " epidural ",
            " enema ",
            " dental ",
        ),
    ),
    (
        "systemic",
        (
            " oral ",
            " intravenous ",
            " iv ",
            " po ",
            " intramuscular ",
            " subcutaneous ",
            " tablet ",
            " tablets ",
            " capsule ",
        ),
    ),
)
_ATC_ROUTES: tuple[tuple[str, Route], ...] = (
    ("S01", "ophthalmic"),
    ("S02", "local"),
    ("S03", "ophthalmic"),
    ("D", "topical"),
    ("R01", "topical"),
    ("R03", "inhaled"),
    ("A01", "local"),
    ("A07", "local"),
    ("C05", "local"),
)


def route_of(given: list[Coding], words: str, dosages: list[bytes], local_code: str = "") -> Route:
    """Where a drug acts: by the dose's own route, the drug's code, then form and text; empty if not told.

    `dosages` are FHIR Dosage as JSON.
    """
    told = [_of_dosage(written) for written in dosages]
    for route, _ in told:
        if route:
            return route
    for coding in given:
        if coding.system == "atc":
            for prefix, known in _ATC_ROUTES:
                if coding.code.startswith(prefix):
                    return known
    if local_code:
        return "local" if local_code != "C9257" else "ophthalmic"
    said = (by_words for _, by_words in told if by_words)
    by_form: Route = _route_in(words) or ""
    return by_form or next(said, by_form)


@lru_cache(maxsize=4096)
def _of_dosage(written: bytes) -> tuple[Route, Route]:
    """The route that a Dosage states, and the one that its site and words tell."""
    one: Resource = orjson.loads(written)
    route = one.get("route")
    coded = [_ROUTE_CODES[c.code] for c in codings(route) if c.code in _ROUTE_CODES]
    stated = coded[0] if coded else _route_in(words_of(route))
    told = _route_in(words_of(one.get("site"), str(one.get("text") or "")))
    return stated or "", told or ""


@lru_cache(maxsize=4096)
def _route_in(words: str) -> Route | None:
    return next((route for route, known in _ROUTE_WORDS if any(word in words for word in known)), None)
