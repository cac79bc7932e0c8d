"""The EHR that the settings name, with the token of a backend service."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import httpx

from ehr_ingestion.ehr_client import EhrClient
from isodose.security.backend_auth import BackendToken, private_key
from isodose.settings import Settings


def ehr_of(
    settings: Settings, transport: httpx.BaseTransport | None = None, attempts: int = 1
) -> EhrClient | None:
    """The EHR that the settings name, None where none is named. A job asks it once: it waits better than a
    thread.
    Raises `ValueError` for a key that cannot be read.
    """
    if not settings.ehr_fhir_url:
        return None
    return EhrClient(
        settings.ehr_fhir_url,
        authorization_of(settings, transport),
        transport,
        attempts=attempts,
        per_minute=settings.ehr_requests_per_minute,
    )


def authorization_of(
    settings: Settings, transport: httpx.BaseTransport | None = None
) -> Callable[[], Mapping[str, str]]:
    """The headers of each request to that EHR. Raises `ValueError` for a key that cannot be read."""
    if settings.ehr_key_file is None:
        return dict
    return BackendToken(
        settings.ehr_token_url,
        client_id=settings.ehr_client_id,
        key=private_key(settings.ehr_key_file),
        scope=settings.ehr_scope,
        transport=transport,
    ).header
