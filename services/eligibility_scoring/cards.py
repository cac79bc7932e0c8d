"""Options at the patient's chart, and a look at a draft radiation order before it is signed."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from eligibility_scoring.decision import decide
from eligibility_scoring.options import leading, options
from eligibility_scoring.outputs import missing, text_of
from isodose.cds_hooks.cards import OVERRIDE_REASONS, detail, fact_words, shortened
from isodose.cds_hooks.hook import CdsService, HookCall, Prefetch
from isodose.cds_hooks.models import Card, Coding, Indicator, Link, Source
from isodose.clinical.finding import Finding, Option
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import PatientRecord
from isodose.fhir.resources import result_id
from isodose.mcode import build_record

_PATIENT = "{{context.patientId}}"
PREFETCH = {
    "patient": Prefetch(f"Patient/{_PATIENT}", required=True),
    "conditions": Prefetch(f"Condition?patient={_PATIENT}", required=True),
    "observations": Prefetch(f"Observation?patient={_PATIENT}", required=True),
    "bodyStructures": Prefetch(f"BodyStructure?patient={_PATIENT}"),
    "procedures": Prefetch(f"Procedure?patient={_PATIENT}"),
    "serviceRequests": Prefetch(f"ServiceRequest?patient={_PATIENT}"),
    "medicationRequests": Prefetch(f"MedicationRequest?patient={_PATIENT}"),
    "medicationAdministrations": Prefetch(f"MedicationAdministration?patient={_PATIENT}"),
    "imagingStudies": Prefetch(f"ImagingStudy?patient={_PATIENT}"),
}
_SHOWN_FINDINGS = 6
_RADIOSURGERY = ("single_srs", "fsrs")
_WHOLE_BRAIN = ("wbrt", "ha_wbrt")


def services(knowledge: Knowledge, base: str) -> list[CdsService]:
    """`srs-eligibility` on patient-view and `srs-order-review` on order-sign."""
    return [
        CdsService(
            id="srs-eligibility",
            hook="patient-view",
            title="Treatment options for brain metastases",
            description="Treatment options with their standing, the evidence and the missing facts.",
            prefetch=PREFETCH,
            answer=lambda call: cards(call, knowledge, base),
        ),
        CdsService(
            id="srs-order-review",
            hook="order-sign",
            title="Review of a draft radiosurgery or whole-brain order",
            description="Whether a draft SRS, FSRS or WBRT order fits the options as they stand.",
            prefetch=PREFETCH,
            answer=lambda call: order_cards(call, knowledge, base),
        ),
    ]


def cards(call: HookCall, knowledge: Knowledge, base: str) -> list[Card]:
    """The leading option with its arguments, or what is missing; none without brain metastases."""
    record = build_record(call.patient_id, call.resources)
    findings = decide(record, knowledge, call.on)
    if record.deceased or not _concerns(record):
        return []
    judged = options(findings, knowledge, record)
    first = leading(judged)
    wanted = missing(judged, findings)
    if first is None:
        named = ", ".join(wanted[:3]) or "facts of the pathway"
        return [
            _card(
                call,
                base,
                "F1-status",
                f"Treatment options cannot be ranked yet; not known: {named}",
                "info",
                [*_not_known(wanted)],
                [f for f in findings if f.code.startswith("F1-") and f.verdict == "unknown"],
            )
        ]
    summary = f"{first.title}: {first.standing.replace('-', ' ')} option for the tumour board"
    listed = [f"- **{o.title}**: {text_of(o, o is first)}" for o in _stood(judged, first)]
    shown = [f for f in findings if f.verdict == "met" and f.code in {*first.for_, *first.against}]
    return [_card(call, base, first.code, summary, "info", [*listed, *_not_known(wanted)], shown)]


def order_cards(call: HookCall, knowledge: Knowledge, base: str) -> list[Card]:
    """A card for each draft course of cranial radiation whose option is not advised or cannot be judged."""
    record = build_record(call.patient_id, call.resources)
    drafted = {f"{d.get('resourceType')}/{d.get('id')}" for d in call.drafts}
    courses = [c for c in record.courses if c.ref in drafted and c.kind in (*_RADIOSURGERY, *_WHOLE_BRAIN)]
    if not courses:
        return []
    findings = decide(record, knowledge, call.on)
    judged = {option.code: option for option in options(findings, knowledge, record)}
    made = []
    for course in courses:
        code = {"single_srs": "srs", "fsrs": "fsrs", "wbrt": "wbrt", "ha_wbrt": "ha-wbrt-memantine"}[
            course.kind
        ]
        made += _order_card(call, base, judged[code], findings)
    return made


def _order_card(call: HookCall, base: str, option: Option, findings: Sequence[Finding]) -> list[Card]:
    if option.standing == "not-advised":
        summary, indicator = f"{option.title}: not advised for this patient as recorded", "warning"
    elif option.standing == "unknown":
        summary, indicator = (
            f"{option.title}: cannot be judged; not known: {', '.join(option.missing[:3])}",
            "info",
        )
    else:
        return []
    shown = [f for f in findings if f.verdict == "met" and f.code in {*option.for_, *option.against}]
    lines = [text_of(option, leads=False), *_not_known(list(option.missing))]
    level: Indicator = "warning" if indicator == "warning" else "info"
    return [_card(call, base, option.code, summary, level, lines, shown)]


def _concerns(record: PatientRecord) -> bool:
    """Whether anything on record speaks of brain metastases: without it the card keeps quiet."""
    named = {"lesion_count", "largest_diameter_cm", "citv_ml", "lmd_present", "intracranial_progression_type"}
    return bool(record.of_scope("lesion")) or any(fact.name in named for fact in record.facts)


def _stood(judged: Sequence[Option], first: Option) -> list[Option]:
    others = [o for o in judged if o is not first and o.standing not in ("not-advised", "unknown")]
    return [first, *others]


def _not_known(names: Sequence[str]) -> list[str]:
    return [f"Not known: {'; '.join(fact_words(name) for name in names)}."] if names else []


def _card(  # noqa: PLR0917
    call: HookCall,
    base: str,
    code: str,
    summary: str,
    indicator: Indicator,
    lines: Sequence[str],
    shown: Sequence[Finding],
) -> Card:
    unavailable = [f"Not known to this service: {', '.join(call.unavailable)}."] if call.unavailable else []
    body = "\n\n".join([*lines, *unavailable, detail(shown[:_SHOWN_FINDINGS])])
    link = f"{call.worklist_url}/Patient/{call.patient_id}" if call.worklist_url else ""
    return Card(
        uuid=uuid.UUID(result_id(f"{call.hook_instance}/{call.service}/{code}")),
        summary=shortened(summary),
        indicator=indicator,
        detail=body,
        source=Source(
            label="Isodose: treatment options",
            topic=Coding(system=f"{base}/CodeSystem/option", code=code, display=shortened(summary)),
        ),
        override_reasons=OVERRIDE_REASONS,
        links=(Link(label="Open the worklist page", url=link),) if link else (),
    )
