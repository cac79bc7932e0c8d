"""`python -m benchmarks [NAME...]`: run all measurements or the named ones, and print one table."""

from __future__ import annotations

import sys

from benchmarks import (
    cards,
    clinic_day,
    decision,
    events,
    guidance,
    ingestion,
    order_cards,
    validation,
    worklist_pages,
)
from benchmarks.report import print_lines

MEASUREMENTS = {
    "validation": validation.measure,
    "cards": cards.measure,
    "decision": decision.measure,
    "order-cards": order_cards.measure,
    "ingestion": ingestion.measure,
    "events": events.measure,
    "clinic-day": clinic_day.measure,
    "guidance": guidance.measure,
    "worklist": worklist_pages.measure,
}


def main(names: list[str]) -> int:
    """0 when every target was met, 1 when one was missed, 2 for a name there is no measurement of."""
    unheard = set(names) - MEASUREMENTS.keys()
    if unheard:
        print(f"no measurement {', '.join(sorted(unheard))}; there are {', '.join(MEASUREMENTS)}")
        return 2
    lines = []
    for name in names or MEASUREMENTS:
        print(f"measuring {name} ...", flush=True)
        lines += MEASUREMENTS[name]()
    print_lines(lines)
    return int(any(line.met is False for line in lines))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
