"""The metrics of one process: rate, errors and duration of requests and events, and what operators watch.

Labels are names of services, routes, topics and outcomes; never of patients. Durations are in seconds.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_ANSWER_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_WAIT_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0, 3600.0)


class Metrics:
    """Every metric, once; services in one process share them and `service` is a label."""

    def __init__(self) -> None:
        self.registry = r = CollectorRegistry()
        self.requests = Counter(
            "isodose_http_requests",
            "HTTP requests answered",
            ("service", "method", "route", "status"),
            registry=r,
        )
        self.request_seconds = Histogram(
            "isodose_http_request_seconds",
            "Time to answer a request",
            ("service", "route"),
            buckets=_ANSWER_S,
            registry=r,
        )
        self.events = Counter(
            "isodose_events_handled",
            "Events handled, by outcome",
            ("service", "topic", "outcome"),
            registry=r,
        )
        self.event_seconds = Histogram(
            "isodose_event_seconds",
            "Time to handle the events of one transaction",
            ("service", "topic"),
            buckets=_ANSWER_S,
            registry=r,
        )
        self.event_age = Histogram(
            "isodose_event_age_seconds",
            "Age of an event when it has been handled",
            ("service", "topic"),
            buckets=_WAIT_S,
            registry=r,
        )
        self.lag = Gauge(
            "isodose_consumer_lag",
            "Events in the log that the service has not handled, in the partitions it holds",
            ("service", "topic"),
            registry=r,
        )
        self.published = Counter(
            "isodose_events_published", "Events that the log acknowledged", ("service", "topic"), registry=r
        )
        self.publish_wait = Histogram(
            "isodose_outbox_wait_seconds",
            "Time from writing an event to the outbox until the log acknowledged it",
            ("service",),
            buckets=_WAIT_S,
            registry=r,
        )
        self.unpublished = Gauge(
            "isodose_outbox_unpublished",
            "Outbox rows not yet acknowledged by the log",
            ("service",),
            registry=r,
        )
        self.outbox_age = Gauge(
            "isodose_outbox_oldest_seconds",
            "Age of the oldest outbox row not yet acknowledged; 0 when there is none",
            ("service",),
            registry=r,
        )
        self.dead_letters = Gauge(
            "isodose_dead_letters",
            "Events set aside: not replayed, nor dismissed",
            ("service",),
            registry=r,
        )
        self.jobs_waiting = Gauge(
            "isodose_jobs_waiting",
            "Things to do at other systems that are due or were tried in vain",
            ("service", "kind"),
            registry=r,
        )
        self.jobs_oldest = Gauge(
            "isodose_jobs_oldest_seconds",
            "Time since the first of them was asked for; 0 when there is none",
            ("service", "kind"),
            registry=r,
        )
        self.jobs_failed = Gauge(
            "isodose_jobs_failed", "Things to do that were set aside", ("service", "kind"), registry=r
        )
        self.patients = Gauge(
            "isodose_patients",
            "Patients by how they stand, as last decided; of a service that says so",
            ("service", "state"),
            registry=r,
        )
        self.pass_seconds = Gauge(
            "isodose_day_pass_seconds",
            "How long the patients whom a day or new knowledge asks for have been gone through; 0 when done",
            ("service",),
            registry=r,
        )
        self.pass_failed = Gauge(
            "isodose_day_pass_failed",
            "Patients of the last pass on whom no decision could be made",
            ("service",),
            registry=r,
        )
        self.write_back = Gauge(
            "isodose_write_back_results",
            "Results at the EHR: written, in conflict with a change there, or refused",
            ("service", "state"),
            registry=r,
        )
        self.decisions = Counter(
            "isodose_decisions",
            "Decisions on stored or given records: complete, data-required or failed",
            ("service", "outcome"),
            registry=r,
        )
        self.findings = Counter(
            "isodose_findings", "Findings of those decisions, by verdict", ("service", "verdict"), registry=r
        )
        self.cards = Counter(
            "isodose_cards", "CDS cards answered, by indicator", ("service", "cds", "indicator"), registry=r
        )
