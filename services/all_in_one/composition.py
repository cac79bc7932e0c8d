"""The five services by name, and where each is found under the one public address."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import are_surveillance.app
import ehr_ingestion.app
import eligibility_scoring.app
import ici_steroid_alerts.app
import worklist.app
from isodose.service import Service
from isodose.settings import Settings

SERVICES: Mapping[str, Callable[[Settings], Service]] = {
    "ehr_ingestion": ehr_ingestion.app.service,
    "eligibility_scoring": eligibility_scoring.app.service,
    "are_surveillance": are_surveillance.app.service,
    "ici_steroid_alerts": ici_steroid_alerts.app.service,
    "worklist": worklist.app.service,
}
DECIDING = ("eligibility_scoring", "are_surveillance", "ici_steroid_alerts")
PREFIXES: Mapping[str, str] = {
    "ehr_ingestion": "",
    "eligibility_scoring": "/eligibility",
    "are_surveillance": "/surveillance",
    "ici_steroid_alerts": "/alerts",
    "worklist": "",
}


def together(settings: Settings) -> dict[str, Settings]:
    """The settings of each service when all run in one process: one address, a SQLite file each, one log."""
    port = settings.port or 8000
    public = settings.public_url or f"http://{settings.host}:{port}"
    return {
        name: settings.model_copy(
            update={
                "port": port,
                "database_url": f"sqlite:///{settings.data_dir / name}.db",
                "event_log_url": f"sqlite:///{settings.data_dir / 'events'}.db",
                "public_url": f"{public}{PREFIXES[name]}",
                "cds_url": settings.cds_url or public,
                "smart_audience": settings.smart_audience
                or tuple(f"{public}{prefix}/fhir" for prefix in dict.fromkeys(PREFIXES.values())),
                "worklist_url": settings.worklist_url or f"{public}/worklist",
                **{
                    f"{other}_url": f"{public}{prefix}"
                    for other, prefix in PREFIXES.items()
                    if other != "worklist"
                },
            }
        )
        for name in SERVICES
    }
