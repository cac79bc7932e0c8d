"""The history of one resource, of a type or of everything: newest first, page by page.

https://hl7.org/fhir/R4/http.html#history
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec

from isodose.fhir.criteria import unknown
from isodose.fhir.cursor import place_in, spelled
from isodose.fhir.reading import Reading
from isodose.fhir.resources import instant
from isodose.fhir.search_query import DEFAULT_COUNT, MAX_COUNT, SHAPING, span, whole
from isodose.fhir.stored import Stored

Place = tuple[str, str, str, Annotated[int, msgspec.Meta(ge=0, lt=2**31)]]
_place = msgspec.json.Decoder(Place)


def history(
    store: Reading,
    pairs: Iterable[tuple[str, str]],
    type: str | None = None,
    id: str | None = None,
    strict: bool = False,
) -> tuple[bytes, list[Stored]]:
    """A history Bundle and the versions in it. Parameters: `_since`, `_at`, `_count`. Raises 404 and 400."""
    count, asked, used = DEFAULT_COUNT, dict[str, Any](), list[tuple[str, str]]()
    for name, value in pairs:
        match name:
            case "_count":
                count = min(whole(name, value), MAX_COUNT)
            case "_since":
                asked["since"] = _range(name, value)[0]
            case "_at":
                asked["at"] = _range(name, value)
            case "_cursor":
                asked["after"] = place_in(value, _place)
                continue
            case _ if name not in SHAPING:
                if strict:
                    raise unknown("_history", name)
                continue
        used.append((name, value))
    rows = store.history(type, id, limit=count + 1, **asked)
    shown = [one for one in rows[:count] if store.shows(one)]
    following = spelled(_place_of(rows[count - 1])) if count and len(rows) > count else ""
    path = "/".join(filter(None, [store.base, type, id, "_history"]))
    links = [{"relation": "self", "url": _url(path, used)}]
    if following:
        links.append({"relation": "next", "url": _url(path, [*used, ("_cursor", following)])})
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "history"}
    if not following and "after" not in asked:
        bundle["total"] = len(shown)
    bundle["link"] = links
    if shown:
        bundle["entry"] = [_past(store.base, one) for one in shown]
    return msgspec.json.encode(bundle), shown


def _past(base: str, stored: Stored) -> dict[str, Any]:
    entry: dict[str, Any] = {"fullUrl": f"{base}/{stored.reference}"}
    if not stored.deleted:
        entry["resource"] = msgspec.Raw(stored.body)
    url = stored.type if stored.method == "POST" else stored.reference
    entry["request"] = {"method": stored.method, "url": url}
    entry["response"] = {
        "status": "201" if stored.version == 1 else "204" if stored.deleted else "200",
        "etag": f'W/"{stored.version}"',
        "lastModified": instant(stored.last_updated),
    }
    return entry


def _range(name: str, value: str) -> tuple[str, str]:
    start, end = span(name, value)
    return instant(start), instant(end)


def _place_of(stored: Stored) -> Place:
    return instant(stored.last_updated), stored.type, stored.id, stored.version


def _url(path: str, pairs: list[tuple[str, str]]) -> str:
    return path + (f"?{urlencode(pairs)}" if pairs else "")
