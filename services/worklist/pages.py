"""The pages as HTML: plain, readable without a script, every value escaped."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any
from urllib.parse import quote

from worklist.reading import Row

Json = dict[str, Any]
AWAY = "not available now"
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.4rem .6rem;"
    "border-bottom:1px solid #ccc}.high{color:#a00;font-weight:600}.away{color:#a00}.note{color:#555}"
    ".detail{white-space:pre-line}"
)
_SEVERITY = {"high": 0, "moderate": 1, "low": 2}


def worklist_page(rows: Iterable[Row], day: str) -> str:
    """All patients, each with the leading option, the next MRI and the open alerts."""
    lines = [
        f'<tr><td><a href="worklist/Patient/{quote(row.id)}">{escape(row.name)}</a></td>'
        f"<td>{_leading(row)}</td><td>{_next_scan(row)}</td><td>{_alerts(row)}</td></tr>"
        for row in rows
    ]
    head = "<tr><th>Patient</th><th>Leading option</th><th>Next MRI</th><th>Open alerts</th></tr>"
    table = f"<table><thead>{head}</thead><tbody>{''.join(lines)}</tbody></table>"
    return _page("Worklist", (table if lines else "<p>No patients yet.</p>") + day)


def patient_page(row: Row, day: str) -> str:
    """One patient: every option, every scan window, open work and alerts."""
    sections = (
        ("Options", row.options, _option_items),
        ("Surveillance MRI", row.scans, lambda scans: [_scan(scan) for scan in scans]),
        ("Open work", row.tasks, lambda tasks: [escape(_task(task)) for task in tasks]),
        ("Alerts", row.alerts, lambda alerts: [_alert_at_length(alert) for alert in _by_severity(alerts)]),
    )
    body = f'<p class="note">Born {escape(row.born) or "on an unknown day"}</p>'
    for title, resources, items in sections:
        body += f"<h2>{title}</h2>{_list(None if resources is None else items(resources))}"
    return _page(row.name, body + f'<p><a href="../../worklist">All patients</a></p>{day}')


def message_page(title: str, text: str) -> str:
    return _page(title, f"<p>{escape(text)}</p>")


def _page(title: str, body: str) -> str:
    safe = escape(title)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{safe} - Isodose</title>'
        f"<style>{_STYLE}</style></head><body><h1>{safe}</h1>{body}"
        '<p class="note">Proposals for the clinical team, who decide.</p></body></html>'
    )


def _list(items: list[str] | None) -> str:
    if items is None:
        return f'<p class="away">{AWAY}</p>'
    return f"<ul>{''.join(f'<li>{item}</li>' for item in items)}</ul>" if items else "<p>None.</p>"


def _leading(row: Row) -> str:
    if row.options is None:
        return f'<span class="away">{AWAY}</span>'
    leading = leading_option(row.options)
    if leading is not None:
        return _option(leading)
    return without_leader(row.options) if row.options else "none yet"


def without_leader(groups: Iterable[Json]) -> str:
    """Why no option leads: no treatment waits, or facts are missing."""
    marks = (mark for group in groups for mark in group.get("extension", []))
    if any(mark.get("url", "").endswith("/no-treatment-waits") for mark in marks):
        return "none: every lesion was treated and none is known to have changed"
    return "cannot be ranked yet: facts are missing"


def leading_option(groups: Iterable[Json]) -> Json | None:
    """The action that the RequestGroup marks as leading; None while no option can be told to lead."""
    actions = (action for group in groups for action in group.get("action", []))
    return next((action for action in actions if action.get("prefix") == "leading"), None)


def _next_scan(row: Row) -> str:
    if row.scans is None:
        return f'<span class="away">{AWAY}</span>'
    if not row.scans:
        return "none planned"
    late = '<span class="high">overdue</span> ' if any(map(is_overdue, row.tasks or [])) else ""
    return late + _scan(row.scans[0])


def is_overdue(task: Json) -> bool:
    """Whether a Task says that a scan's window has passed."""
    codings = task.get("businessStatus", {}).get("coding", [])
    return any(coding.get("code") == "overdue" for coding in codings)


def _alerts(row: Row) -> str:
    if row.alerts is None:
        return f'<span class="away">{AWAY}</span>'
    waiting = [alert for alert in row.alerts if not is_answered(alert)]
    answered = len(row.alerts) - len(waiting)
    shown = [_alert(alert) for alert in _by_severity(waiting)]
    return "<br>".join([*shown, *([f"{answered} answered"] if answered else [])]) or "none"


def is_answered(alert: Json) -> bool:
    """Whether a clinician's override or acknowledgement of a DetectedIssue still holds."""
    states = (e for e in alert.get("extension", []) if e.get("url", "").endswith("/alert-state"))
    return any(state.get("valueCode") == "answered" for state in states)


def _option_items(groups: list[Json]) -> list[str]:
    return [_option(action) for group in groups for action in group.get("action", [])]


def _option(action: Json) -> str:
    said = action.get("title") or _words(action.get("code")) or "unnamed option"
    detail = action.get("description") or action.get("textEquivalent") or ""
    parts = "".join(f"<li>{_option(part)}</li>" for part in action.get("action", ()))
    return f"<strong>{escape(said)}</strong> {escape(detail)}" + (f"<ul>{parts}</ul>" if parts else "")


def _scan(scan: Json) -> str:
    period = scan.get("occurrencePeriod", {})
    window = f"{period.get('start', '?')} to {period.get('end', '?')}"
    return f"{escape(window)} {escape(_words(scan.get('code')))}"


def _task(task: Json) -> str:
    due = task.get("restriction", {}).get("period", {}).get("end", "")
    said = task.get("description") or _words(task.get("code"))
    return f"{said} (by {due})" if due else said


def _alert(alert: Json) -> str:
    severity = alert.get("severity", "")
    style = ' class="high"' if severity == "high" else ""
    said = _words(alert.get("code")) or alert.get("detail", "")
    return f"<span{style}>{escape(severity or 'alert')}: {escape(said)}</span>"


def _alert_at_length(alert: Json) -> str:
    detail = escape(alert.get("detail", ""))
    said = [m["action"].get("text", "") for m in alert.get("mitigation", []) if "date" in m]
    answers = "".join(f'<p class="note">{escape(words)}</p>' for words in said)
    return f'{_alert(alert)}{answers}<details><summary>why</summary><p class="detail">{detail}</p></details>'


def _by_severity(alerts: list[Json]) -> list[Json]:
    return sorted(alerts, key=lambda alert: _SEVERITY.get(alert.get("severity", ""), 3))


def _words(concept: Any) -> str:
    """The text of a CodeableConcept, or of the first of several."""
    if isinstance(concept, list):
        concept = concept[0] if concept else None
    if not isinstance(concept, dict):
        return ""
    coding = (concept.get("coding") or [{}])[0]
    return str(concept.get("text") or coding.get("display") or coding.get("code") or "")
