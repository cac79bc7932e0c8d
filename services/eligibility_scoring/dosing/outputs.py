"""The usual dose of each lesion, as what the options of radiosurgery point to.

https://hl7.org/fhir/R4/requestgroup.html
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

from eligibility_scoring.citations import artifact
from eligibility_scoring.dosing import wording
from eligibility_scoring.dosing.advice import CAVITY, TO_BE_RESECTED, Advice, advise, advise_before_resection
from eligibility_scoring.dosing.schemes import Scheme
from isodose.clinical import derive
from isodose.clinical.finding import Option
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import PatientRecord
from isodose.clinical.rules import View

Resource = dict[str, Any]

SINGLE = ("srs",)
SEVERAL = ("fsrs",)
EITHER = ("salvage-srs", "srs-with-systemic")
AFTER_RESECTION = "resection-then-postoperative-srs"
BEFORE_RESECTION = "neoadjuvant-srs-then-resection"
SHOWN = 10
"""How many lesions a result gives doses for; `$assess` judges all."""


class Doses:
    """The usual doses of one patient's lesions on a day. Pure."""

    def __init__(
        self, record: PatientRecord, judged: Iterable[Option], knowledge: Knowledge, on: dt.date
    ) -> None:
        known = derive.as_of(record, on)
        patient = View(known, on)
        views = [View(known, on, lesion, patient) for lesion in known.of_scope("lesion")[:SHOWN]]
        self._names = {view.applies_to: view.subject.label if view.subject else "" for view in views}
        self._advice = [advise(view, knowledge, on) for view in views]
        self._before = [
            advise_before_resection(view, knowledge, on)
            for view, advice in zip(views, self._advice, strict=True)
            if advice.setting != CAVITY
        ]
        self._open = {option.code: option.applies_to for option in judged if option.standing != "not-advised"}
        self._knowledge = knowledge

    def actions(self, option: str, resource: Resource) -> list[Resource]:
        """One action per lesion for which `option` is open and a usual dose can be read."""
        if option not in self._open:
            return []
        wanted = self._open[option]
        return [
            self._action(advice, schemes, resource)
            for advice in self._advice_for(option)
            if (schemes := _schemes(option, advice)) and (not wanted or advice.lesion in wanted)
        ]

    def _advice_for(self, option: str) -> Sequence[Advice]:
        return self._before if option == BEFORE_RESECTION else self._advice

    def _action(self, advice: Advice, schemes: tuple[Scheme, ...], resource: Resource) -> Resource:
        beside = tuple(s for s in advice.other if any(s.fractions == taken.fractions for taken in schemes))
        said = wording.by_scheme(schemes) + (f". Beside it: {wording.by_scheme(beside)}" if beside else "")
        assumed = "" if advice.setting else f". {wording.ASSUMED}"
        name = self._names.get(advice.lesion) or advice.lesion or "the lesion"
        codes = dict.fromkeys(scheme.code for scheme in (*schemes, *beside))
        cited = dict.fromkeys(s for code in codes for s in self._knowledge.entry(code).evidence)
        return {
            "title": f"Usual dose for {name}",
            "description": f"{wording.target(advice)}: {said}{assumed}.",
            "documentation": [artifact(source) for source in cited],
            "resource": resource,
        }


def with_doses(action: Resource, doses: Doses) -> Resource:
    """The action of an option of radiosurgery with one action per lesion; any other as it is.

    By rqg-1 of R4 it then has no resource of its own: that stands among its documentation.
    """
    option = action["code"][0]["coding"][0]["code"]
    parts = doses.actions(option, action["resource"]) if "resource" in action else []
    if not parts:
        return action
    definition = {
        "type": "documentation",
        "display": action["resource"]["display"],
        "resource": action["resource"]["reference"],
    }
    made = {name: value for name, value in action.items() if name != "resource"}
    return {**made, "documentation": [*action.get("documentation", ()), definition], "action": parts}


def _schemes(option: str, advice: Advice) -> tuple[Scheme, ...]:
    """What of the advice belongs to an option."""
    cavity = advice.setting == CAVITY
    if option in SINGLE:
        return tuple(s for s in advice.taken if s.fractions == 1 and advice.setting != TO_BE_RESECTED)
    if option in SEVERAL and advice.setting != TO_BE_RESECTED:
        several = tuple(s for s in advice.taken if s.fractions > 1)
        return several or tuple(s for s in advice.other if s.fractions > 1)
    if option in EITHER or (option == AFTER_RESECTION and cavity):
        return advice.taken
    return advice.taken if option == BEFORE_RESECTION else ()
