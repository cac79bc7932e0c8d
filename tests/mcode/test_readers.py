"""Conditions, markers, scores, measurements, operations and scans, with the traps of each."""

from __future__ import annotations

from typing import Any

import pytest

from isodose.clinical.record import PatientRecord
from isodose.mcode import build_record

SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
MCODE = "http://hl7.org/fhir/us/mcode/StructureDefinition"


def concept(system: str, code: str, **more: Any) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}], **more}


def condition(system: str, code: str, identity: str = "c1", **more: Any) -> dict[str, Any]:
    return {"resourceType": "Condition", "id": identity, "code": concept(system, code), **more}


def observation(code: str, system: str = LOINC, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": "o1",
        "status": "final",
        "code": concept(system, code),
        "effectiveDateTime": "2026-03-01",
        **more,
    }


def values(*resources: Any) -> dict[str, Any]:
    return {fact.name: fact.value for fact in build_record("p", resources).facts}


def codes(record: PatientRecord) -> list[str]:
    return [problem.code for problem in record.problems]


def morphology(system: str, code: str) -> list[dict[str, Any]]:
    return [
        {
            "url": f"{MCODE}/mcode-histology-morphology-behavior",
            "valueCodeableConcept": concept(system, code),
        }
    ]


def test_a_lung_site_code_does_not_tell_the_histology() -> None:
    record = build_record("p", [condition(ICD10CM, "C34.11")])
    assert {f.name: f.value for f in record.facts} == {"histology": "unknown"}
    assert codes(record) == ["histology-not-told"]


@pytest.mark.parametrize(
    ("system", "code", "expected"),
    [
        (SNOMED, "35917007", "nsclc"),
        (SNOMED, "74364000", "sclc"),
        ("http://terminology.hl7.org/CodeSystem/icd-o-3", "8140/3", "nsclc"),
        ("http://terminology.hl7.org/CodeSystem/icd-o-3", "8041/3", "sclc"),
    ],
)
def test_the_morphology_tells_it(system: str, code: str, expected: str) -> None:
    assert values(condition(ICD10CM, "C34.11", extension=morphology(system, code)))["histology"] == expected


def test_snomed_ct_tells_it() -> None:
    assert values(condition(SNOMED, "254637007"))["histology"] == "nsclc"
    assert values(condition(SNOMED, "254632001"))["histology"] == "sclc"
    adenocarcinoma = values(condition(ICD10CM, "C34.11"), condition(SNOMED, "254626006", "c2"))
    assert (adenocarcinoma["histology"], adenocarcinoma["nsclc_subtype"]) == ("nsclc", "adenocarcinoma")


def test_two_different_primaries_leave_the_histology_open() -> None:
    record = build_record("p", [condition(ICD10CM, "C43.9"), condition(ICD10CM, "C50.912", "c2")])
    assert {f.name: f.value for f in record.facts} == {"histology": "unknown"}
    assert codes(record) == ["several-primaries"]


@pytest.mark.parametrize("status", ["refuted", "entered-in-error"])
def test_refuted_conditions_are_not_read(status: str) -> None:
    system = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
    assert values(condition(ICD10CM, "C79.32", verificationStatus=concept(system, status))) == {}


def test_leptomeningeal_disease_is_read_and_the_residual_code_asks() -> None:
    sure = build_record("p", [condition(ICD10CM, "C79.32")]).facts
    residual = build_record("p", [condition(ICD10CM, "C79.49")]).facts
    assert [(f.name, f.value, f.certainty) for f in sure] == [("lmd_present", True, "likely")]
    assert [(f.name, f.value, f.certainty) for f in residual] == [("lmd_present", True, "ask")]


def test_a_primary_brain_tumour_code_is_no_metastasis() -> None:
    record = build_record("p", [condition(ICD10CM, "C71.9")])
    assert (record.facts, codes(record)) == ((), ["primary-brain-tumour"])


def test_not_pregnant_is_read_as_such() -> None:
    assert values(condition(SNOMED, "60001007")) == {"pregnant": "no"}
    assert values(condition(SNOMED, "102874004")) == {"pregnant": "unknown"}


def test_unspecific_codes_are_no_radionecrosis_and_this_is_said() -> None:
    record = build_record("p", [condition(ICD10CM, "Y84.2")])
    assert (record.facts, codes(record)) == ((), ["code-not-specific"])


@pytest.mark.parametrize(
    ("code", "more", "expected"),
    [
        ("89243-0", {"valueInteger": 70}, {"kps": 70}),
        ("89247-1", {"valueInteger": 2}, {"ecog": 2}),
        ("89243-0", {"valueCodeableConcept": concept(LOINC, "LA29178-3")}, {"kps": 70}),
        ("89247-1", {"valueCodeableConcept": concept(LOINC, "LA9624-3")}, {"ecog": 2}),
        ("89247-1", {"interpretation": [concept(LOINC, "LA9624-3")]}, {"ecog": 2}),
        ("89243-0", {"valueCodeableConcept": concept(LOINC, "LA9627-6")}, {"kps": 0}),
        ("89247-1", {"valueCodeableConcept": concept(LOINC, "LA9627-6")}, {"ecog": 5}),
        ("89243-0", {"valueInteger": 700}, {}),
        ("89243-0", {"valueInteger": 70, "status": "entered-in-error"}, {}),
        ("718-7", {"valueQuantity": {"value": 120, "code": "g/L"}}, {"hemoglobin_g_dl": 12.0}),
        ("718-7", {"valueQuantity": {"value": 12, "code": "mm"}}, {}),
        ("98979-8", {"valueQuantity": {"value": 61, "code": "mL/min/{1.73_m2}"}}, {"egfr_ml_min_1_73": 61.0}),
    ],
)
def test_scores_and_labs(code: str, more: Any, expected: dict[str, Any]) -> None:
    assert values(observation(code, **more)) == expected


def test_the_panel_code_is_said_not_to_be_the_score() -> None:
    record = build_record("p", [observation("89262-0", valueInteger=1)])
    assert codes(record) == ["panel-not-score"]


POSITIVE = {"valueCodeableConcept": concept(SNOMED, "10828004")}
NEGATIVE = {"valueCodeableConcept": concept(SNOMED, "260385009")}


@pytest.mark.parametrize(
    ("code", "more", "expected"),
    [
        ("21665-5", POSITIVE, {"molecular.EGFR": "mutant"}),
        ("21665-5", {"valueString": "None detected"}, {"molecular.EGFR": "wild_type"}),
        ("78205-2", POSITIVE, {"molecular.ALK": "rearranged"}),
        ("90927-5", NEGATIVE, {"molecular.RET": "negative"}),
        ("58415-1", POSITIVE, {"molecular.BRAF_V600": "mutant"}),
        ("58483-9", POSITIVE, {}),
        ("58483-9", {"valueString": "p.V600E detected"}, {"molecular.BRAF_V600": "mutant"}),
        ("48676-1", POSITIVE, {"molecular.HER2": "positive"}),
        ("85319-2", {"valueString": "3+"}, {"molecular.HER2": "positive"}),
        ("85319-2", {"valueString": "1+"}, {"molecular.HER2": "low"}),
        ("85319-2", {"valueString": "2+"}, {}),
        ("83053-9", {"valueQuantity": {"value": 60, "code": "%"}}, {"pdl1_tps_pct": 60.0}),
        ("83052-1", {"valueQuantity": {"value": 60, "code": "%"}}, {}),
        ("98979-8", POSITIVE, {}),
    ],
)
def test_marker_tests(code: str, more: Any, expected: dict[str, Any]) -> None:
    assert values(observation(code, **more)) == expected


def variant(
    gene: str, system: str = "http://www.genenames.org", present: str = "LA9633-4", **parts: str
) -> Any:
    components = [{"code": concept(LOINC, "48018-6"), "valueCodeableConcept": concept(system, gene)}]
    components += [
        {"code": concept(LOINC, "48005-3"), "valueCodeableConcept": {"text": text}} for text in parts.values()
    ]
    return observation("69548-6", valueCodeableConcept=concept(LOINC, present), component=components)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (variant("HGNC:3236"), {"molecular.EGFR": "mutant"}),
        (variant("3236", "http://www.genenames.org/geneId"), {"molecular.EGFR": "mutant"}),
        (variant("HGNC:1097", change="p.Val600Glu"), {"molecular.BRAF_V600": "mutant"}),
        (variant("HGNC:1097", change="p.Gly469Ala"), {}),
        (variant("HGNC:427", change="EML4-ALK fusion"), {"molecular.ALK": "rearranged"}),
        (variant("HGNC:427", change="p.Phe1174Leu"), {}),
        (variant("HGNC:3430", change="p.Ser310Phe"), {}),
        (variant("HGNC:3236", present="LA9634-2"), {}),
    ],
)
def test_genomic_variants(given: Any, expected: dict[str, Any]) -> None:
    assert values(given) == expected


def test_a_fusion_tells_of_both_of_its_genes() -> None:
    genes = [
        {"code": concept(LOINC, "48018-6"), "valueCodeableConcept": concept("http://www.genenames.org", gene)}
        for gene in ("HGNC:7029", "HGNC:427")
    ]
    kind = {"code": concept(LOINC, "48019-4"), "valueCodeableConcept": {"text": "rearrangement"}}
    given = observation("69548-6", valueCodeableConcept=concept(LOINC, "LA9633-4"), component=[*genes, kind])
    assert values(given) == {"molecular.ALK": "rearranged"}


ER, PR, HER2 = "85337-4", "85339-0", "48676-1"


@pytest.mark.parametrize(
    ("receptors", "her2", "subtype"),
    [
        ({ER: POSITIVE, PR: NEGATIVE}, POSITIVE, "luminal_b"),
        ({ER: NEGATIVE, PR: POSITIVE}, NEGATIVE, "luminal_a"),
        ({PR: POSITIVE}, NEGATIVE, "luminal_a"),
        ({ER: NEGATIVE, PR: NEGATIVE}, POSITIVE, "her2"),
        ({ER: NEGATIVE, PR: NEGATIVE}, NEGATIVE, "basal"),
        ({ER: NEGATIVE, PR: NEGATIVE}, {"valueString": "1+"}, "basal"),
        ({ER: NEGATIVE}, NEGATIVE, None),
        ({ER: NEGATIVE, PR: NEGATIVE}, {"valueString": "2+"}, None),
        ({}, POSITIVE, None),
    ],
)
def test_the_subtype_of_breast_cancer_follows_from_its_receptors(
    receptors: dict[str, Any], her2: Any, subtype: str | None
) -> None:
    tests = {HER2: her2, **receptors}
    record = build_record("p", [observation(code, **more) | {"id": code} for code, more in tests.items()])
    found = [(f.value, f.stated, f.certainty) for f in record.facts if f.name == "breast_subtype"]
    assert found == ([(subtype, False, "likely")] if subtype else [])


def test_the_newest_test_of_a_receptor_counts() -> None:
    older = observation(ER, **POSITIVE) | {"id": "e1", "effectiveDateTime": "2020-01-01"}
    newer = observation(ER, **NEGATIVE) | {"id": "e2"}
    others = [observation(code, **NEGATIVE) | {"id": code} for code in (PR, HER2)]
    assert values(older, newer, *others)["breast_subtype"] == "basal"


STAGE_IV = concept(SNOMED, "1222837003")


def test_a_stage_group_is_read_from_its_observation_or_from_the_condition_alone() -> None:
    assert values(observation("21908-9", valueCodeableConcept=STAGE_IV)) == {"stage_group": "IV"}
    summed = condition(ICD10CM, "C43.9", recordedDate="2026-01-02", stage=[{"summary": STAGE_IV}])
    assert values(summed)["stage_group"] == "IV"
    observed = [{"summary": STAGE_IV, "assessment": [{"reference": "Observation/o1"}]}]
    assert "stage_group" not in values(condition(ICD10CM, "C43.9", stage=observed))
    unknown = build_record("p", [observation("21908-9", valueCodeableConcept={"text": "stage four"})])
    assert (unknown.facts, codes(unknown)) == ((), ["stage-not-told"])


def test_a_history_of_metastases_outside_the_brain_is_likely_and_no_history_tells_nothing() -> None:
    had = observation("1098951000119108", SNOMED)
    (fact,) = build_record("p", [had]).facts
    assert (fact.name, fact.value, fact.certainty) == ("extracranial_metastases_present", True, "likely")
    assert values({**had, "valueBoolean": False}) == {}


def lesion(identity: str = "l1", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "BodyStructure",
        "id": identity,
        "location": concept(SNOMED, "83251001", text="Frontal lobe"),
        **more,
    }


def site(code: str, display: str) -> dict[str, Any]:
    return {"coding": [{"system": SNOMED, "code": code, "display": display}]}


OCCIPITAL = site("31065004", "Occipital lobe structure")
LEFT = [site("7771000", "Left")]


@pytest.mark.parametrize(
    ("location", "label"),
    [
        (site("16630005", "Parietal lobe structure"), "left parietal lobe"),
        (site("113305005", "Cerebellar structure (body structure)"), "left cerebellum"),
        (site("6566002", "Cerebellar hemisphere structure"), "left cerebellar hemisphere"),
        (site("83678007", "Structure of cerebrum"), "left cerebrum"),
        (concept(SNOMED, "83251001", text="Gyrus frontalis"), "left gyrus frontalis"),
        (concept(SNOMED, "83251001", text="MCA territory"), "left MCA territory"),
    ],
)
def test_a_lesion_is_named_as_a_report_names_it(location: dict[str, Any], label: str) -> None:
    (subject,) = build_record("p", [lesion(location=location, locationQualifier=LEFT)]).of_scope("lesion")
    assert subject.label == label


def test_two_lesions_at_one_place_are_told_apart() -> None:
    found = build_record("p", [lesion("l1"), lesion("l2"), lesion("l3", location=OCCIPITAL)]).of_scope(
        "lesion"
    )
    assert [one.label for one in found] == ["frontal lobe (l1)", "frontal lobe (l2)", "occipital lobe"]


def size(longest: float, unit: str = "mm", focus: str = "BodyStructure/l1") -> dict[str, Any]:
    part = {"code": concept(LOINC, "33728-7"), "valueQuantity": {"value": longest, "code": unit}}
    return observation("21889-1", component=[part], focus=[{"reference": focus}])


def of_lesion(record: PatientRecord) -> dict[str, Any]:
    (subject,) = record.of_scope("lesion")
    return {fact.name: fact.value for fact in subject.facts}


def test_the_size_of_a_lesion_is_read_in_both_units() -> None:
    expected = {"lesion_diameter_cm": 2.4, "longest_diameter_mm": 24.0}
    assert of_lesion(build_record("p", [lesion(), size(24)])) == expected
    assert of_lesion(build_record("p", [lesion(), size(2.4, "cm")])) == expected


def test_a_size_of_something_outside_the_brain_is_not_a_brain_lesion() -> None:
    liver = {**lesion(), "location": concept(SNOMED, "10200004")}
    assert build_record("p", [liver, size(24)]).subjects == ()


def test_a_volume_counts_only_for_a_lesion_in_focus() -> None:
    volume = observation("118565006", SNOMED, valueQuantity={"value": 1500, "code": "mm3"})
    focused = {**volume, "focus": [{"reference": "BodyStructure/l1"}]}
    assert of_lesion(build_record("p", [lesion(), focused])) == {"lesion_volume_ml": 1.5}
    assert of_lesion(build_record("p", [lesion(), volume])) == {}


def test_the_number_of_lesions_needs_the_brain_as_its_site() -> None:
    number = observation("246206008", SNOMED, valueInteger=4)
    assert values({**number, "bodySite": concept(SNOMED, "12738006")}) == {"lesion_count": 4}
    assert values(number) == {}


def test_inactive_structures_and_organs_at_risk_are_no_lesions() -> None:
    organ = lesion("l2", morphology=concept(SNOMED, "1162586008"))
    assert build_record("p", [lesion(active=False), organ]).subjects == ()


def status_of(value: str, focus: str, code: str = "97509-4", **more: Any) -> dict[str, Any]:
    return observation(
        code, valueCodeableConcept=concept(SNOMED, value, **more), focus=[{"reference": focus}]
    )


@pytest.mark.parametrize("code", ["97509-4", "88040-1"])
def test_disease_status_is_about_what_is_in_focus(code: str) -> None:
    liver = condition(ICD10CM, "C78.7")
    worse = values(liver, status_of("271299001", "Condition/c1", code))
    assert worse["extracranial_disease_status"] == "progressing"
    brain = condition(ICD10CM, "C79.31")
    stable = values(brain, status_of("359746009", "Condition/c1", code))
    assert stable == {"brain_disease_stable": True, "intracranial_progression_type": "none"}


def test_local_and_distant_progression_are_told_apart() -> None:
    url = (
        "http://hl7.org/fhir/us/codex-radiation-therapy/StructureDefinition"
        "/codexrt-radiotherapy-disease-progression-qualifier"
    )
    local = [{"url": url, "valueCodeableConcept": concept(SNOMED, "255470001")}]
    given = status_of("271299001", "Condition/c1", extension=local)
    assert values(condition(ICD10CM, "C79.31"), given)["intracranial_progression_type"] == "local"


def procedure(system: str, code: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Procedure",
        "id": "x1",
        "status": "completed",
        "code": concept(system, code),
        "performedDateTime": "2026-02-10",
        **more,
    }


def test_total_and_partial_excision_tell_the_extent() -> None:
    total = build_record("p", [lesion(), procedure(SNOMED, "447115003")])
    partial = build_record("p", [lesion(), procedure(SNOMED, "446103006")])
    assert [(o.kind, o.status, str(o.on)) for o in total.operations] == [
        ("resection_brain_lesion", "done", "2026-02-10")
    ]
    assert of_lesion(total) == {"resection_extent": "gross_total"}
    assert of_lesion(partial) == {"resection_extent": "subtotal"}


def test_a_study_and_its_report_are_one_scan() -> None:
    study = {
        "resourceType": "ImagingStudy",
        "id": "i1",
        "status": "available",
        "started": "2026-02-20T08:00:00Z",
        "modality": [{"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "MR"}],
        "description": "MRI brain with and without contrast",
    }
    report = {
        "resourceType": "DiagnosticReport",
        "id": "r1",
        "status": "final",
        "code": concept(LOINC, "24587-8"),
        "effectiveDateTime": "2026-02-20",
        "imagingStudy": [{"reference": "ImagingStudy/i1"}],
    }
    both = build_record("p", [report, study])
    (scan,) = both.scans
    assert (scan.ref, scan.modality, scan.region, scan.status) == ("ImagingStudy/i1", "MR", "brain", "done")
    assert [s.ref for s in both.of_scope("imaging")] == ["ImagingStudy/i1"]
    (alone,) = build_record("p", [report]).scans
    assert (alone.ref, str(alone.on)) == ("DiagnosticReport/r1", "2026-02-20")


def test_a_scan_without_contrast_is_said_not_to_be_adequate() -> None:
    (scan,) = build_record("p", [procedure("http://www.ama-assn.org/go/cpt", "70551")]).scans
    assert scan.reasons


@pytest.mark.parametrize(
    ("status", "intent", "expected"),
    [
        ("active", "order", "ordered"),
        ("active", "proposal", "proposed"),
        ("draft", "order", "proposed"),
        ("revoked", "order", "cancelled"),
        ("completed", "order", "unknown"),
    ],
)
def test_orders_for_a_scan(status: str, intent: str, expected: str) -> None:
    order = {
        "resourceType": "ServiceRequest",
        "id": "s1",
        "status": status,
        "intent": intent,
        "code": concept(LOINC, "24587-8"),
        "occurrencePeriod": {"start": "2026-04-01", "end": "2026-04-14"},
    }
    (scan,) = build_record("p", [order]).scans
    assert (scan.status, str(scan.on)) == (expected, "2026-04-01")


def test_an_appointment_is_a_scan_by_its_words_or_by_its_order() -> None:
    appointment = {
        "resourceType": "Appointment",
        "id": "a1",
        "status": "booked",
        "start": "2026-04-07T09:00:00Z",
    }
    order = {
        "resourceType": "ServiceRequest",
        "id": "s1",
        "status": "active",
        "intent": "order",
        "code": concept(LOINC, "24587-8"),
    }
    (by_words,) = build_record("p", [{**appointment, "description": "MRI brain"}]).scans
    assert (by_words.status, str(by_words.on)) == ("booked", "2026-04-07")
    based = build_record("p", [{**appointment, "basedOn": [{"reference": "ServiceRequest/s1"}]}, order])
    assert {scan.status for scan in based.scans} == {"booked", "ordered"}
    assert build_record("p", [{**appointment, "description": "Clinic visit"}]).scans == ()


def test_scans_of_other_regions_are_left_out() -> None:
    knee = procedure(SNOMED, "113091000", bodySite=[concept(SNOMED, "72696002")])
    knee["code"]["text"] = "MRI of knee"
    assert build_record("p", [knee]).scans == ()
