"""What the commands about an EHR share: the settings of the service that talks to it, and its FHIR server."""

from __future__ import annotations

from all_in_one.commands.speaking import fail, settings_or_fail
from ehr_ingestion.connection import ehr_of
from ehr_ingestion.ehr_client import EhrClient
from isodose.settings import Settings


def ingesting_or_fail() -> Settings:
    """The settings of ehr_ingestion."""
    return settings_or_fail().for_service("ehr_ingestion", 8001)


def ehr_or_fail(settings: Settings) -> EhrClient:
    """The EHR that the settings name, asked more than once. Raises `ValueError` for a key that cannot be
    read.
    """
    client = ehr_of(settings, attempts=3)
    if client is None:
        fail("ISODOSE_EHR_FHIR_URL names no EHR")
    return client
