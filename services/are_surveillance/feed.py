"""The open surveillance windows and tasks as an iCalendar feed (RFC 5545), with no name anywhere in it.

Titles tell what is wanted; the patient is told by the link to the worklist alone.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from icalendar import Calendar, Event, Todo

_DAY = dt.timedelta(days=1)
Resource = dict[str, Any]


def feed(resources: Iterable[Resource], worklist_url: str) -> bytes:
    """A calendar of proposed MRI windows (all-day events) and open tasks with a due day (to-dos).

    The same resources give the same bytes: the stamp of an entry is that of its resource's last change.
    """
    calendar = Calendar()
    calendar.add("prodid", "-//Isodose//Surveillance after radiosurgery//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add("x-wr-calname", "Surveillance after radiosurgery")
    for resource in sorted(resources, key=lambda r: (r["resourceType"], r["id"])):
        if resource["resourceType"] == "ServiceRequest":
            calendar.add_component(_window(resource, worklist_url))
        elif "end" in resource.get("restriction", {}).get("period", {}):
            calendar.add_component(_task(resource, worklist_url))
    return bytes(calendar.to_ical())


def _window(order: Resource, worklist_url: str) -> Event:
    period, late = order["occurrencePeriod"], order["priority"] == "urgent"
    event = Event()
    event.add("summary", f"Brain MRI wanted{' (urgent)' if late else ''}")
    event.add("dtstart", dt.date.fromisoformat(period["start"]))
    event.add("dtend", dt.date.fromisoformat(period["end"]) + _DAY)
    event.add("description", order["reasonCode"][0]["text"])
    event.add("status", "TENTATIVE")
    event.add("transp", "TRANSPARENT")
    _tell(event, order, order["subject"]["reference"], worklist_url)
    return event


def _task(task: Resource, worklist_url: str) -> Todo:
    todo = Todo()
    todo.add("summary", task["code"]["text"])
    todo.add("due", dt.date.fromisoformat(task["restriction"]["period"]["end"]))
    todo.add("description", task["description"])
    todo.add("status", "NEEDS-ACTION")
    todo.add("priority", 1 if task["priority"] == "urgent" else 5)
    _tell(todo, task, task["for"]["reference"], worklist_url)
    return todo


def _tell(component: Event | Todo, resource: Resource, patient: str, worklist_url: str) -> None:
    component.add("uid", f"{resource['id']}@isodose")
    component.add("dtstamp", dt.datetime.fromisoformat(resource["meta"]["lastUpdated"]))
    component.add("url", f"{worklist_url}/{patient}")
