"""A citation as FHIR has it.

https://hl7.org/fhir/R4/metadatatypes.html#RelatedArtifact
"""

from __future__ import annotations

from typing import Any

from isodose.clinical.finding import Citation


def artifact(source: Citation) -> dict[str, Any]:
    """A citation as RelatedArtifact: what is cited, its number in the review, the figure."""
    numbers = f" [{', '.join(map(str, source.ref))}]" if source.ref else ""
    figure = f": {source.figure}" if source.figure else ""
    unseen = " (source awaits clinical sign-off)" if source.seen == "memory" else ""
    made: dict[str, Any] = {"type": "citation", "citation": f"{source.cite}{numbers}{figure}{unseen}"}
    if source.doi:
        made["url"] = f"https://doi.org/{source.doi}"
    return made
