"""What a card offers to order: real FHIR actions, as proposals that a clinician completes and signs.

A dose or a length stands in a proposal only where the knowledge gives it; the rest is left to the prescriber.
"""

from __future__ import annotations

import copy
import datetime as dt
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ici_steroid_alerts.alert import Alert, Proposal
from ici_steroid_alerts.names import card_name
from ici_steroid_alerts.situation import Situation
from isodose.cds_hooks.drafts import is_named_here
from isodose.cds_hooks.hook import HookCall
from isodose.cds_hooks.models import Action, Suggestion
from isodose.clinical.record import Exposure
from isodose.clinical.terminology import codings, drugs, value_set, words_of
from isodose.fhir.resources import result_id
from isodose.mcode.chart import reference_to

Resource = dict[str, Any]
Drafts = Sequence[Mapping[str, Any]]

_RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
_UCUM = "http://unitsofmeasure.org"


def suggestions(alert: Alert, s: Situation, call: HookCall) -> tuple[Suggestion, ...]:
    """The suggestions of one card, in the order of the alert's proposals. The drafts of `call` are named."""
    implicated = [draft for draft in call.drafts if reference_to(draft) in alert.implicated]
    offered = [one for proposal in alert.proposals for one in _MAKES[proposal](s, implicated)]
    name = card_name(alert, call.patient_id).uuid
    return tuple(
        one.model_copy(
            update={"uuid": uuid.UUID(result_id(f"{call.hook_instance}/{name}/{one.label}/{place}"))}
        )
        for place, one in enumerate(offered)
    )


def _lower_dose(s: Situation, drafts: Drafts) -> Iterator[Suggestion]:
    """The lowest dose of the band for mild to moderate symptoms, where the draft is above it."""
    if s.view["oedema_symptom_severity"].value != "mild_moderate":
        return
    lowest = float(s.knowledge.values("SUP-STER-dex-dose", s.on)["mild_moderate_from"])
    for draft in drafts:
        ordered = [e for e in s.record.exposures if e.ref == reference_to(draft)]
        doses = [e.daily_dose_mg for e in ordered]
        if [e.concept for e in ordered] == ["dexamethasone"] and doses[0] is not None and doses[0] > lowest:
            label = f"Lower the drafted dexamethasone to {lowest:g} mg per day, the lowest dose of the band"
            changed = _without_id_of_ours(draft) | {"dosageInstruction": _once_a_day(draft, lowest)}
            yield _suggested(label, Action(type="update", description=label, resource=changed))


def _once_a_day(draft: Mapping[str, Any], milligrams: float) -> list[Resource]:
    """The draft's own instruction with this dose, its bounds and route kept."""
    old = draft.get("dosageInstruction") or [{}]
    timing = copy.deepcopy(old[0].get("timing", {}).get("repeat", {}))
    repeat = {name: value for name, value in timing.items() if name.startswith("bounds")}
    repeat |= {"frequency": 1, "period": 1, "periodUnit": "d"}
    quantity = {"value": milligrams, "unit": "mg", "system": _UCUM, "code": "mg"}
    instruction: Resource = {"timing": {"repeat": repeat}, "doseAndRate": [{"doseQuantity": quantity}]}
    if "route" in old[0]:
        instruction["route"] = old[0]["route"]
    return [instruction | {"text": f"{milligrams:g} mg once daily"}]


def _without_steroid(s: Situation, drafts: Drafts) -> Iterator[Suggestion]:
    """Take a drafted steroid back, to be ordered anew or not at all; the other drug of the pair stays."""
    yield from _without(s, drafts, lambda e: e.drug_class == "corticosteroid")


def _without_bevacizumab(s: Situation, drafts: Drafts) -> Iterator[Suggestion]:
    """Take drafted bevacizumab back; an anticoagulant may be what the patient cannot go without."""
    yield from _without(s, drafts, lambda e: e.drug_class == "anti_vegf")


def _without(s: Situation, drafts: Drafts, meant: Callable[[Exposure], bool]) -> Iterator[Suggestion]:
    """To take a draft back it needs an id that the EHR knows."""
    refs = {e.ref for e in s.record.exposures if meant(e)}
    for draft in drafts:
        if reference_to(draft) in refs and not is_named_here(draft):
            label = f"Remove the drafted {_drug_words(draft)} and review it"
            yield _suggested(label, Action(type="delete", description=label, resource_id=reference_to(draft)))


def _taper(s: Situation, drafts: Drafts) -> Iterator[Suggestion]:
    """A dated frame for a taper of the steroids on record; its steps are the prescriber's."""
    days = int(s.knowledge.values("SUP-STER-taper", s.on)["taper_days"])
    last = s.on + dt.timedelta(days=days)
    text = f"Taper in steps until {last}, longer with symptoms; doses by the prescriber. Do not stop at once."
    for concept in sorted({a.exposure.concept for a in s.steroids}):
        period = {"start": s.on.isoformat(), "end": last.isoformat()}
        order = _order(s, "corticosteroids", concept) | {
            "dosageInstruction": [{"text": text, "timing": {"repeat": {"boundsPeriod": period}}}]
        }
        yield _create(f"Draft a taper of {concept} over {days} days, to be given its steps", order)


def _spare_steroid(s: Situation, _drafts: Drafts) -> Iterator[Suggestion]:
    """Laser ablation, bevacizumab or surgery, where the steroid is for a symptomatic radiation effect."""
    for_effect = s.view["steroid_indication"].value == "are"
    if not for_effect and s.met("ARE-MGMT-steroid-with-ici") is None:
        return
    if s.view["litt_feasible"].value is not False:
        yield _request(s, "Ask whether laser interstitial thermal therapy can spare steroid", _LITT)
    if s.view["haemorrhage_risk"].value is not True:
        order = _order(s, "bevacizumab", "bevacizumab")
        order["note"] = [
            {"text": "Instead of steroid; mind bleeding and operations. Dose by the prescriber."}
        ]
        yield _create("Draft bevacizumab to spare steroid", order)
    yield _request(s, "Ask for a neurosurgical opinion on resection", _SURGERY)


_SEQUENCE = "Tumour board: sequence of drug and radiosurgery"
_LITT = "Assessment for laser interstitial thermal therapy of a radiation effect"
_SURGERY = "Neurosurgical opinion: resection of a symptomatic radiation effect"


def _memantine(s: Situation, _drafts: Drafts) -> Iterator[Suggestion]:
    order = _order(s, "supportive_drugs", "memantine")
    order["note"] = [{"text": "Dose and titration by the prescriber; begin with whole-brain radiotherapy."}]
    yield _create("Order memantine with whole-brain radiotherapy", order)


def _prophylaxis(s: Situation, _drafts: Drafts) -> Iterator[Suggestion]:
    order = _order(s, "supportive_drugs", "trimethoprim_sulfamethoxazole")
    order["note"] = [{"text": "Drug and dose by local policy; check allergies."}]
    yield _create("Draft prophylaxis against Pneumocystis", order)


def _glucose(s: Situation, _drafts: Drafts) -> Iterator[Suggestion]:
    label = "Order a glucose check"
    glucose = {
        "system": "http://loinc.org",
        "code": "2345-7",
        "display": "Glucose [Mass/volume] in Serum or Plasma",
    }
    yield _request(s, label, "Glucose while on glucocorticoid", glucose)


def _board(s: Situation, _drafts: Drafts) -> Iterator[Suggestion]:
    yield _request(s, "Bring the sequence to the tumour board", _SEQUENCE)


def _hold(s: Situation, _drafts: Drafts) -> Iterator[Suggestion]:
    """The days without the drug that the consensus asks for, as a task for the oncologist."""
    for code in ("SUP-HOLD-braf-mek-srs", "SUP-HOLD-braf-mek-fractionated"):
        if any(f.verdict in ("met", "unknown") and _is_about(s, f.applies_to, code) for f in s.of(code)):
            days = int(s.knowledge.values(code, s.on)["hold_days"])
            label = f"Ask the oncologist to hold the BRAF or MEK inhibitor {days} d before and after SRS"
            task = {
                "resourceType": "Task",
                "status": "draft",
                "intent": "proposal",
                "description": f"Hold at least {days} d before and after SRS; record the actual days.",
                "for": {"reference": f"Patient/{s.record.patient_id}"},
            }
            yield _suggested(label, Action(type="create", description=label, resource=task))


def _is_about(s: Situation, plan: str, code: str) -> bool:
    course = s.course_of(plan)
    wanted = "single_srs" if code == "SUP-HOLD-braf-mek-srs" else "fsrs"
    return course is not None and course.kind == wanted


_MAKES: dict[Proposal, Callable[[Situation, Drafts], Iterable[Suggestion]]] = {
    "memantine": _memantine,
    "glucose": _glucose,
    "prophylaxis": _prophylaxis,
    "lower-dose": _lower_dose,
    "without-bevacizumab": _without_bevacizumab,
    "without-steroid": _without_steroid,
    "taper": _taper,
    "spare-steroid": _spare_steroid,
    "board": _board,
    "hold": _hold,
}


def _order(s: Situation, values: str, concept_id: str) -> Resource:
    """A MedicationRequest that proposes a drug of the terminology."""
    concept = value_set(values).concepts[concept_id]
    coding = [
        {"system": _RXNORM, "code": code.code, "display": concept.display}
        for code in concept.codes
        if code.system == "rxnorm" and code.match
    ][:1]
    return {
        "resourceType": "MedicationRequest",
        "status": "draft",
        "intent": "proposal",
        "medicationCodeableConcept": {"coding": coding, "text": concept.display},
        "subject": {"reference": f"Patient/{s.record.patient_id}"},
    }


def _request(s: Situation, label: str, text: str, coding: Resource | None = None) -> Suggestion:
    code: Resource = {"text": text} | ({"coding": [coding]} if coding else {})
    return _create(
        label,
        {
            "resourceType": "ServiceRequest",
            "status": "draft",
            "intent": "proposal",
            "code": code,
            "subject": {"reference": f"Patient/{s.record.patient_id}"},
        },
    )


def _create(label: str, resource: Resource) -> Suggestion:
    return _suggested(label, Action(type="create", description=label, resource=resource))


def _suggested(label: str, action: Action) -> Suggestion:
    return Suggestion(label=label, actions=(action,))


def _without_id_of_ours(draft: Mapping[str, Any]) -> Resource:
    return {name: value for name, value in draft.items() if name != "id" or not is_named_here(draft)}


def _drug_words(draft: Mapping[str, Any]) -> str:
    concept = draft.get("medicationCodeableConcept")
    found = drugs(codings(concept), words_of(concept))
    return " and ".join(d.concept.display.lower() for d in found) or "drug"
