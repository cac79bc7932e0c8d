"""The working days of a country or region, from the `holidays` library (https://holidays.readthedocs.io)."""

from __future__ import annotations

from are_surveillance.working_days import EVERY_DAY, WorkingDays
from isodose.clinical.knowledge import KnowledgeError


class UnknownCalendarError(KnowledgeError):
    """The setting names no calendar that the library has."""


def calendar(name: str) -> WorkingDays:
    """The calendar `name`: a country (`DE`) or a part of one (`DE-BY`); empty: every day is a working day.

    Weekends are those of the country. Raises `UnknownCalendarError`.
    """
    if not name:
        return EVERY_DAY
    import holidays  # noqa: PLC0415 (25 MB that a site without a calendar does not need)

    country, _, part = name.partition("-")
    try:
        known = holidays.country_holidays(country, subdiv=part or None)
    except NotImplementedError as error:
        raise UnknownCalendarError(
            f"there is no working calendar {name!r}: give a country (DE) or a part of one (DE-BY)"
        ) from error
    return WorkingDays(name, known.is_working_day)
