"""Where a course of radiotherapy goes: to the brain or not, to all or part of it, and to which lesions."""

from __future__ import annotations

from collections.abc import Iterable

from isodose.clinical.terminology import codings, value_set, words_of
from isodose.mcode.chart import Chart, Resource, items, target_of
from isodose.mcode.course_sources import Told
from isodose.mcode.sites import (
    Extent,
    Region,
    body_structures_of,
    extent_of,
    extent_of_site,
    region_of,
    site_region,
)


def region_and_extent(chart: Chart, told: Told) -> tuple[Region, Extent]:
    """Brain or not, whole or part: by the sites of the course and of its volumes."""
    sites = items(told.resource.get("bodySite"))
    extents: list[Extent] = [extent_of_site(site) for site in sites]
    regions: list[Region] = [site_region(sites)] if sites else []
    for reference in _volume_references(told):
        volume = chart.by_ref.get(reference)
        if volume is not None and not is_organ_at_risk(volume):
            regions.append(site_region(volume.get("location")) if volume.get("location") else "unknown")
            extents.append(extent_of(volume.get("locationQualifier")))
    if not regions or set(regions) == {"unknown"}:
        regions.append(
            region_of((), words_of(told.resource.get("code"))) if _says_brain(told.resource) else "unknown"
        )
    region: Region = "brain" if "brain" in regions else "other" if "other" in regions else "unknown"
    if region == "unknown" and _brain_is_the_reason(told.resource):
        region = "brain"
    extent: Extent = "partial" if "partial" in extents else "entire" if "entire" in extents else ""
    return region, extent


def _brain_is_the_reason(resource: Resource) -> bool:
    reasons = codings(resource.get("reasonCode"))
    spread = value_set("metastases").match(reasons)
    if spread is not None:
        return spread.id == "brain_metastasis"
    return value_set("primary_brain_tumours").match(reasons) is not None


def _says_brain(resource: Resource) -> bool:
    words = words_of(resource.get("code"))
    if region_of((), words) == "brain":
        return True
    concept = value_set("radiosurgery").match(codings(resource.get("code")))
    return concept is not None and concept.id in ("srs_proton", "srs_icd10pcs")


def is_organ_at_risk(volume: Resource) -> bool:
    concept = value_set("radiotherapy").match(codings(volume.get("morphology")))
    return concept is not None and concept.id == "volume_oar"


def _volume_references(told: Told) -> list[str]:
    named = [dose.volume for dose in told.doses if dose.volume]
    return [*named, *(target_of(reference) for reference in body_structures_of(told.resource))]


def target_lesions(chart: Chart, tellers: Iterable[Told]) -> list[str]:
    """The target volumes that are lesions: not organs at risk, and not the whole brain."""
    found = set()
    for told in tellers:
        for reference in _volume_references(told):
            volume = chart.by_ref.get(reference)
            if volume is None or (
                not is_organ_at_risk(volume) and extent_of(volume.get("locationQualifier")) != "entire"
            ):
                found.add(reference)
    return sorted(found)
