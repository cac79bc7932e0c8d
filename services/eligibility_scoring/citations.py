"""A citation as FHIR has it.

https://hl7.org/fhir/R4/metadatatypes.html#RelatedArtifact
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from isodose.clinical.finding import Citation
from isodose.clinical.knowledge import Knowledge


def artifact(source: Citation) -> dict[str, Any]:
    """A citation as RelatedArtifact: what is cited, its number in the review, the figure."""
    numbers = f" [{', '.join(map(str, source.ref))}]" if source.ref else ""
    figure = f": {source.figure}" if source.figure else ""
    unseen = " (source awaits clinical sign-off)" if source.seen == "memory" else ""
    made: dict[str, Any] = {"type": "citation", "citation": f"{source.cite}{numbers}{figure}{unseen}"}
    if source.doi:
        made["url"] = f"https://doi.org/{source.doi}"
    return made


def artifacts(codes: Iterable[str], knowledge: Knowledge) -> list[dict[str, Any]]:
    """The sources of these entries, each once. Not to be changed by the caller: each is made once."""
    by_code = _numbered(knowledge)
    return list({number: made for code in codes for number, made in by_code[code]}.values())


@lru_cache(maxsize=8)
def _numbered(knowledge: Knowledge) -> Mapping[str, tuple[tuple[int, dict[str, Any]], ...]]:
    """By entry, its sources; what is cited by several has one number."""
    numbers: dict[Citation, int] = {}
    return {
        code: tuple((numbers.setdefault(source, len(numbers)), artifact(source)) for source in entry.evidence)
        for code, entry in knowledge.entries.items()
    }
