"""A day in a clinic for brain metastases: synthetic patients, their histories, and what is signed on the day.

    python tests/clinic.py [SEED]     prints every interrupting card of the day, with what led to it

The shares are set by hand after what such a clinic sees; no patient data are behind them.
"""

from __future__ import annotations

import datetime as dt
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ici_steroid_alerts import cards, knowledge
from isodose.cds_hooks.hook import HookCall
from isodose.cds_hooks.models import Card

TODAY = dt.date(2026, 11, 23)
KNOWLEDGE = knowledge.load()
BASE = "https://isodose.example/fhir"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
CODES = {
    "pembrolizumab": "1547545", "nivolumab": "1597876", "ipilimumab": "1094833", "atezolizumab": "1792776",
    "osimertinib": "1721560", "alectinib": "1727455", "dabrafenib": "1424911", "trametinib": "1425099",
    "T-DM1": "1371041", "T-DXd": "2267582", "capecitabine": "194000", "trastuzumab": "224905",
    "cabozantinib": "1363268", "dexamethasone": "3264", "prednisone": "8640", "hydrocortisone": "5492",
    "bevacizumab": "253337", "apixaban": "1364430", "enoxaparin": "67108", "levetiracetam": "114477",
}  # fmt: skip
SUPPORTIVE = (
    "levetiracetam 500 mg", "ondansetron 8 mg", "pantoprazole 40 mg", "metformin 500 mg", "amlodipine 5 mg",
    "acetaminophen 500 mg", "oxycodone 5 mg", "senna 8.6 mg", "atorvastatin 20 mg", "lorazepam 0.5 mg",
)  # fmt: skip
LABS = ("Complete blood count", "Comprehensive metabolic panel", "TSH", "MRI brain with and without contrast")
PLANS: dict[str, tuple[float, tuple[tuple[float, tuple[str, ...], int], ...]]] = {
    "lung": (0.45, ((0.45, ("pembrolizumab",), 21), (0.05, ("atezolizumab",), 21), (0.2, ("osimertinib",), 0),
                    (0.05, ("alectinib",), 0), (0.25, (), 0))),
    "breast": (0.2, ((0.15, ("T-DXd",), 21), (0.1, ("T-DM1",), 21), (0.2, ("trastuzumab",), 21),
                     (0.3, ("capecitabine",), 0), (0.25, (), 0))),
    "melanoma": (0.15, ((0.35, ("nivolumab",), 28), (0.25, ("nivolumab", "ipilimumab"), 21),
                        (0.2, ("dabrafenib", "trametinib"), 0), (0.2, (), 0))),
    "renal": (0.08, ((0.4, ("nivolumab",), 28), (0.35, ("cabozantinib",), 0), (0.25, (), 0))),
    "other": (0.12, ((0.1, ("pembrolizumab",), 21), (0.9, (), 0))),
}  # fmt: skip
Resource = dict[str, Any]


@dataclass
class Visit:
    """One patient on the day: what is on record and what is signed."""

    patient: str
    known: list[Resource] = field(default_factory=list)
    drafts: list[Resource] = field(default_factory=list)


def chosen(dice: random.Random, shares: Any) -> Any:
    return dice.choices([s[1:] if len(s) > 2 else s[1] for s in shares], [s[0] for s in shares])[0]


class Clinic:
    """Patients by a seed: the same seed, the same day."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.count = 0

    def visits(self, patients: int) -> Iterator[Visit]:
        for number in range(patients):
            yield self.visit(f"p{number}")

    def visit(self, patient: str) -> Visit:
        visit = Visit(patient)
        tumour = chosen(self.dice, [(share, name) for name, (share, _) in PLANS.items()])
        systemic, cycle = chosen(self.dice, PLANS[tumour][1])
        for name in self.dice.sample(SUPPORTIVE, self.dice.randint(2, 6)):
            visit.known.append(self.order(patient, {"text": name}, ago=self.dice.randint(5, 400)))
        for drug in systemic:
            self._systemic(visit, drug, cycle)
        self._steroid(visit, has_ici=cycle > 0)
        self._radiation(visit)
        self._others(visit)
        self._routine(visit)
        return visit

    def _systemic(self, visit: Visit, drug: str, cycle: int) -> None:
        if not cycle:
            dosage = {"timing": {"code": {"coding": [{"code": "QD"}]}}}
            order = self.order(visit.patient, named(drug), ago=self.dice.randint(20, 500), dosage=[dosage])
            visit.known.append(order)
            return
        given = self.dice.randint(1, 8)
        last = self.dice.randint(0, cycle)
        visit.known += [
            self.given(visit.patient, named(drug), last + cycle * number) for number in range(given)
        ]
        if last >= cycle - 3 and self.dice.random() < 0.8:
            visit.drafts.append(self.order(visit.patient, named(drug), status="draft"))

    def _steroid(self, visit: Visit, has_ici: bool) -> None:
        """A third of the patients; two orders in five state their reason; some are tapered on the day."""
        throw = self.dice.random()
        if throw < 0.03:
            order = self.order(visit.patient, named("hydrocortisone"), ago=200, dosage=[daily(20)])
            visit.known.append(order | {"reasonCode": [{"text": "adrenal insufficiency"}]})
        if has_ici and 0.03 <= throw < 0.08:
            order = self.order(visit.patient, named("prednisone"), ago=10, dosage=[daily(40)])
            visit.known.append(order | {"reasonCode": [{"text": "immune-related colitis"}]})
        if 0.1 <= throw < 0.4:
            mg = self.dice.choice([2, 4, 4, 8, 8, 12, 16])
            reason = self.dice.choices(["cerebral edema", "radiation necrosis", ""], [0.32, 0.08, 0.6])[0]
            because = {"reasonCode": [{"text": reason}]} if reason else {}
            if self.dice.random() < 0.25:
                draft = self.order(visit.patient, named("dexamethasone"), status="draft", dosage=[daily(mg)])
                visit.drafts.append(draft | because)
                return
            running = self.order(
                visit.patient, named("dexamethasone"), ago=self.dice.randint(1, 30), dosage=[daily(mg)]
            )
            visit.known.append(running | because)
            if self.dice.random() < 0.4:
                lower = self.order(
                    visit.patient, named("dexamethasone"), status="draft", dosage=[daily(mg / 2)]
                )
                replaces = {"priorPrescription": {"reference": f"MedicationRequest/{running['id']}"}}
                visit.drafts.append(lower | because | replaces)

    def _radiation(self, visit: Visit) -> None:
        throw = self.dice.random()
        if throw < 0.35:
            visit.known.append(self.srs(visit.patient, ago=self.dice.randint(10, 500)))
        if throw > 0.94:
            visit.drafts.append(self.srs(visit.patient))

    def _others(self, visit: Visit) -> None:
        if self.dice.random() < 0.08:
            visit.known.append(self.order(visit.patient, named("apixaban"), ago=90))
        if self.dice.random() < 0.03:
            visit.known.append(self.given(visit.patient, named("bevacizumab"), self.dice.randint(5, 20)))
            if self.dice.random() < 0.5:
                visit.drafts.append(self.order(visit.patient, named("bevacizumab"), status="draft"))
        if self.dice.random() < 0.02:
            visit.drafts.append(self.order(visit.patient, named("enoxaparin"), status="draft"))

    def _routine(self, visit: Visit) -> None:
        for name in self.dice.sample(SUPPORTIVE, self.dice.randint(0, 2)):
            visit.drafts.append(self.order(visit.patient, {"text": name}, status="draft"))
        for name in self.dice.sample(LABS, self.dice.randint(1, 3)):
            visit.drafts.append(self.request(visit.patient, name))

    def order(
        self,
        patient: str,
        concept: Resource,
        *,
        ago: int = 0,
        status: str = "active",
        dosage: list[Resource] | None = None,
    ) -> Resource:
        return {
            "resourceType": "MedicationRequest",
            "id": self._id(),
            "status": status,
            "intent": "order",
            "subject": {"reference": f"Patient/{patient}"},
            "medicationCodeableConcept": concept,
            "authoredOn": (TODAY - dt.timedelta(days=ago)).isoformat(),
            "dosageInstruction": dosage or [{"text": "as on the label"}],
        }

    def given(self, patient: str, concept: Resource, ago: int) -> Resource:
        return {
            "resourceType": "MedicationAdministration",
            "id": self._id(),
            "status": "completed",
            "subject": {"reference": f"Patient/{patient}"},
            "medicationCodeableConcept": concept,
            "effectiveDateTime": (TODAY - dt.timedelta(days=ago)).isoformat(),
        }

    def srs(self, patient: str, ago: int | None = None) -> Resource:
        code = {
            "coding": [{"system": "http://www.ama-assn.org/go/cpt", "code": "77371"}],
            "text": "Stereotactic radiosurgery, brain, single fraction",
        }
        common = {
            "id": self._id(),
            "subject": {"reference": f"Patient/{patient}"},
            "code": code,
            "bodySite": [{"text": "Brain"}],
        }
        if ago is None:
            later = (TODAY + dt.timedelta(days=5)).isoformat()
            plan = {"resourceType": "ServiceRequest", "status": "draft", "intent": "order"}
            return plan | common | {"occurrenceDateTime": later}
        when = (TODAY - dt.timedelta(days=ago)).isoformat()
        return {"resourceType": "Procedure", "status": "completed"} | common | {"performedDateTime": when}

    def request(self, patient: str, text: str) -> Resource:
        return {
            "resourceType": "ServiceRequest",
            "id": self._id(),
            "status": "draft",
            "intent": "order",
            "subject": {"reference": f"Patient/{patient}"},
            "code": {"text": text},
        }

    def _id(self) -> str:
        self.count += 1
        return f"r{self.count}"


def named(drug: str) -> Resource:
    return {"coding": [{"system": RXNORM, "code": CODES[drug]}], "text": drug}


def daily(milligrams: float) -> Resource:
    quantity = {"value": milligrams, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}
    repeat = {"frequency": 1, "period": 1, "periodUnit": "d"}
    return {
        "timing": {"repeat": repeat},
        "route": {"text": "oral"},
        "doseAndRate": [{"doseQuantity": quantity}],
    }


def signed(visit: Visit) -> list[Card]:
    """The cards at signing all of the visit's drafts."""
    return cards.cards(
        HookCall(
            service="ici-steroid-sign",
            hook="order-sign",
            hook_instance="6bc883b2-b795-4dcb-b661-34884a31d472",
            patient_id=visit.patient,
            on=TODAY,
            context={},
            resources=[*visit.drafts, {"resourceType": "Patient", "id": visit.patient}, *visit.known],
            drafts=visit.drafts,
        ),
        KNOWLEDGE,
        BASE,
    )


def day(seed: int, patients: int) -> tuple[int, list[tuple[Visit, Card]]]:
    """How many orders were signed, and every card of the day with its visit."""
    orders, shown = 0, []
    for visit in Clinic(seed).visits(patients):
        orders += len(visit.drafts)
        shown += [(visit, card) for card in signed(visit)]
    return orders, shown


def told(visit: Visit, card: Card) -> str:
    """One line on an interrupting card: what it says, the drafts, and what on record led to it."""
    drafts = ", ".join(_words(draft) for draft in visit.drafts if draft["resourceType"] != "ServiceRequest")
    record = ", ".join(sorted({_words(known) for known in visit.known if "coding" in str(_concept(known))}))
    return f"{visit.patient}: {card.summary}\n    signed: {drafts or 'radiosurgery'}\n    on record: {record}"


def _concept(resource: Resource) -> Any:
    return resource.get("medicationCodeableConcept") or resource.get("code")


def _words(resource: Resource) -> str:
    dosage = resource.get("dosageInstruction") or [{}]
    dose = (dosage[0].get("doseAndRate") or [{}])[0].get("doseQuantity")
    reason = (resource.get("reasonCode") or [{}])[0].get("text", "")
    amount = f" {dose['value']:g} mg/d" if dose else ""
    return f"{_concept(resource)['text']}{amount}{f' ({reason})' if reason else ''}"


if __name__ == "__main__":
    signed_orders, all_cards = day(int(sys.argv[1]) if len(sys.argv) > 1 else 20261123, 1000)
    stops = [(visit, card) for visit, card in all_cards if card.indicator == "critical"]
    warnings = sum(card.indicator == "warning" for _, card in all_cards)
    share = 100 * len(stops) / signed_orders
    print(f"{signed_orders} orders: {len(stops)} stops ({share:.2f} per 100 orders), {warnings} warnings")
    for visit, card in stops:
        print(told(visit, card))
