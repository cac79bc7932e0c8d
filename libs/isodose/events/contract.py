"""What the services tell each other: topics and CloudEvents 1.0 in JSON structured mode.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from isodose.clinical.record import PatientRecord

CONTENT_TYPE = "application/cloudevents+json; charset=UTF-8"
SCHEMAS = "https://isodose.example/events"
CLAIM_OVER_BYTES = 900_000
"""Data over this goes by claim check; Kafka refuses messages over 1 MiB by default."""


COMPACTED_WITHIN = dt.timedelta(days=7)
"""What was superseded or erased is gone from a compacted topic after so long."""


@dataclass(frozen=True)
class Topic:
    """`cleanup` is Kafka's `cleanup.policy`. A topic that is compacted alone is so within `COMPACTED_WITHIN`,
    and keeps a tombstone for `retention`: a reader that was away for less still learns of it.
    """

    name: str
    cleanup: Literal["compact", "delete", "compact,delete"]
    partitions: int = 6
    retention: dt.timedelta = dt.timedelta(days=7)

    def settings(self, replication: int | None = None) -> dict[str, str]:
        """The topic's configuration in Kafka's words; three replicas or more outlive the loss of one."""
        told: dict[str, str] = {"cleanup.policy": self.cleanup}
        if self.cleanup == "compact":
            told["delete.retention.ms"] = _ms(self.retention)
            told["max.compaction.lag.ms"] = _ms(COMPACTED_WITHIN)
        else:
            told["retention.ms"] = _ms(self.retention)
        if self.cleanup == "compact,delete":
            told["min.compaction.lag.ms"] = _ms(self.retention)
        if replication is not None and replication > 2:
            told["min.insync.replicas"] = "2"
        return told


def _ms(time: dt.timedelta) -> str:
    return str(int(time.total_seconds() * 1000))


TOPICS: Mapping[str, Topic] = {
    topic.name: topic
    for topic in (
        Topic("isodose.patient-record.v1", "compact", retention=dt.timedelta(days=30)),
        Topic("isodose.guidance.v1", "compact,delete", retention=dt.timedelta(days=30)),
        Topic("isodose.day-started.v1", "delete", partitions=1),
        Topic("isodose.card-feedback.v1", "delete", partitions=1, retention=dt.timedelta(days=30)),
    )
}


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One CloudEvent. `subject` is the patient id; `dataref` names the data when they go by claim check."""

    specversion: Literal["1.0"]
    id: str
    source: str
    type: str
    time: dt.datetime
    datacontenttype: str
    dataschema: str
    subject: str | None = None
    traceparent: str | None = None
    dataref: str | None = None
    data: msgspec.Raw = msgspec.Raw(b"null")


class GuidanceData(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What one service decided on one patient.

    A finding is told by what it says of this patient; its words and sources stand under its code in the
    knowledge of that version (decision 15). Resources are FHIR JSON, complete.
    """

    patient_id: str
    service: str
    record_version: int
    knowledge_version: str
    on: dt.date
    findings: list[dict[str, Any]]
    options: list[dict[str, Any]]
    resources: list[dict[str, Any]]


class DayStarted(msgspec.Struct, frozen=True, kw_only=True):
    """The day for which answers that depend on the day are renewed."""

    on: dt.date


class CardFeedback(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What became of one CDS card: the feedback of CDS Hooks 2.0, and the CDS service it is about."""

    card: str
    outcome: str
    outcome_timestamp: str
    service: str | None = None
    accepted_suggestions: list[dict[str, Any]] | None = None
    override_reason: dict[str, Any] | None = None


DATA: Mapping[str, type[msgspec.Struct]] = {
    "isodose.patient-record.changed": PatientRecord,
    "isodose.eligibility.assessed": GuidanceData,
    "isodose.surveillance.planned": GuidanceData,
    "isodose.alerts.checked": GuidanceData,
    "isodose.day.started": DayStarted,
    "isodose.card.feedback": CardFeedback,
}
"""What the data of each event type are."""

_encode = msgspec.json.Encoder(order="deterministic").encode
_event = msgspec.json.Decoder(Event)


def encode(event: Event) -> bytes:
    return _encode(event)


def decode(value: bytes) -> Event:
    """The event in `value`. Raises `msgspec.ValidationError` or `msgspec.DecodeError` where it is none."""
    return _event.decode(value)


def data_of(event: Event) -> bytes:
    """The event's data as JSON."""
    return bytes(event.data)


def record_changed(record: PatientRecord, traceparent: str | None = None) -> Event:
    """A record changed. One too large for the log goes by claim check: `dataref` instead of the facts."""
    data = _encode(record)
    dataref = None
    if len(data) > CLAIM_OVER_BYTES:
        dataref = f"patient-record/{record.patient_id}/{record.version}"
        data = _encode({"ref": dataref})
    return _make(
        "isodose.patient-record.changed", "ehr_ingestion", data, record.patient_id, traceparent, dataref
    )


def guidance(
    type: str,
    source: str,
    data: GuidanceData | Mapping[str, Any],
    patient_id: str,
    traceparent: str | None = None,
) -> Event:
    """A service decided. `data` are those of `GuidanceData`, under their JSON names when a mapping."""
    return _make(type, source, _encode(data), patient_id, traceparent)


def day_started(day: dt.date) -> Event:
    return _make("isodose.day.started", "clock", _encode(DayStarted(on=day)))


def card_feedback(
    source: str, data: CardFeedback | Mapping[str, Any], traceparent: str | None = None
) -> Event:
    return _make("isodose.card.feedback", source, _encode(data), None, traceparent)


def _make(  # noqa: PLR0917
    type: str,
    source: str,
    data: bytes,
    subject: str | None = None,
    traceparent: str | None = None,
    dataref: str | None = None,
) -> Event:
    return Event(
        specversion="1.0",
        id=str(uuid.uuid4()),
        source=f"isodose/{source}",
        type=type,
        time=dt.datetime.now(dt.UTC),
        datacontenttype="application/json",
        dataschema=f"{SCHEMAS}/{type}.json",
        subject=subject,
        traceparent=traceparent,
        dataref=dataref,
        data=msgspec.Raw(data),
    )
