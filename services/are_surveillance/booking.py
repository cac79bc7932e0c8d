"""Which of the appointments being booked is a brain MRI, and for which day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from isodose.clinical import timeline
from isodose.clinical.terminology import codings, value_set, words_of

_MRI = (" mri ", " mr ", " magnetic resonance ")
_BRAIN = (" brain ", " head ", " cranial ", " cerebral ", " neuro ")


@dataclass(frozen=True, slots=True)
class Proposed:
    """A brain MRI proposed for one of the days from `day` to `until`; not `sure` where the appointment only
    says that it is an MRI.
    """

    day: dt.date
    until: dt.date
    sure: bool

    @property
    def text(self) -> str:
        return str(self.day) if self.day == self.until else f"{self.day} to {self.until}"


def proposed_brain_mri(
    appointments: Sequence[Mapping[str, Any]], known: Sequence[Mapping[str, Any]]
) -> Iterator[Proposed]:
    """What is, or may be, a brain MRI on a day that is told, each once. `known` holds the orders for it."""
    yield from dict.fromkeys(_proposed(appointments, known))


def _proposed(
    appointments: Sequence[Mapping[str, Any]], known: Sequence[Mapping[str, Any]]
) -> Iterator[Proposed]:
    orders = {f"{r.get('resourceType')}/{r.get('id')}": r for r in known}
    for appointment in appointments:
        days = _days(appointment)
        if appointment.get("status") in ("cancelled", "noshow", "entered-in-error") or days is None:
            continue
        based_on = [orders.get(str(ref.get("reference"))) for ref in appointment.get("basedOn", [])]
        said = [
            appointment.get("serviceType"),
            appointment.get("reasonCode"),
            appointment.get("description"),
            *(order.get("code") for order in based_on if order),
        ]
        sure = _is_brain_mri(said)
        if sure is not None:
            yield Proposed(*days, sure)


def _is_brain_mri(said: Sequence[Any]) -> bool | None:
    """True, or False where only MRI is said; None where it is something else."""
    concept = value_set("brain_imaging").match(codings(*said))
    if concept is not None:
        return True if concept.id.startswith("mri_brain") else None
    words = words_of(*said)
    if not any(word in words for word in _MRI):
        return None
    return any(word in words for word in _BRAIN)


def _days(appointment: Mapping[str, Any]) -> tuple[dt.date, dt.date] | None:
    """The first and the last day on which it may be; None where none is told."""
    periods: Sequence[Mapping[str, Any]] = appointment.get("requestedPeriod") or ({},)
    start = appointment.get("start")
    begins = timeline.possible_days(str(start or periods[0].get("start") or ""))
    if begins is None or begins.first is None or begins.last is None:
        return None
    ends = None if start else timeline.possible_days(str(periods[0].get("end") or ""))
    return begins.first, max(begins.last, ends.last if ends and ends.last else begins.last)
