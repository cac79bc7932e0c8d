"""Where in the body something is: in the brain, elsewhere, or not told."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from isodose.clinical.terminology import Coding, codings, value_set, words_of
from isodose.mcode.chart import Resource, extensions, items

Region = Literal["brain", "other", "unknown"]
Extent = Literal["entire", "partial", ""]

_NOT_CRANIAL = {"spinal_cord", "eye", "eye_lens"}
_NOT_A_LESION_SITE = {"meninges", "dura_mater", "cochlea", "vestibulocochlear_nerve", "optic_nerve"}
_BRAIN_WORDS = (
    " brain ",
    " cerebral ",
    " cerebrum ",
    " cerebellum ",
    " cerebellar ",
    " intracranial ",
    " cranial ",
    " brainstem ",
    " brain stem ",
    " frontal lobe ",
    " temporal lobe ",
    " parietal lobe ",
    " occipital lobe ",
)
_LOCATION_QUALIFIER = "mcode-body-location-qualifier"


def region_of(given: Iterable[Coding], words: str = "") -> Region:
    """Brain when any site says so, other when only other sites are named, unknown when none is."""
    known = list(given)
    sites = value_set("body_sites").matches(known)
    if any(site.id not in _NOT_CRANIAL for site in sites):
        return "brain"
    if any(word in words for word in _BRAIN_WORDS):
        return "brain"
    return "other" if known or words.strip() else "unknown"


def site_region(*sites: Any) -> Region:
    """The region that FHIR CodeableConcepts of sites name."""
    return region_of(codings(*sites), words_of(*sites))


def is_lesion_site(location: Any) -> bool:
    """Whether a location lies in the brain itself, where a metastasis may sit."""
    known = codings(location)
    sites = value_set("body_sites").matches(known)
    if sites:
        return any(site.id not in _NOT_CRANIAL | _NOT_A_LESION_SITE for site in sites)
    return region_of(known, words_of(location)) == "brain"


def extent_of(*qualifiers: Any) -> Extent:
    """Whole or part, by the location qualifiers of a volume or a site."""
    found = {concept.id for concept in value_set("site_qualifiers").matches(codings(*qualifiers))}
    if "qualifier_partial" in found:
        return "partial"
    return "entire" if "qualifier_entire" in found else ""


def extent_of_site(site: Any) -> Extent:
    """Whole or part, by the qualifier extension on a bodySite."""
    if not isinstance(site, dict):
        return ""
    return extent_of([e.get("valueCodeableConcept") for e in extensions(site, _LOCATION_QUALIFIER)])


def body_structures_of(resource: Resource) -> list[Any]:
    """References to BodyStructures that a Procedure or ServiceRequest names as its targets."""
    found = [e.get("valueReference") for e in extensions(resource, "/procedure-targetBodyStructure")]
    for site in items(resource.get("bodySite")):
        if isinstance(site, dict):
            found.extend(e.get("valueReference") for e in extensions(site, "/bodySite"))
    found.extend(
        info
        for info in items(resource.get("supportingInfo"))
        if isinstance(info, dict) and "BodyStructure/" in str(info.get("reference", ""))
    )
    return [reference for reference in found if reference]
