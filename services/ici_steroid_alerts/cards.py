"""Alerts while ordering: only those that the selected or drafted orders take part in, and only few of them.

order-select informs and warns; order-sign may also stop the prescriber, where an alert is worth interrupting.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence

from msgspec.structs import replace

from ici_steroid_alerts.alert import Alert
from ici_steroid_alerts.alerts import standing
from ici_steroid_alerts.answers import answers_of, basic_id, is_overridden
from ici_steroid_alerts.card_text import card_text
from ici_steroid_alerts.decision import as_seen, judged
from ici_steroid_alerts.life import stands_since
from ici_steroid_alerts.names import card_name, key_of
from ici_steroid_alerts.proposals import suggestions
from ici_steroid_alerts.situation import Situation
from ici_steroid_alerts.steroid_alerts import WITH_ICI
from isodose.cds_hooks.cards import OVERRIDE_REASONS, WARNING_REASONS, shortened
from isodose.cds_hooks.drafts import with_named_drafts
from isodose.cds_hooks.hook import CdsService, HookCall, Prefetch
from isodose.cds_hooks.models import Card, Coding, Indicator, Link, Source
from isodose.clinical.derive.steroids import active_steroids, least_prednisone
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import Course, Exposure, PatientRecord
from isodose.fhir.resources import result_id
from isodose.mcode import build_record
from isodose.mcode.chart import reference_to, target_of

_PATIENT = "{{context.patientId}}"
PREFETCH = {
    "patient": Prefetch(f"Patient/{_PATIENT}", required=True),
    "medicationRequests": Prefetch(
        f"MedicationRequest?patient={_PATIENT}&_include=MedicationRequest:medication", required=True
    ),
    "medicationAdministrations": Prefetch(f"MedicationAdministration?patient={_PATIENT}"),
    "medicationDispenses": Prefetch(f"MedicationDispense?patient={_PATIENT}"),
    "medicationStatements": Prefetch(f"MedicationStatement?patient={_PATIENT}"),
    "procedures": Prefetch(f"Procedure?patient={_PATIENT}"),
    "serviceRequests": Prefetch(f"ServiceRequest?patient={_PATIENT}"),
    "conditions": Prefetch(f"Condition?patient={_PATIENT}"),
    "observations": Prefetch(f"Observation?patient={_PATIENT}"),
}
_UNSPOKEN = ("antiseizure", "neuroprotectant", "cognitive", "pjp_prophylaxis", "supplement")
"""Drugs that no alert asks to change: ordering them brings no card."""
_USAGE = "Prefetch what the EHR holds; a key given as null means that there is none."


def services(knowledge: Knowledge, base: str) -> list[CdsService]:
    """`ici-steroid-select` on order-select and `ici-steroid-sign` on order-sign."""

    def answer(call: HookCall) -> list[Card]:
        return cards(call, knowledge, base)

    what = "Drug, steroid and radiation combinations that matter for this patient, for the orders drafted"
    return [
        CdsService(
            id=identity,
            hook=hook,
            title="Checkpoint inhibitor, steroid and radiation alerts",
            description=f"{what}{when}.",
            prefetch=PREFETCH,
            answer=answer,
            usage_requirements=_USAGE,
        )
        for identity, hook, when in (
            ("ici-steroid-select", "order-select", " and selected"),
            ("ici-steroid-sign", "order-sign", ", at signing"),
        )
    ]


def cards(call: HookCall, knowledge: Knowledge, base: str) -> list[Card]:
    """One card per thing to act on, most serious first; none where the drafts change nothing, and none for
    what was answered before and is no worse.
    """
    if not _speaks_of_any(call):
        return []
    call = with_named_drafts(call)
    replaced = {target_of(draft.get("priorPrescription")) for draft in call.drafts}
    drafted = {reference_to(draft) for draft in call.drafts}
    judges = set(call.selections) if call.hook == "order-select" else drafted
    read = build_record(call.patient_id, call.resources)
    seen = as_seen(as_if_signed(read, drafted, call.on, replaced), call.on)
    situation = Situation(seen, judged(seen, knowledge, call.on), knowledge, call.on)
    raised = [
        alert
        for alert in standing(situation)
        if alert.on_card
        and (meant := judges & set(alert.implicated))
        and not (alert.code == WITH_ICI and _less_steroid(read, situation, meant, replaced))
    ]
    return [_card(alert, situation, call, base) for alert in _open(raised, call)]


def _speaks_of_any(call: HookCall) -> bool:
    """Whether an alert may speak of any of the drafts: most orders are drugs, laboratory tests and scans that
    none does, and the patient's record need not be read for them.
    """
    named = [r for r in call.resources if r["resourceType"] == "Medication"]
    drafted = build_record(call.patient_id, [*call.drafts, *named])
    drugs = any(exposure.drug_class not in _UNSPOKEN for exposure in drafted.exposures)
    return drugs or bool(drafted.courses or drafted.operations)


def _less_steroid(
    read: PatientRecord, situation: Situation, judges: Collection[str], replaced: Collection[str]
) -> bool:
    """Whether the drafts are steroids alone and lower the daily dose: a taper is what the alert asks for."""
    drafts = [e for e in situation.record.exposures if e.ref in judges]
    if any(e.drug_class != "corticosteroid" or e.daily_dose_mg is None for e in drafts):
        return False
    earlier = replace(read, exposures=tuple(e for e in read.exposures if e.ref in replaced))
    going_on = [a for a in situation.steroids if a.exposure.ref not in judges]
    before = least_prednisone([*going_on, *active_steroids(earlier, situation.on)])
    return 0 < least_prednisone(situation.steroids) <= before


def _open(raised: Sequence[Alert], call: HookCall) -> list[Alert]:
    """Those that nobody has overridden, or that have become worse or other since."""
    if not raised:
        return []
    names = {alert: card_name(alert, call.patient_id) for alert in raised}
    issues = {alert: ("DetectedIssue", result_id(key_of(alert, call.patient_id))) for alert in raised}
    kept = call.recall([*issues.values(), *(("Basic", basic_id(name)) for name in names.values())])
    found = []
    for alert in raised:
        answers = answers_of(kept.get(("Basic", basic_id(names[alert]))))
        since = stands_since(kept.get(issues[alert])) or call.on
        if not is_overridden(names[alert], answers, since):
            found.append(alert)
    return found


def as_if_signed(
    record: PatientRecord, drafted: set[str], on: dt.date, replaced: Collection[str] = ()
) -> PatientRecord:
    """The record as it will be: drafted drugs are given from today, drafted radiation is planned, and
    the orders that a draft replaces ended yesterday.

    The steps of a drafted taper keep their distances. A drafted checkpoint inhibitor stays planned: its
    timing is what is being chosen.
    """
    begins: dict[str, dt.date] = {}
    for exposure in record.exposures:
        if exposure.ref in drafted and exposure.start is not None:
            begins[exposure.ref] = min(exposure.start, begins.get(exposure.ref, exposure.start))
    exposures = tuple(
        _signed(e, on, on - begins.get(e.ref, on)) if e.ref in drafted else e
        for e in record.exposures
        if e.ref not in replaced
    )
    ended = tuple(_ended(e, on) for e in record.exposures if e.ref in replaced)
    courses = tuple(_planned(c) if c.ref in drafted else c for c in record.courses)
    return replace(record, exposures=(*exposures, *filter(None, ended)), courses=courses)


def _signed(exposure: Exposure, on: dt.date, later: dt.timedelta) -> Exposure:
    if exposure.status not in ("planned", "active") or exposure.drug_class.startswith("ici_"):
        return exposure
    start = on if exposure.start is None else exposure.start + later
    end = exposure.end + later if exposure.end is not None else None
    return replace(exposure, status="active", draft=False, start=start, end=end)


def _ended(exposure: Exposure, on: dt.date) -> Exposure | None:
    """The order until yesterday; none where it had not begun."""
    yesterday = on - dt.timedelta(days=1)
    if exposure.start is not None and exposure.start > yesterday:
        return None
    if exposure.end is not None and exposure.end <= yesterday:
        return exposure
    return replace(exposure, status="completed", end=yesterday)


def _planned(course: Course) -> Course:
    return replace(course, status="planned", draft=False)


def _card(alert: Alert, situation: Situation, call: HookCall, base: str) -> Card:
    offered = suggestions(alert, situation, call)
    return Card(
        uuid=card_name(alert, call.patient_id).uuid,
        summary=shortened(alert.title),
        indicator=_indicator(alert, call),
        detail=card_text(alert, situation),
        source=Source(
            label="Isodose: drug, steroid and radiation alerts",
            topic=Coding(
                system=f"{base}/CodeSystem/catalogue",
                code=alert.code,
                display=shortened(situation.knowledge.entry(alert.code).statement),
            ),
        ),
        suggestions=offered,
        selection_behavior="any" if offered else None,
        override_reasons=WARNING_REASONS if alert.severity == "high" else OVERRIDE_REASONS,
        links=_links(call),
    )


def _indicator(alert: Alert, call: HookCall) -> Indicator:
    """Severity tells how bad; only an alert worth interrupting is critical, and only at signing."""
    if alert.interrupts and alert.settled and call.hook == "order-sign":
        return "critical"
    return "info" if alert.severity == "low" else "warning"


def _links(call: HookCall) -> tuple[Link, ...]:
    if not call.worklist_url:
        return ()
    return (Link(label="Open the patient's worklist page", url=call.worklist_url),)
