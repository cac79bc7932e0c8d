"""By which route a drug is given: what acts in the whole body is told from what acts where it is put."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

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


def route_of(given: list[Coding], words: str, dosages: list[Resource], local_code: str = "") -> Route:
    """Where a drug acts: by the dose's own route, the drug's code, then form and text; empty if not told."""
    for dosage in dosages:
        route = dosage.get("route")
        for coding in codings(route):
            if (known := _ROUTE_CODES.get(coding.code)) is not None:
                return known
        if (known := _route_in(words_of(route))) is not None:
            return known
    for coding in given:
        if coding.system == "atc":
            for prefix, known in _ATC_ROUTES:
                if coding.code.startswith(prefix):
                    return known
    if local_code:
        return "local" if local_code != "C9257" else "ophthalmic"
    sites = words_of(*(d.get("site") for d in dosages), *(str(d.get("text") or "") for d in dosages))
    return _route_in(words) or _route_in(sites) or ""


@lru_cache(maxsize=4096)
def _route_in(words: str) -> Route | None:
    return next((route for route, known in _ROUTE_WORDS if any(word in words for word in known)), None)
