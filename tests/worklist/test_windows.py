"""The windows of surveillance MRI in the picture: done in time, done late, passed without a scan, overdue."""

from __future__ import annotations

import datetime as dt
from typing import Any

from worklist.timeline.axis import Axis
from worklist.timeline.scans import window_lane

AXIS = Axis(dt.date(2026, 1, 1), dt.date(2026, 12, 31))


def order(id: str, start: str, end: str, status: str, *about: str) -> dict[str, Any]:
    return {
        "id": id,
        "status": status,
        "occurrencePeriod": {"start": start, "end": end},
        "reasonCode": [{"text": "scan"}],
        "supportingInfo": [{"reference": one} for one in ("Procedure/c1", *about)],
    }


def test_each_window_says_what_became_of_it_and_where_that_was_read() -> None:
    passed = {"status": "cancelled", "scheduledPeriod": {"start": "2026-05-11", "end": "2026-06-01"}}
    plan = {
        "id": "plan-1",
        "activity": [
            {"reference": {"reference": "ServiceRequest/o1"}, "progress": [{"text": "completed"}]},
            {"reference": {"reference": "ServiceRequest/o2"}, "progress": [{"text": "completed late"}]},
            {"detail": passed | {"description": "Brain MRI wanted in this window."}},
            {"detail": {"status": "cancelled"}},
        ],
    }
    orders = [
        order("o1", "2026-03-02", "2026-03-30", "completed", "ImagingStudy/s1"),
        order("o2", "2026-06-08", "2026-06-29", "completed", "ImagingStudy/s2"),
        order("o3", "2026-09-01", "2026-09-30", "draft"),
        order("o4", "2026-12-01", "2026-12-29", "draft"),
    ]
    lane = window_lane(orders, [plan], {"ServiceRequest/o3"}, AXIS)
    assert [
        (mark.look, event.first, event.what) for mark, event in zip(lane.marks, lane.events, strict=True)
    ] == [
        ("window done", "2026-03-02", "MRI window, done: scan"),
        ("window late", "2026-06-08", "MRI window, its scan came when it was overdue: scan"),
        ("window overdue", "2026-09-01", "MRI window, overdue: scan"),
        ("window wanted", "2026-12-01", "MRI window, wanted: scan"),
        (
            "window missed",
            "2026-05-11",
            "MRI window, passed without a scan on record: Brain MRI wanted in this window.",
        ),
    ]
    assert [event.sources for event in lane.events][-1] == ("CarePlan/plan-1",)
    assert lane.events[1].sources == ("Procedure/c1", "ImagingStudy/s2")
