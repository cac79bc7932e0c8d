"""The events that services exchange: CloudEvents 1.0 in JSON, one struct per kind of data.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from typing import Any, Literal

import msgspec

from isodose.clinical import record as clinical_record
from isodose.clinical.record import PatientRecord

RECORDS = "isodose.patient-record.v1"
GUIDANCE = "isodose.guidance.v1"
DAYS = "isodose.day-started.v1"
FEEDBACK = "isodose.card-feedback.v1"
LARGEST = 900_000
"""Bytes of data that an event carries itself; what is larger goes by claim check."""


class Topic(msgspec.Struct, frozen=True):
    """A topic of the contract. Compaction waits a day, since three services share a key of guidance."""

    name: str
    cleanup: Literal["compact", "compact,delete", "delete"]
    partitions: int
    types: tuple[str, ...]


TOPICS = {
    topic.name: topic
    for topic in (
        Topic(RECORDS, "compact", 6, ("isodose.patient-record.changed",)),
        Topic(
            GUIDANCE,
            "compact,delete",
            6,
            ("isodose.eligibility.assessed", "isodose.surveillance.planned", "isodose.alerts.checked"),
        ),
        Topic(DAYS, "delete", 1, ("isodose.day.started",)),
        Topic(FEEDBACK, "delete", 3, ("isodose.card.feedback",)),
    )
}


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The envelope. `subject` is the patient id; `dataref` stands for data too large to carry."""

    id: str
    source: str
    type: str
    time: str
    specversion: Literal["1.0"] = "1.0"
    subject: str | None = None
    datacontenttype: str = "application/json"
    dataschema: str | None = None
    traceparent: str | None = None
    dataref: str | None = None
    data: msgspec.Raw = msgspec.Raw(b"null")


class DayStarted(msgspec.Struct, frozen=True):
    """A day has begun at the site."""

    on: dt.date


class GuidanceData(msgspec.Struct, frozen=True, rename="camel"):
    """What one service concluded on one patient: findings and options as in `$assess`, and FHIR resources."""

    patient_id: str
    service: str
    record_version: int
    knowledge_version: str
    on: dt.date
    findings: list[Any] = []
    options: list[Any] = []
    resources: list[dict[str, Any]] = []


class TooLargeError(Exception):
    """The data does not fit an event, and no store to refer to is given."""


_encoder = msgspec.json.Encoder(order="deterministic")
_decoder = msgspec.json.Decoder(Event)


def encode(event: Event) -> bytes:
    """The envelope with everything that CloudEvents and this contract ask for, defaults included."""
    members = {name: value for name, value in msgspec.structs.asdict(event).items() if value is not None}
    return _encoder.encode(members)


def decode(value: bytes) -> Event:
    """The event in a record's value. Raises `msgspec.ValidationError` or `msgspec.DecodeError`."""
    return _decoder.decode(value)


Store = Callable[[str], bytes]


def data_of(event: Event, fetch: Store | None = None) -> bytes:
    """The data, fetched by its claim check where it was too large to travel."""
    if event.dataref is None:
        return bytes(event.data)
    if fetch is None:
        raise TooLargeError("the data is kept in the sender's store, which cannot be asked here")
    return fetch(event.dataref)


def record_changed(record: PatientRecord, traceparent: str | None = None) -> Event:
    data = clinical_record.encode(record)
    ref = f"patient-record/{record.patient_id}/{record.version}"
    return _event(
        "/ehr_ingestion", "isodose.patient-record.changed", data, record.patient_id, traceparent, ref=ref
    )


def guidance(type: str, source: str, data: Any, patient_id: str, traceparent: str | None = None) -> Event:
    return _event(f"/{source}", type, _encoder.encode(data), patient_id, traceparent)


def day_started(day: dt.date) -> Event:
    return _event("/day", "isodose.day.started", _encoder.encode(DayStarted(day)))


def card_feedback(source: str, data: Any) -> Event:
    return _event(f"/{source}", "isodose.card.feedback", _encoder.encode(data))


def _event(
    source: str,
    type: str,
    data: bytes,
    subject: str | None = None,
    traceparent: str | None = None,
    *,
    ref: str | None = None,
) -> Event:
    topic = next(topic.name for topic in TOPICS.values() if type in topic.types)
    is_large = len(data) > LARGEST
    if is_large and ref is None:
        raise TooLargeError(f"the data of {type} has {len(data)} bytes; at most {LARGEST} travel")
    return Event(
        id=str(uuid.uuid4()),
        source=source,
        type=type,
        time=dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds"),
        subject=subject,
        dataschema=f"https://isodose.example/events/{topic}.json",
        traceparent=traceparent,
        dataref=ref if is_large else None,
        data=msgspec.Raw(b"null" if is_large else data),
    )
