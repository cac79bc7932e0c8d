"""FHIR dates of any precision as the range of time they mean.

https://hl7.org/fhir/R4/search.html#date
"""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

_MICROSECOND = timedelta(microseconds=1)
_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)
_WIDTHS = {5: timedelta(minutes=1), 12: timedelta(milliseconds=1), 15: _MICROSECOND}


@lru_cache(maxsize=4096)
def bounds(text: str) -> tuple[datetime, datetime]:
    """First and last moment of a date, dateTime or instant; days without a time zone are taken in UTC.

    Raises ValueError for what is not a FHIR date.
    """
    if "T" in text:
        start = _moment(text)
        return start, _before(start, _WIDTHS.get(len(text.partition("T")[2].rstrip("Z")), _SECOND))
    if len(text) == 10:
        first = date.fromisoformat(text)
        return _midnight(first), _before(_midnight(first), _DAY)
    if len(text) == 7:
        first = date.fromisoformat(f"{text}-01")
        return _midnight(first), _before(
            _midnight(first), timedelta(days=monthrange(first.year, first.month)[1])
        )
    if len(text) == 4:
        year = int(text)
        return _midnight(date(year, 1, 1)), _before(_midnight(date(year, 12, 31)), _DAY)
    raise ValueError("not a FHIR date")


def _before(start: datetime, width: timedelta) -> datetime:
    """The last moment of what starts here and is this wide; the end of time stays the end of time."""
    try:
        return start + width - _MICROSECOND
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def _moment(text: str) -> datetime:
    leap = text[17:19] == "60"
    moment = datetime.fromisoformat(f"{text[:17]}59{text[19:]}" if leap else text)
    try:
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        return moment + _SECOND if leap else moment
    except OverflowError:
        return moment.replace(tzinfo=UTC)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
