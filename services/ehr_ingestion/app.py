"""What ehr_ingestion is made of."""

from __future__ import annotations

from collections.abc import Mapping

import httpx
from fastapi import APIRouter
from sqlalchemy import Connection

from ehr_ingestion.api import claims
from ehr_ingestion.connection import ehr_of
from ehr_ingestion.following import follow, judged
from ehr_ingestion.handlers import handlers
from ehr_ingestion.intake import operations as intake
from ehr_ingestion.intake.definitions import definitions
from ehr_ingestion.notifications.fetching import Fetching
from ehr_ingestion.notifications.registering import registrar_of, watching
from ehr_ingestion.notifications.routes import notifications
from ehr_ingestion.subscribers import operations as subscribers
from ehr_ingestion.subscribers.admission import admission
from ehr_ingestion.subscribers.delivering import Delivering
from ehr_ingestion.subscribers.topic import topic_url
from ehr_ingestion.write_back import ledger
from ehr_ingestion.write_back.erasing import Deleting
from ehr_ingestion.write_back.writing import ORDER, WriteBack
from isodose.assessment.published import words_of_all
from isodose.events.jobs import Handler
from isodose.security.gate import GateError
from isodose.service import Running, Service
from isodose.settings import Settings
from isodose.telemetry.metrics import Metrics


def service(
    settings: Settings,
    ehr_transport: httpx.BaseTransport | None = None,
    hook_transport: httpx.BaseTransport | None = None,
) -> Service:
    """The transports take the place of the network on the way to the EHR and to subscribers.

    Raises `GateError`.
    """
    base = settings.canonical_base
    _refuse_unwritable(settings)

    def routes(running: Running) -> APIRouter:
        router = claims(running)
        if running.settings.ehr_fhir_url:
            router.include_router(notifications(running))
        return router

    def jobs(running: Running) -> Mapping[str, Handler]:
        return {
            **_at_the_ehr(running, ehr_transport),
            **Delivering(running, hook_transport).handlers(),
        }

    return Service(
        name="ehr_ingestion",
        title="Isodose: the one record per patient",
        description="FHIR R4 of what the EHR sent and of what the decision services concluded",
        port=8001,
        handlers=handlers(settings),
        judge=judged,
        on_written=follow,
        operations=[*intake.operations(base, settings.today), *subscribers.operations()],
        admissions={"Subscription": admission(settings)},
        topics=[topic_url(base)],
        own_routes=routes,
        jobs=jobs,
        measure=_measure,
        definitions=[*words_of_all(base), *definitions(base)],
    )


def _at_the_ehr(running: Running, transport: httpx.BaseTransport | None) -> Mapping[str, Handler]:
    """What is done at the EHR, where the settings name one."""
    try:
        client = ehr_of(running.settings, transport)
    except ValueError as error:
        raise GateError(str(error)) from error
    if client is None:
        return {}
    registrar = registrar_of(client, running.database, running.settings)
    return {
        **Fetching(running, client).handlers(),
        **watching(running, registrar),
        **WriteBack(running, client, running.settings.write_back_types).handlers(),
        **Deleting(running, client).handlers(),
    }


def _measure(conn: Connection, metrics: Metrics) -> None:
    for state, many in ledger.counted(conn).items():
        metrics.write_back.labels("ehr_ingestion", state).set(many)


def _refuse_unwritable(settings: Settings) -> None:
    """Raise `GateError` for settings that ask for what is not written."""
    unknown = sorted(set(settings.write_back_types) - set(ORDER))
    if unknown:
        raise GateError(f"ISODOSE_WRITE_BACK_TYPES names {unknown[0]}; known are {', '.join(ORDER)}")
    if settings.write_back_types and not settings.ehr_fhir_url:
        raise GateError("ISODOSE_WRITE_BACK_TYPES needs ISODOSE_EHR_FHIR_URL")
