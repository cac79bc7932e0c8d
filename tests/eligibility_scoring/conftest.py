"""The usual patient of the scenarios, and records made from what a scenario row changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from eligibility_scoring import knowledge as service_knowledge
from isodose.clinical import facts
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import Fact, PatientRecord, Subject

SCENARIOS = Path(__file__).parents[1] / "scenarios" / "eligibility"


@pytest.fixture(scope="session")
def knowledge() -> Knowledge:
    return service_knowledge.load()


@pytest.fixture(scope="session")
def told() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((SCENARIOS / "pathway.yaml").read_text(encoding="utf-8"))
    return loaded


@pytest.fixture(scope="session")
def record_of(told: dict[str, Any]) -> Callable[[dict[str, Any]], PatientRecord]:
    def made(row: dict[str, Any]) -> PatientRecord:
        patient = {**told["usual_patient"], **row.get("facts", {})}
        for name in row.get("without", ()):
            del patient[name]
        lesions = [
            Subject(ref=str(number), scope="lesion", facts=_stated({**told["usual_lesion"], **changed}))
            for number, changed in enumerate(row.get("lesions", [{}]), 1)
        ]
        plans = [Subject(ref="plan", scope="plan", facts=_stated(row["plan"]))] if "plan" in row else []
        return PatientRecord(patient_id="p", facts=_stated(patient), subjects=(*lesions, *plans))

    return made


def _stated(known: dict[str, Any]) -> tuple[Fact, ...]:
    for name in known:
        facts.definition(name)
    return tuple(Fact(name=name, value=value) for name, value in known.items() if value is not None)
