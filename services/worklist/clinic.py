"""One page of the clinic's patients, what needs action first, at a bounded number of requests.

The needs are walked in order; a patient who has several is shown with the most pressing one alone. A page
ends with the search page that filled it, so it may hold fewer patients than another.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from worklist import wording
from worklist.needs import BY_CODE, EVERYONE, NEEDS, ORDER, Need, most_pressing
from worklist.rows import Row, rows_of, with_options
from worklist.upstream import AwayError, Found, Upstream

Json = dict[str, Any]
SIZE = 25
_PLACE = re.compile(r"([a-z-]+)\.([A-Za-z0-9_-]*)\.([A-Za-z0-9.-]{0,64})")


@dataclass(frozen=True)
class Asked:
    """What the reader asked for: a need alone, a name that begins like this, and where the page begins."""

    need: str = ""
    name: str = ""
    place: str = ""

    @property
    def is_everyone(self) -> bool:
        """All patients whatever their need: searched by name, or asked for as such."""
        return bool(self.name) or self.need == EVERYONE.code


@dataclass(frozen=True)
class Page:
    """Patients with the need each is shown for; `following` is the place of the next page, if any."""

    shown: list[tuple[Need, Row]]
    following: str = ""
    away: list[Need] = field(default_factory=list)


async def page(upstream: Upstream, asked: Asked) -> Page:
    """The page. Raises `AwayError` where the patients themselves cannot be read."""
    found, following, away = await _candidates(upstream, asked)
    read = await rows_of(upstream, list(found))
    kept = [(_shown_for(row, asked), row) for row in read if _belongs(row, found[row.id], asked)]
    if not asked.is_everyone:
        kept.sort(key=lambda shown: ORDER.index(shown[0].code))
    full = await with_options(upstream, [row for _, row in kept])
    return Page([(n, row) for (n, _), row in zip(kept, full, strict=True)], following, away)


def _shown_for(row: Row, asked: Asked) -> Need:
    return most_pressing(row) if asked.is_everyone or not asked.need else BY_CODE[asked.need]


def _belongs(row: Row, found_by: set[str], asked: Asked) -> bool:
    """Whether the patient is shown here and not on the page of a more or less pressing need."""
    if asked.is_everyone:
        return True
    return BY_CODE[asked.need].holds(row) if asked.need else most_pressing(row).code in found_by


async def _candidates(upstream: Upstream, asked: Asked) -> tuple[dict[str, set[str]], str, list[Need]]:
    """Patient ids with the needs they were found by, the place of the next page, and what was away."""
    if asked.name:
        found = await _search(upstream, EVERYONE, _cursor(asked.place, EVERYONE)[0], asked.name)
        used = [r for r in found.resources if not _is_replaced(r)]
        return {r["id"]: {EVERYONE.code} for r in used}, _at(EVERYONE, found, ""), []
    walked = (BY_CODE[asked.need],) if asked.need else (*NEEDS, EVERYONE)
    first = _begins(asked.place, walked)
    cursor, last = _cursor(asked.place, walked[first])
    ids: dict[str, set[str]] = {}
    away: list[Need] = []
    for index in range(first, len(walked)):
        need = walked[index]
        try:
            found = await _search(upstream, need, cursor)
        except AwayError:
            if need is EVERYONE:
                raise
            away.append(need)
            cursor = last = ""
            continue
        keys = [_patient(resource) for resource in found.resources if not _is_replaced(resource)]
        for key in keys:
            if key and key != last:
                ids.setdefault(key, set()).add(need.code)
        if found.following:
            return ids, _at(need, found, keys[-1] if keys else ""), away
        if len(ids) >= SIZE and index + 1 < len(walked):
            return ids, f"{walked[index + 1].code}..", away
        cursor = last = ""
    return ids, "", away


async def _search(upstream: Upstream, need: Need, cursor: str, name: str = "") -> Found:
    query = dict(need.query) | {"_count": str(SIZE)}
    query |= {"_cursor": cursor} if cursor else {}
    query |= {"name": name.replace("\\", "").replace(",", "\\,")} if name else {}
    return await upstream.search(need.service, need.kind, query)


def _is_replaced(resource: Json) -> bool:
    """A Patient who was merged into another, on whom nothing is concluded any more."""
    return any(link.get("type") == "replaced-by" for link in resource.get("link", ()))


def _patient(resource: Json) -> str:
    is_patient = resource.get("resourceType") == "Patient"
    return str(resource.get("id", "")) if is_patient else wording.patient_of(resource)


def _at(need: Need, found: Found, last: str) -> str:
    return f"{need.code}.{found.following}.{last}" if found.following else ""


def _begins(place: str, walked: Sequence[Need]) -> int:
    told = _PLACE.fullmatch(place)
    codes = [need.code for need in walked]
    return codes.index(told[1]) if told and told[1] in codes else 0


def _cursor(place: str, need: Need) -> tuple[str, str]:
    """The position in the search of `need`, and the last patient seen there."""
    told = _PLACE.fullmatch(place)
    return (told[2], told[3]) if told and told[1] == need.code else ("", "")
