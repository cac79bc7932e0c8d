"""Records as a scenario tells them: courses, scans and facts in a few words."""

from __future__ import annotations

from typing import Any

from isodose.clinical import facts
from isodose.clinical.record import Course, Fact, PatientRecord, Scan, Subject


def record_of(row: dict[str, Any]) -> PatientRecord:
    """What a scenario row tells."""
    given = [
        Fact(name=name, value=value, source=f"Observation/{name}")
        for name, value in row.get("facts", {}).items()
    ]
    own = tuple(f for f in given if facts.definition(f.name).scope == "patient")
    of_lesion = tuple(f for f in given if f not in own)
    lesion = Subject(ref="BodyStructure/l1", scope="lesion", facts=of_lesion)
    return PatientRecord(
        patient_id="p",
        deceased=row.get("deceased", False),
        facts=own,
        subjects=(lesion,) if of_lesion else (),
        courses=tuple(_course(i, told) for i, told in enumerate(row.get("courses", ()))),
        scans=tuple(_scan(i, told) for i, told in enumerate(row.get("scans", ()))),
    )


def _course(index: int, told: dict[str, Any]) -> Course:
    usual = {"ref": f"Procedure/c{index}", "kind": "single_srs", "certainty": "sure", "status": "completed"}
    return Course(**(usual | told))


def _scan(index: int, told: dict[str, Any]) -> Scan:
    usual = {"ref": f"ImagingStudy/s{index}", "modality": "MR", "region": "brain", "status": "done"}
    dated = {"on" if name == "day" else name: value for name, value in told.items()}
    return Scan(**(usual | dated))
