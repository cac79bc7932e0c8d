"""Hospice care as an EHR records it: encounters, discharges, episodes, procedures, orders and findings.

Each gives the fact `surveillance_pause`, derived, from the day on which the care began. The end of an
episode of hospice care gives `none`; the end of an encounter does not, for care may go on at home.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any, NamedTuple

from isodose.clinical.record import Certainty
from isodose.clinical.terminology import codings, value_set
from isodose.mcode.chart import Chart, Reading, items, reference_to
from isodose.mcode.conditions import began_on, holds
from isodose.mcode.days import day, days_done, days_of

_BEGUN = ("arrived", "triaged", "in-progress", "onleave", "finished")


class _Care(NamedTuple):
    """Hospice care from a day on, as one resource tells it; `ended` is the last day where it tells that."""

    ref: str
    since: dt.date | None
    ended: dt.date | None
    certainty: Certainty
    why: str


def read(chart: Chart, reading: Reading) -> None:
    """State each beginning of hospice care, and each end of an episode that no other care outlasts."""
    found = [
        *_encounters(chart),
        *_episodes(chart),
        *_procedures(chart),
        *_orders(chart),
        *_findings(chart),
    ]
    for care in found:
        certainty = care.certainty if care.since else "ask"
        reading.infer(
            "surveillance_pause", "hospice", care.ref, care.since, why=care.why, certainty=certainty
        )
        if care.ended and care.ref.startswith("EpisodeOfCare/") and not _outlasted(care.ended, found):
            why = f"The episode of hospice care ended on {care.ended}."
            reading.infer(
                "surveillance_pause", "none", care.ref, care.ended, why=why, certainty=care.certainty
            )


def _outlasted(end: dt.date, found: list[_Care]) -> bool:
    return any(
        other.certainty != "ask"
        and other.since is not None
        and other.since <= end
        and (other.ended is None or other.ended > end)
        for other in found
    )


def _encounters(chart: Chart) -> Iterator[_Care]:
    for encounter in chart.of("Encounter"):
        if encounter.get("status") == "cancelled":
            continue
        ref = reference_to(encounter)
        since, ended = days_of(encounter.get("period"))
        begun: Certainty = "likely" if encounter.get("status") in _BEGUN else "ask"
        kinds = [{"coding": [encounter.get("class")]}, encounter.get("type"), encounter.get("serviceType")]
        if _says_hospice(kinds):
            yield _Care(ref, since, ended, begun, f"An encounter of hospice care{_from_to(since, ended)}.")
        stay = encounter.get("hospitalization")
        if isinstance(stay, dict) and _says_hospice(stay.get("dischargeDisposition")):
            left = ended or since
            yield _Care(ref, left, None, begun, f"Discharged to hospice care{_from_to(left, None)}.")


def _episodes(chart: Chart) -> Iterator[_Care]:
    for episode in chart.of("EpisodeOfCare"):
        if episode.get("status") == "cancelled" or not _says_hospice(episode.get("type")):
            continue
        since, ended = days_of(episode.get("period"))
        running = episode.get("status") in ("active", "onhold")
        over = episode.get("status") == "finished" and ended is not None
        certainty: Certainty = "likely" if running or over else "ask"
        why = f"An episode of hospice care{_from_to(since, ended)}, {episode.get('status')}."
        yield _Care(reference_to(episode), since, ended, certainty, why)


def _procedures(chart: Chart) -> Iterator[_Care]:
    for procedure in chart.of("Procedure"):
        if procedure.get("status") not in ("in-progress", "completed"):
            continue
        if value_set("hospice").match(chart.codes(procedure)) is not None:
            since, _ = days_done(procedure)
            why = f"A procedure says hospice care{_from_to(since, None)}."
            yield _Care(reference_to(procedure), since, None, "likely", why)


def _orders(chart: Chart) -> Iterator[_Care]:
    """An order is no care yet: it is asked about."""
    for request in chart.of("ServiceRequest"):
        wanted = request.get("status") in ("active", "completed") and request.get("doNotPerform") is not True
        if wanted and value_set("hospice").match(chart.codes(request)) is not None:
            since = day(request.get("authoredOn"))
            why = f"Hospice care was ordered{_from_to(since, None)}."
            yield _Care(reference_to(request), since, None, "ask", why)


def _findings(chart: Chart) -> Iterator[_Care]:
    for condition in chart.of("Condition"):
        if holds(condition) and value_set("hospice").match(chart.codes(condition)) is not None:
            since = began_on(condition)
            why = f"A condition says hospice care{_from_to(since, None)}."
            yield _Care(reference_to(condition), since, None, "likely", why)


def _says_hospice(concepts: Any) -> bool:
    return value_set("hospice").match(codings(*items(concepts))) is not None


def _from_to(since: dt.date | None, ended: dt.date | None) -> str:
    return f"{f' from {since}' if since else ''}{f' to {ended}' if ended else ''}"
