"""Synthetic patients of 50 resources, the same for every run."""

from __future__ import annotations

from typing import Any

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"

Resource = dict[str, Any]


def patient_resources(number: int) -> list[Resource]:
    """50 resources of patient `number`: what a realistic prefetch holds."""
    patient = f"bench-{number}"
    subject = {"reference": f"Patient/{patient}"}
    resources: list[Resource] = [
        {"resourceType": "Patient", "id": patient, "gender": "female", "birthDate": "1958-04-01"},
        _condition(f"{patient}-primary", subject, "http://hl7.org/fhir/sid/icd-10-cm", "C43.9"),
        _condition(f"{patient}-brain", subject, "http://hl7.org/fhir/sid/icd-10-cm", "C79.31"),
        _score(f"{patient}-kps", subject, "89243-0", 80),
    ]
    for lesion in range(4):
        resources += _lesion(f"{patient}-lesion-{lesion}", subject, 0.8 + lesion / 4)
    resources += [
        _drug(f"{patient}-drug-{n}", subject, code, day)
        for n, (code, day) in enumerate(
            [("1547545", 1), ("3264", 2), ("1597876", 3), ("114477", 4)] + [("6809", d) for d in range(5, 10)]
        )
    ]
    resources += [_radiotherapy(f"{patient}-rt-{n}", subject, n) for n in range(2)]
    resources += [_scan(f"{patient}-mr-{n}", subject, n) for n in range(6)]
    filler = 50 - len(resources)
    resources += [laboratory(f"{patient}-lab-{n}", subject, n) for n in range(filler)]
    return [_as_exported(resource) for resource in resources]


def transaction(number: int, size: int = 50) -> Resource:
    """The first `size` of the same resources as a transaction of updates."""
    entries = [
        {
            "fullUrl": f"https://ehr.example/fhir/{r['resourceType']}/{r['id']}",
            "resource": r,
            "request": {"method": "PUT", "url": f"{r['resourceType']}/{r['id']}"},
        }
        for r in patient_resources(number)[:size]
    ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def searchset(resources: list[Resource]) -> Resource:
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": r} for r in resources]}


def _as_exported(resource: Resource) -> Resource:
    """With the identifiers, stamps and narrative that real exports carry: about 1 kB a resource."""
    identity, kind = resource["id"], resource["resourceType"]
    lines = "".join(f"<tr><td>{name}</td><td>as recorded in the source system</td></tr>" for name in resource)
    return {
        **resource,
        "meta": {
            **resource.get("meta", {}),
            "versionId": "1",
            "lastUpdated": "2026-11-20T10:00:00.000+00:00",
        },
        "text": {
            "status": "generated",
            "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><table>{lines}</table></div>',
        },
        "identifier": [
            {
                "use": "official",
                "type": {"text": f"{kind} number in the source system"},
                "system": f"https://ehr.example/identifiers/{kind.lower()}",
                "value": identity,
            }
        ],
    }


def _condition(identity: str, subject: Resource, system: str, code: str) -> Resource:
    return {
        "resourceType": "Condition",
        "id": identity,
        "clinicalStatus": {
            "coding": [
                {"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}
            ]
        },
        "code": {"coding": [{"system": system, "code": code}]},
        "subject": subject,
        "onsetDateTime": "2026-02-01",
    }


def _score(identity: str, subject: Resource, code: str, value: int) -> Resource:
    return {
        "resourceType": "Observation",
        "id": identity,
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": code}]},
        "subject": subject,
        "effectiveDateTime": "2026-11-20",
        "valueInteger": value,
    }


def _lesion(identity: str, subject: Resource, diameter_cm: float) -> list[Resource]:
    fact = "https://isodose.example/fhir/CodeSystem/fact"
    return [
        {
            "resourceType": "BodyStructure",
            "id": identity,
            "morphology": {"coding": [{"system": SNOMED, "code": "94225005"}]},
            "location": {"coding": [{"system": SNOMED, "code": "12738006"}]},
            "patient": subject,
        },
        {
            "resourceType": "Observation",
            "id": f"{identity}-size",
            "status": "final",
            "code": {"coding": [{"system": fact, "code": "lesion_diameter_cm"}]},
            "subject": subject,
            "focus": [{"reference": f"BodyStructure/{identity}"}],
            "effectiveDateTime": "2026-11-18",
            "valueQuantity": {"value": diameter_cm, "unit": "cm", "system": UCUM, "code": "cm"},
        },
    ]


def _drug(identity: str, subject: Resource, code: str, day: int) -> Resource:
    return {
        "resourceType": "MedicationRequest",
        "id": identity,
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": {"coding": [{"system": RXNORM, "code": code}]},
        "subject": subject,
        "authoredOn": f"2026-11-{day:02d}",
        "dosageInstruction": [
            {
                "text": "4 mg by mouth twice a day",
                "timing": {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}},
                "doseAndRate": [{"doseQuantity": {"value": 4, "unit": "mg", "system": UCUM, "code": "mg"}}],
            }
        ],
    }


def _radiotherapy(identity: str, subject: Resource, number: int) -> Resource:
    mcode = "http://hl7.org/fhir/us/mcode/StructureDefinition"
    return {
        "resourceType": "Procedure",
        "id": identity,
        "meta": {"profile": [f"{mcode}/mcode-radiotherapy-course-summary"]},
        "extension": [
            {
                "url": f"{mcode}/mcode-radiotherapy-dose-delivered-to-volume",
                "extension": [
                    {
                        "url": "totalDoseDelivered",
                        "valueQuantity": {"value": 20, "system": UCUM, "code": "Gy"},
                    },
                    {"url": "fractionsDelivered", "valueUnsignedInt": 1},
                ],
            }
        ],
        "status": "completed",
        "code": {"coding": [{"system": SNOMED, "code": "429584001"}]},
        "subject": subject,
        "performedPeriod": {"start": f"2026-0{3 + number}-10", "end": f"2026-0{3 + number}-10"},
        "bodySite": [{"coding": [{"system": SNOMED, "code": "12738006"}]}],
    }


def _scan(identity: str, subject: Resource, number: int) -> Resource:
    return {
        "resourceType": "ImagingStudy",
        "id": identity,
        "status": "available",
        "modality": [{"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "MR"}],
        "subject": subject,
        "started": f"2026-{4 + number:02d}-15T09:00:00Z",
        "description": "MRI brain with contrast",
    }


def laboratory(identity: str, subject: Resource, number: int) -> Resource:
    return {
        "resourceType": "Observation",
        "id": identity,
        "status": "final",
        "category": [
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/observation-category",
                        "code": "laboratory",
                    }
                ]
            }
        ],
        "code": {"coding": [{"system": LOINC, "code": "718-7", "display": "Hemoglobin"}]},
        "subject": subject,
        "effectiveDateTime": f"2026-10-{1 + number % 28:02d}T08:00:00Z",
        "valueQuantity": {"value": 12.5, "unit": "g/dL", "system": UCUM, "code": "g/dL"},
    }
