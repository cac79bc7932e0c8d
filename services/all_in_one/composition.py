"""The five services by name, and where each is found under the one public address."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import cast

from isodose.service import Service
from isodose.settings import Settings


def _service(name: str) -> Callable[[Settings], Service]:
    """What makes the service `name`. Its code is loaded when it is made: a process loads what it serves."""

    def made(settings: Settings) -> Service:
        return cast(Service, import_module(f"{name}.app").service(settings))

    return made


SERVICES: Mapping[str, Callable[[Settings], Service]] = {
    name: _service(name)
    for name in (
        "ehr_ingestion",
        "eligibility_scoring",
        "are_surveillance",
        "ici_steroid_alerts",
        "worklist",
    )
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
