"""A process that a test kills: a runner that begins a job and never ends it.

python driven_jobs.py DATABASE_URL
"""

from __future__ import annotations

import sys
import time

from isodose.events.jobs import Job, JobRunner
from isodose.storage.database import Database


def begin(job: Job) -> None:
    print(f"begun {job.key}", flush=True)
    time.sleep(600)


if __name__ == "__main__":
    JobRunner(Database(sys.argv[1]), {"thing": begin}, poll_s=0.02).start()
    time.sleep(600)
