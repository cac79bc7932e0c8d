"""The criteria of a trial as an R4 Group that describes whom it takes.

https://hl7.org/fhir/R4/group.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eligibility_scoring.trials.catalogue import Trial
from eligibility_scoring.trials.criteria import Criterion
from eligibility_scoring.trials.limits import Limits
from eligibility_scoring.trials.words import coding
from isodose.clinical import facts

Resource = dict[str, Any]


def group(trial: Trial, criteria: Sequence[Criterion], base: str) -> Resource:
    """The Group contained in a study; what the review does not print is not in it."""
    made: Resource = {
        "resourceType": "Group",
        "id": "criteria",
        "type": "person",
        "actual": False,
        "name": "Criteria that the review prints",
    }
    if trial.participants:
        made["quantity"] = trial.participants
    if criteria:
        made["characteristic"] = [_characteristic(criterion, base) for criterion in criteria]
    return made


def _characteristic(criterion: Criterion, base: str) -> Resource:
    code: Resource = {"text": criterion.words}
    if criterion.fact:
        code["coding"] = [{"system": f"{base}/CodeSystem/fact", "code": criterion.fact}]
    return {"code": code, **_value(criterion, base), "exclude": criterion.must_not_hold}


def _value(criterion: Criterion, base: str) -> Resource:
    measured = criterion.limits and _measured(criterion.limits, facts.definition(criterion.fact).unit)
    if measured:
        return measured
    if criterion.fact and not criterion.limits and not criterion.codes:
        return {"valueBoolean": True}
    value: Resource = {"text": criterion.words}
    if len(criterion.codes) == 1:
        value["coding"] = [coding(criterion.codes[0], base)]
    return {"valueCodeableConcept": value}


def _measured(limits: Limits, unit: str) -> Resource:
    """A Range where its ends are included, as FHIR means it, or a Quantity; else words have to do."""
    ends = (("low", limits.low, limits.from_low, ">"), ("high", limits.high, limits.to_high, "<"))
    told = [end for end in ends if end[1] is not None]
    if all(included for _, _, included, _ in told):
        return {"valueRange": {name: _quantity(value, unit) for name, value, _, _ in told}}
    if len(told) == 1:
        return {"valueQuantity": {**_quantity(told[0][1], unit), "comparator": told[0][3]}}
    return {}


def _quantity(value: float | None, unit: str) -> Resource:
    return {"value": value, "system": "http://unitsofmeasure.org", "code": unit}
