"""The table of the demonstration: what is not known of a scan is left out, never invented."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from all_in_one import demo


def printed(*scans: dict[str, object]) -> str:
    row = demo.Row(id="p", name="Somebody", groups=[], scans=list(scans), tasks=[], alerts=[])
    out = io.StringIO()
    Console(file=out, width=200).print(demo.table([row]))
    return out.getvalue()


@pytest.mark.parametrize(
    ("scans", "told"),
    [
        ([], "none planned"),
        ([{"occurrencePeriod": {"start": "2026-12-01", "end": "2026-12-29"}}], "2026-12-01 to 2026-12-29"),
        ([{"occurrencePeriod": {"start": "2026-12-01"}}], "from 2026-12-01"),
        ([{}], "on no day yet"),
    ],
)
def test_the_next_scan_is_told_as_far_as_it_is_known(scans, told):
    assert told in printed(*scans)
