"""A process of test_renewal: renews on the database given, slowly, until all is done or it is killed."""

from __future__ import annotations

import datetime as dt
import sys
import time
from dataclasses import replace

import conftest
from isodose.assessment import Renewal
from isodose.clinical.finding import Finding
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import PatientRecord
from isodose.storage.database import Database
from opened import transactions


def slowly(record: PatientRecord, knowledge: Knowledge, on: dt.date) -> list[Finding]:
    time.sleep(0.004)
    return conftest.decide(record, knowledge, on)


def main() -> None:
    database = Database(sys.argv[1])
    renewal = Renewal(replace(conftest.make_decider(), decide=slowly), *transactions(database))
    while passed := renewal.run_once():
        print(f"passed {passed}", flush=True)
    print("done", flush=True)


if __name__ == "__main__":
    main()
