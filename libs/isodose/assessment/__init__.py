"""What the three decision services share around their pure `decide`: events, the day, results, `$assess`."""

from isodose.assessment.decider import Decider, Decision, decide, digest, without_options
from isodose.assessment.handlers import (
    Due,
    handlers,
    keep_knowledge,
    on_day_started,
    on_record_changed,
    reassess,
)
from isodose.assessment.operation import assess, assess_operation, stored_record
from isodose.assessment.population import Population
from isodose.assessment.renewal import Renewal

__all__ = [
    "Decider",
    "Decision",
    "Due",
    "Population",
    "Renewal",
    "assess",
    "assess_operation",
    "decide",
    "digest",
    "handlers",
    "keep_knowledge",
    "on_day_started",
    "on_record_changed",
    "reassess",
    "stored_record",
    "without_options",
]
