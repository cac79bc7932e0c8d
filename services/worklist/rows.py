"""What the clinic page says of one patient: of each decision service a part, made of its FHIR results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from worklist import wording

Json = dict[str, Any]
_SHOWN_ALERTS = 3


class Said(msgspec.Struct, frozen=True):
    """One open alert."""

    severity: str
    words: str


class Options(msgspec.Struct, frozen=True):
    """What leads, or `without` why nothing does; `wanted` is the most decisive missing fact, with `more`."""

    title: str = ""
    standing: str = ""
    without: str = ""
    wanted: str = ""
    more: int = 0


class Plans(msgspec.Struct, frozen=True):
    """The next scan's window, days as written, and whether a scan is overdue."""

    start: str = ""
    end: str = ""
    overdue: bool = False


class Alerts(msgspec.Struct, frozen=True):
    """Open alerts, the most severe first, how `many` there are, and how many were answered."""

    open: tuple[Said, ...] = ()
    many: int = 0
    answered: int = 0


class Row(msgspec.Struct, frozen=True):
    """One patient. A part of None was not told yet, or is not for whoever looks."""

    id: str
    options: Options | None = None
    plans: Plans | None = None
    alerts: Alerts | None = None


def options_of(results: Iterable[Json]) -> Options:
    known = [one for one in results if one.get("status") not in ("revoked", "entered-in-error")]
    groups = [one for one in known if one.get("resourceType") == "RequestGroup"]
    guidance = [one for one in known if one.get("resourceType") == "GuidanceResponse"]
    leading = wording.leading_option(groups)
    wanted = wording.wanted_facts(guidance)
    return Options(
        title=str(leading.get("title", "")) if leading else "",
        standing=wording.words_of(leading.get("code", [None, None])[1:2]) if leading else "",
        without="" if leading else wording.without_leader(groups),
        wanted=wanted[0][1] if wanted else "",
        more=max(len(wanted) - 1, 0),
    )


def plans_of(results: Iterable[Json]) -> Plans:
    known = list(results)
    scans = wording.open_scans(one for one in known if one.get("resourceType") == "ServiceRequest")
    tasks = wording.open_tasks(one for one in known if one.get("resourceType") == "Task")
    period = scans[0].get("occurrencePeriod", {}) if scans else {}
    return Plans(
        start=str(period.get("start", "")),
        end=str(period.get("end", "")),
        overdue=any(map(wording.is_overdue, tasks)),
    )


def alerts_of(results: Iterable[Json]) -> Alerts:
    standing = wording.open_alerts(one for one in results if one.get("resourceType") == "DetectedIssue")
    waiting = [one for one in standing if not wording.is_answered(one)]
    return Alerts(
        open=tuple(
            Said(str(a.get("severity", "")), wording.words_of(a.get("code"))) for a in waiting[:_SHOWN_ALERTS]
        ),
        many=len(waiting),
        answered=len(standing) - len(waiting),
    )


PARTS: Mapping[str, Any] = {
    "eligibility_scoring": ("options", options_of),
    "are_surveillance": ("plans", plans_of),
    "ici_steroid_alerts": ("alerts", alerts_of),
}
"""By service: the part that it tells, and how it is read from its results."""
