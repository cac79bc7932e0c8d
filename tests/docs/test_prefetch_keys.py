"""The integration guide names every prefetch key of every CDS service, and whether it is required."""

from __future__ import annotations

import re
from pathlib import Path

from all_in_one.composition import DECIDING, SERVICES
from isodose.settings import Settings

GUIDE = Path(__file__).resolve().parents[2] / "docs/integration.md"
ROW = re.compile(r"^\| `([\w-]+)` \| ([\w-]+) \| (.+) \| (.+) \|$", re.MULTILINE)


def test_the_guide_names_the_prefetch_keys_that_are_asked_for() -> None:
    told: dict[str, tuple[str, set[str], set[str]]] = {}
    for id, hook, required, optional in ROW.findall(GUIDE.read_text(encoding="utf-8")):
        keys = set(re.findall(r"`([\w-]+)`", optional))
        if optional.startswith("as "):
            keys = told[keys.pop()][2]
        told[id] = (hook, set(re.findall(r"`(\w+)`", required)), keys)
    offered = [one for name in DECIDING for one in SERVICES[name](Settings()).cds_services]
    assert told == {
        one.id: (
            one.hook,
            {key for key, query in one.prefetch.items() if query.required},
            {key for key, query in one.prefetch.items() if not query.required},
        )
        for one in offered
    }
