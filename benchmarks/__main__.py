"""`python -m benchmarks [NAME...] [--growth] [--keep]`: run all measurements or the named ones; one table."""

from __future__ import annotations

import argparse
import sys
import time
import traceback

from benchmarks import (
    at_rest,
    cards,
    clinic_day,
    decision,
    events,
    fhir_server,
    growth,
    guidance,
    order_cards,
    relay,
    replicas,
    results,
    validation,
    worklist_pages,
)
from benchmarks.report import Line, print_lines

MEASUREMENTS = {
    "validation": validation.measure,
    "decision": decision.measure,
    "cards": cards.measure,
    "order-cards": order_cards.measure,
    "fhir-server": fhir_server.measure,
    "events": events.measure,
    "relay": relay.measure,
    "guidance": guidance.measure,
    "at-rest": at_rest.measure,
    "replicas": replicas.measure,
    "clinic-day": clinic_day.measure,
    "worklist": worklist_pages.measure,
}
LONG = {"growth": growth.measure}
"""Minutes each: run when named, or by `--growth`."""


def main(arguments: list[str]) -> int:
    """0 when every target was met, 1 when one was missed or not measured; 2 for a name that is none."""
    known = MEASUREMENTS | LONG
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure beside references.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(known)}; all but growth")
    parser.add_argument("--growth", action="store_true", help="cost per event up to 100,000 patients alone")
    parser.add_argument("--keep", action="store_true", help="write the results to benchmarks/results")
    given = parser.parse_args(arguments)
    if unheard := set(given.names) - known.keys():
        parser.error(f"no measurement {', '.join(sorted(unheard))}; there are {', '.join(known)}")
    names = [*given.names, *(["growth"] if given.growth else [])] or [*MEASUREMENTS]
    measured: dict[str, list[Line]] = {}
    failed: list[Line] = []
    for name in names:
        begin = time.monotonic()
        print(f"measuring {name} ...", end="", flush=True)
        try:
            measured[name] = known[name]()
        except Exception as error:  # the others are measured all the same
            traceback.print_exc()
            failed.append(
                Line(name, "not measured", f"{type(error).__name__}: {error}"[:200], None, met=False)
            )
        print(f" {time.monotonic() - begin:.0f} s", flush=True)
        if given.keep and name in measured:
            results.keep({name: measured[name]})
    lines = [line for of_one in measured.values() for line in of_one] + failed
    print_lines(lines)
    return int(any(line.met is False for line in lines))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
