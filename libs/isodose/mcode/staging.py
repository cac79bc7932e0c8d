"""How far the cancer had spread when it was staged: the TNM stage group, and a history of metastases.

TNMStageGroup and HistoryOfMetastaticCancer of mCODE
(https://hl7.org/fhir/us/mcode/StructureDefinition-mcode-tnm-stage-group.html). The T, N and M categories
give no fact: no rule asks for more than the group, and M1 does not tell whether it is the brain.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from isodose.clinical.terminology import codings, value_set
from isodose.mcode.chart import Chart, Reading, Resource, fact, items, reference_to
from isodose.mcode.days import day, effective_day


def read(chart: Chart, reading: Reading) -> None:
    """Stage groups as observed, or as a condition sums them up without an observation."""
    for observation in chart.of("Observation"):
        if observation.get("status") == "cancelled":
            continue
        given = chart.codes(observation)
        if (group := value_set("stage_groups").match(given)) is not None and group.id == "stage_group":
            _observed(reading, observation)
        elif value_set("metastases").match(given) is not None:
            _history(reading, observation)
    for condition in chart.of("Condition"):
        for stage in items(condition.get("stage")):
            if isinstance(stage, dict) and not stage.get("assessment"):
                on = day(condition.get("recordedDate")) or day(condition.get("onsetDateTime"))
                _state(reading, stage.get("summary"), reference_to(condition), on)


def _observed(reading: Reading, observation: Resource) -> None:
    ref = reference_to(observation)
    if not _state(reading, observation.get("valueCodeableConcept"), ref, effective_day(observation)):
        text = "The stage group has no AJCC code that is known, so it is not used"
        reading.problem("stage-not-told", text, ref, "Observation.value")


def _state(reading: Reading, concept: Any, ref: str, on: dt.date | None) -> bool:
    found = value_set("stage_groups").match(codings(concept))
    if found is None or found.role != "stage":
        return False
    reading.state(fact("stage_group", found.display, ref, on))
    return True


def _history(reading: Reading, observation: Resource) -> None:
    """A metastasis outside the brain that was there; that there was none yet proves nothing for today."""
    found = value_set("metastases").match(codings(observation.get("code")))
    if found is None or found.role != "metastasis_extracranial" or observation.get("valueBoolean") is False:
        return
    reason = f"The history says {found.display}."
    name, ref, on = "extracranial_metastases_present", reference_to(observation), effective_day(observation)
    reading.infer(name, True, ref, on, why=reason)
