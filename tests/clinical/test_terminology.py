"""Codes match on system and code; every code that looks right and must not match stays out."""

from __future__ import annotations

import pytest

from isodose.clinical.terminology import (
    DRUG_SETS,
    VALUE_SETS,
    Coding,
    coding,
    codings,
    drugs,
    value_set,
    words_of,
)

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
SNOMED = "http://snomed.info/sct"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
ICDO3 = "http://terminology.hl7.org/CodeSystem/icd-o-3"
CPT = "http://www.ama-assn.org/go/cpt"
HCPCS = (
    "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets",
    "https://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets",
    "urn:oid:2.16.840.1.113883.6.285",
    "https://bluebutton.cms.gov/resources/codesystem/hcpcs",
)


def named(system: str, code: str) -> list[str]:
    return [drug.concept.id for drug in drugs([coding(system, code)])]


@pytest.mark.parametrize("name", VALUE_SETS)
def test_every_value_set_says_where_each_code_was_read(name: str) -> None:
    loaded = value_set(name)
    for concept, code in loaded.codes():
        assert isinstance(code.code, str), concept.id
        assert code.code, concept.id
        assert code.verified in ("yes", "memory")
        assert code.source in loaded.sources


@pytest.mark.parametrize("name", VALUE_SETS)
def test_no_code_means_two_things_in_one_value_set(name: str) -> None:
    seen: dict[tuple[str, str], str] = {}
    for concept, code in value_set(name).codes():
        if code.system != "null_flavor":
            assert seen.setdefault((code.system, code.code), concept.id) == concept.id


def test_no_drug_code_belongs_to_two_drug_sets() -> None:
    seen: dict[tuple[str, str], str] = {}
    for name in DRUG_SETS:
        for concept, code in value_set(name).codes():
            assert seen.setdefault((code.system, code.code), concept.id) == concept.id


@pytest.mark.parametrize("system", HCPCS)
def test_hcpcs_is_read_under_each_of_its_system_uris(system: str) -> None:
    assert named(system, "J9271") == ["pembrolizumab"]


def test_a_cpt_code_sent_as_hcpcs_level_one_is_still_cpt() -> None:
    assert value_set("radiosurgery").get(coding(HCPCS[0], "77372")) is not None


def test_retired_atc_codes_still_name_the_drug() -> None:
    assert named("http://www.whocc.no/atc", "L01XC18") == ["pembrolizumab"]
    assert named("http://www.whocc.no/atc", "L01XC14") == ["trastuzumab_emtansine"]


def test_terminated_hcpcs_codes_still_name_the_steroid() -> None:
    assert named(HCPCS[0], "J2930") == ["methylprednisolone"]


def test_a_code_without_its_system_names_nothing() -> None:
    assert drugs(codings({"coding": [{"code": "1547545"}]})) == []


def test_the_display_never_overrules_the_code() -> None:
    concept = {"coding": [{"system": RXNORM, "code": "1597876", "display": "Pembrolizumab"}]}
    found = drugs(codings(concept), words_of(concept))
    assert [(d.concept.id, d.certainty) for d in found] == [("nivolumab", "sure")]


def test_a_drug_given_only_as_text_is_likely() -> None:
    found = drugs([], words_of({"text": "Keytruda 200 mg IV every 3 weeks"}))
    assert [(d.concept.id, d.certainty) for d in found] == [("pembrolizumab", "likely")]


def test_a_conjugate_is_never_the_plain_antibody() -> None:
    assert named(RXNORM, "1371041") == ["trastuzumab_emtansine"]
    assert [d.concept.id for d in drugs([], words_of("ado-trastuzumab emtansine"))] == [
        "trastuzumab_emtansine"
    ]
    assert [d.concept.id for d in drugs([], words_of("Trastuzumab 6 mg/kg"))] == ["trastuzumab"]


def test_both_ingredients_of_the_fixed_combination_are_the_combination() -> None:
    both = [coding(RXNORM, "1597876"), coding(RXNORM, "2596773")]
    assert [d.concept.id for d in drugs(both)] == ["nivolumab_relatlimab"]
    assert [d.concept.id for d in drugs([], words_of("nivolumab / relatlimab"))] == ["nivolumab_relatlimab"]


def test_phesgo_counts_as_trastuzumab_and_as_pertuzumab() -> None:
    assert named(HCPCS[0], "J9316") == ["pertuzumab", "trastuzumab"]


def test_biosimilars_are_bevacizumab_by_class() -> None:
    found = drugs([coding(HCPCS[0], "Q5107")])
    assert [(d.concept.id, d.concept.role) for d in found] == [("bevacizumab_awwb", "anti_vegf")]


@pytest.mark.parametrize("code", ["C9257"])
def test_the_ophthalmic_bevacizumab_code_is_marked_as_local(code: str) -> None:
    assert [d.local_code for d in drugs([coding(HCPCS[0], code)])] == [code]


@pytest.mark.parametrize("code", ["S01BA01", "A01AC02", "R01AD03", "D10AA03"])
def test_topical_and_ophthalmic_dexamethasone_codes_are_marked_as_local(code: str) -> None:
    assert [d.local_code for d in drugs([coding("http://www.whocc.no/atc", code)])] == [code]


def test_one_number_is_a_tumour_in_icd10cm_and_a_site_in_icdo3() -> None:
    assert value_set("primary_brain_tumours").get(coding(ICD10CM, "C71.9")) is not None
    assert value_set("primary_brain_tumours").get(coding(ICDO3, "C71.9")) is None
    assert value_set("body_sites").get(coding(ICDO3, "C71.9")) is not None
    assert value_set("body_sites").get(coding(ICD10CM, "C71.9")) is None


def test_icd10cm_matches_by_category_and_without_its_dot() -> None:
    lung = value_set("primary_cancers").get(coding(ICD10CM, "C3412"))
    assert lung is not None
    assert (lung.id, lung.histology) == ("lung_primary_unspecified", "unknown")


@pytest.mark.parametrize("code", ["Y84.2", "I67.89", "G93.89", "T66.XXXA"])
def test_unspecific_codes_are_no_radionecrosis(code: str) -> None:
    effects = value_set("adverse_radiation_effects")
    assert effects.get(coding(ICD10CM, code)) is None
    assert effects.refused([coding(ICD10CM, code)]) is not None


@pytest.mark.parametrize("code", ["473237008", "230912001", "230914000", "230911008", "230913006"])
def test_radiosurgery_of_other_diseases_is_marked_as_excluded(code: str) -> None:
    concept = value_set("radiosurgery").get(coding(SNOMED, code))
    assert concept is not None
    assert concept.role == "srs_exclude"


@pytest.mark.parametrize("code", ["HGNC:3236", "3236"])
@pytest.mark.parametrize("system", ["http://www.genenames.org", "http://www.genenames.org/geneId"])
def test_genes_are_read_under_both_systems_with_and_without_prefix(system: str, code: str) -> None:
    gene = value_set("genes").get(coding(system, code))
    assert gene is not None
    assert gene.id == "gene_egfr"


def test_kidney_function_is_not_the_gene() -> None:
    renal = Coding("loinc", "98979-8")
    assert value_set("tumour_markers").get(renal) is None
    found = value_set("labs").get(renal)
    assert found is not None
    assert found.id == "egfr_renal"


@pytest.mark.parametrize("code", ["97509-4", "88040-1"])
def test_both_codes_of_disease_status_are_read(code: str) -> None:
    assert value_set("disease_status").get(Coding("loinc", code)) is not None


def test_not_pregnant_is_not_pregnancy() -> None:
    found = value_set("pregnancy").get(coding(SNOMED, "60001007"))
    assert found is not None
    assert found.id == "not_pregnant"


def test_long_snomed_codes_keep_every_digit() -> None:
    found = value_set("neurosurgery").get(coding(SNOMED, "455271000124102"))
    assert found is not None
    assert found.id == "resection_brain_lesion"


def test_legacy_temporary_course_codes_are_read() -> None:
    for system, code, meaning in (
        (
            "http://hl7.org/fhir/us/mcode/CodeSystem/snomed-requested-cs",
            "USCRS-33529",
            "rt_course_of_treatment",
        ),
        (
            "http://hl7.org/fhir/codex-radiation-therapy/CodeSystem/snomed-requested-cs",
            "USCRS-33527",
            "rt_treatment_phase",
        ),
    ):
        found = value_set("radiotherapy").get(coding(system, code))
        assert found is not None
        assert found.id == meaning


def test_the_medial_lemniscus_is_not_the_medulla() -> None:
    assert value_set("body_sites").get(coding(SNOMED, "30114003")) is None
