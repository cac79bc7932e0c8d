"""What a write asks of the version that it meets: `If-Match` and `If-None-Match`.

https://www.rfc-editor.org/rfc/rfc9110#section-13.1 · https://hl7.org/fhir/R4/http.html#concurrency
"""

from __future__ import annotations

from isodose.fhir.errors import precondition_failed


def refuse_stale(if_match: str | None, version: int | None, path: str, *, deleted: bool = False) -> None:
    """Raise 412 unless `If-Match`, where it is given, names this version (None where there never was one), or
    any by `*` of what is not `deleted`.
    """
    if if_match is not None and not _names(if_match, version, any_counts=not deleted):
        raise precondition_failed(
            "The resource is not in the version that If-Match names; read it again.", f"{path}.meta.versionId"
        )


def refuse_there(if_none_match: str | None, version: int | None, path: str, *, deleted: bool) -> None:
    """Raise 412 where `If-None-Match` names this version, or any by `*`, of what is not `deleted`."""
    if if_none_match is not None and not deleted and _names(if_none_match, version, any_counts=True):
        raise precondition_failed(
            "There is a version that If-None-Match excludes; read it, and change it with If-Match.",
            f"{path}.meta.versionId",
        )


def _names(tags: str, version: int | None, *, any_counts: bool) -> bool:
    """Whether a list of entity tags, weak or strong, names the version."""
    named = [tag.strip().removeprefix("W/") for tag in tags.split(",")]
    return version is not None and (f'"{version}"' in named or (any_counts and "*" in named))
