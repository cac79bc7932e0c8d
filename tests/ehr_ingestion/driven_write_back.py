"""A process that a test kills: ehr_ingestion writing results back.

python driven_write_back.py DATABASE_URL LOG_URL EHR_FHIR_URL
"""

from __future__ import annotations

import sys
import time

from ehr_ingestion.app import service
from isodose.service import build_app
from isodose.settings import Settings

if __name__ == "__main__":
    database_url, log_url, ehr = sys.argv[1:]
    settings = Settings(
        database_url=database_url, event_log_url=log_url, ehr_fhir_url=ehr, write_back_types="DetectedIssue"
    )
    running = build_app(service(settings), settings).state.running
    running.jobs.start()
    print("started", flush=True)
    time.sleep(600)
