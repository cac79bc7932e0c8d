"""What follows from drugs on a day: what acts, how much steroid, how far from radiation; never an absence."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from msgspec.structs import replace

from isodose.clinical.derive.acting import cycle_days, figures
from isodose.clinical.derive.drugs import drug_facts
from isodose.clinical.record import Course, Exposure, Fact, Operation, PatientRecord, Subject

ON = dt.date(2026, 11, 23)


def ago(days: int) -> dt.date:
    return ON - dt.timedelta(days=days)


def drug(concept: str, role: str, ref: str = "MedicationRequest/m", **more: Any) -> Exposure:
    return Exposure(ref=ref, concept=concept, drug_class=role, **({"status": "active"} | more))


def steroid(concept: str, mg: float | None, ref: str = "MedicationRequest/s", **more: Any) -> Exposure:
    settled = {"start": ago(3), "route": "systemic", "daily_dose_mg": mg} | more
    return drug(concept, "corticosteroid", ref, **settled)


def derived(*exposures: Exposure, **more: Any) -> dict[str, Fact]:
    record = drug_facts(PatientRecord(patient_id="p", exposures=exposures, **more), ON)
    found = (*record.facts, *(f for s in record.subjects for f in s.facts))
    return {fact.name: fact for fact in found if not fact.stated}


def value(name: str, *exposures: Exposure, **more: Any) -> Any:
    fact = derived(*exposures, **more).get(name)
    return fact.value if fact else None


NIVOLUMAB = drug("nivolumab", "ici_pd1", start=ago(40))
PEMBROLIZUMAB = drug("pembrolizumab", "ici_pd1", "MedicationRequest/k", start=ago(40))
IPILIMUMAB = drug("ipilimumab", "ici_ctla4", "MedicationRequest/i", start=ago(40))


def test_a_record_without_drugs_tells_nothing() -> None:
    assert derived() == {}


def test_a_drug_of_another_kind_is_no_proof_of_absence() -> None:
    assert derived(drug("levetiracetam", "antiseizure", start=ago(9))) == {}


def test_an_active_checkpoint_inhibitor_tells_agent_class_half_life_and_weeks() -> None:
    facts = derived(PEMBROLIZUMAB)
    shown = {name: facts[name].value for name in facts}
    assert shown["ici_active"] is True
    assert shown["ici_agent"] == "pembrolizumab"
    assert shown["ici_agent_class"] == "anti_pd1"
    assert shown["ici_half_life_days"] == 25.8
    assert shown["weeks_from_ici_start"] == pytest.approx(40 / 7, abs=0.01)
    assert shown["ici_naive"] is False
    assert shown["systemic_therapy_active"] is True
    assert facts["ici_active"].source == "MedicationRequest/k"
    assert not facts["ici_active"].stated
    assert facts["ici_active"].reasons


def test_two_checkpoint_inhibitors_are_dual_without_one_agent() -> None:
    facts = derived(NIVOLUMAB, IPILIMUMAB)
    assert facts["ici_agent_class"].value == "dual"
    assert "ici_agent" not in facts
    assert facts["ici_half_life_days"].value == 25
    assert facts["ici_half_life_days"].certainty == "likely"


def test_a_fixed_combination_is_dual_too() -> None:
    facts = derived(drug("nivolumab_relatlimab", "ici_pd1_lag3", start=ago(9)))
    assert (facts["ici_agent_class"].value, facts["ici_half_life_days"].value) == ("dual", 26.5)
    assert "ici_agent" not in facts


def test_a_recalled_half_life_says_so() -> None:
    fact = derived(drug("dostarlimab", "ici_pd1", start=ago(9)))["ici_half_life_days"]
    assert fact.certainty == "likely"
    assert "awaits clinical sign-off" in fact.reasons[0]


@pytest.mark.parametrize(("days", "acts"), [(0, True), (125, True), (126, None)])
def test_an_antibody_acts_for_five_half_lives_after_its_last_dose(days: int, acts: bool | None) -> None:
    given = drug("nivolumab", "ici_pd1", status="completed", given_on=(ago(days + 21), ago(days)))
    assert value("ici_active", given) is acts
    if acts:
        assert derived(given)["ici_active"].certainty == "likely"


def test_a_checkpoint_inhibitor_stopped_long_ago_is_not_active_and_not_naive() -> None:
    past = drug("nivolumab", "ici_pd1", status="stopped", start=ago(900), end=ago(800))
    facts = derived(past)
    assert facts["ici_naive"].value is False
    assert "ici_active" not in facts


def test_a_draft_counts_as_planned_and_says_nothing_of_earlier_drugs() -> None:
    facts = derived(drug("nivolumab", "ici_pd1", status="planned", draft=True, start=ON))
    assert facts["ici_planned"].value is True
    assert not {"ici_active", "ici_naive"} & facts.keys()
    assert facts["ici_agent"].value == "nivolumab"


def test_an_order_for_next_week_is_planned() -> None:
    facts = derived(drug("nivolumab", "ici_pd1", start=ON + dt.timedelta(days=7)))
    assert facts["ici_planned"].value is True
    assert "ici_active" not in facts


def test_an_order_that_begins_today_is_no_earlier_drug() -> None:
    assert value("ici_naive", drug("nivolumab", "ici_pd1", start=ON)) is None


def test_a_drug_on_hold_without_a_dose_tells_nothing() -> None:
    assert value("ici_active", drug("nivolumab", "ici_pd1", status="on-hold", start=ago(40))) is None


def test_two_sources_that_disagree_make_it_uncertain() -> None:
    stop = drug("nivolumab", "ici_pd1", "MedicationStatement/n", status="stopped", start=ago(90), end=ago(5))
    assert derived(NIVOLUMAB)["ici_active"].certainty == "sure"
    fact = derived(NIVOLUMAB, stop)["ici_active"]
    assert fact.certainty in ("likely", "ask")
    assert any("stopped" in reason for reason in fact.reasons)


def test_a_drug_read_from_its_name_is_no_surer_for_it() -> None:
    assert derived(replace(NIVOLUMAB, certainty="likely"))["ici_active"].certainty == "likely"


@pytest.mark.parametrize(
    ("concept", "mg"),
    [
        ("prednisone", 10),
        ("prednisolone", 10),
        ("methylprednisolone", 8),
        ("hydrocortisone", 40),
        ("dexamethasone", 1.5),
        ("betamethasone", 1.2),
    ],
)
def test_equal_doses_are_ten_milligrams_of_prednisone(concept: str, mg: float) -> None:
    facts = derived(steroid(concept, mg))
    assert facts["prednisone_equivalent_mg_per_day"].value == 10
    assert facts["steroid_dexamethasone_mg_per_day"].value == 1.5


def test_several_steroids_add_up() -> None:
    both = (steroid("prednisone", 5), steroid("hydrocortisone", 20, "MedicationRequest/h"))
    assert value("prednisone_equivalent_mg_per_day", *both) == 10


def test_two_orders_of_one_steroid_add_up_but_a_report_of_it_does_not() -> None:
    order, second = steroid("dexamethasone", 4), steroid("dexamethasone", 4, "MedicationRequest/t")
    report = steroid("dexamethasone", 6, "MedicationStatement/s")
    assert value("steroid_dexamethasone_mg_per_day", order, second) == 8
    facts = derived(order, report)
    assert facts["steroid_dexamethasone_mg_per_day"].value == 6
    assert facts["steroid_dexamethasone_mg_per_day"].certainty == "likely"


@pytest.mark.parametrize("route", ["topical", "inhaled", "ophthalmic", "local"])
def test_only_systemic_steroid_counts(route: str) -> None:
    assert derived(steroid("dexamethasone", 8, route=route)) == {}


def test_a_route_not_told_counts_with_doubt() -> None:
    fact = derived(steroid("dexamethasone", 8, route=""))["steroid_dexamethasone_mg_per_day"]
    assert (fact.value, fact.certainty) == (8, "likely")


@pytest.mark.parametrize("more", [{"daily_dose_mg": None}, {"as_needed": True}])
def test_one_dose_that_cannot_be_computed_leaves_the_day_unknown(more: dict[str, Any]) -> None:
    open_ended = replace(steroid("dexamethasone", 8, "MedicationRequest/o"), **more)
    assert value("steroid_dexamethasone_mg_per_day", steroid("prednisone", 50), open_ended) is None


def test_a_steroid_that_ended_yesterday_gives_no_dose_and_no_zero() -> None:
    assert derived(steroid("dexamethasone", 8, start=ago(9), end=ago(1))) == {}


def test_a_stated_dose_gives_the_other_unit_and_beats_the_orders() -> None:
    stated = (Fact(name="steroid_dexamethasone_mg_per_day", value=3, source="Observation/o"),)
    assert value("prednisone_equivalent_mg_per_day", steroid("prednisone", 60), facts=stated) == 20


def test_duration_runs_through_the_steps_of_a_taper() -> None:
    steps = (
        steroid("dexamethasone", 8, "MedicationRequest/1", status="completed", start=ago(30), end=ago(20)),
        steroid("dexamethasone", 4, "MedicationRequest/2", start=ago(19), end=ON + dt.timedelta(days=4)),
    )
    facts = derived(*steps)
    assert facts["steroid_duration_days"].value == 30
    assert facts["steroid_planned_days"].value == 34
    assert facts["steroid_dexamethasone_mg_per_day"].value == 4


def test_a_break_begins_the_count_anew() -> None:
    early = steroid("dexamethasone", 8, "MedicationRequest/1", status="completed", start=ago(60), end=ago(30))
    assert value("steroid_duration_days", early, steroid("dexamethasone", 4)) == 3


def test_without_a_start_there_is_no_duration() -> None:
    facts = derived(steroid("dexamethasone", 4, start=None))
    assert "steroid_duration_days" not in facts
    assert facts["steroid_dexamethasone_mg_per_day"].certainty == "likely"


def test_planned_days_without_an_end_are_told_once_they_reach_the_longest_mark() -> None:
    assert value("steroid_planned_days", steroid("prednisone", 20, start=ago(27))) is None
    assert value("steroid_planned_days", steroid("prednisone", 20, start=ago(28))) == 28


@pytest.mark.parametrize(
    ("indication", "reason"),
    [("cerebral_oedema", "cns_oedema"), ("Nausea after chemotherapy", "antiemetic"), ("pain", None)],
)
def test_why_a_steroid_is_given(indication: str, reason: str | None) -> None:
    assert value("steroid_indication", steroid("dexamethasone", 4, indication=indication)) == reason


@pytest.mark.parametrize(
    ("concept", "role", "name", "agent"),
    [
        ("trastuzumab_emtansine", "adc_her2", "antibody_drug_conjugate_agent", "t_dm1"),
        ("trastuzumab_deruxtecan", "adc_her2", "antibody_drug_conjugate_agent", "t_dxd"),
        ("sacituzumab_govitecan", "adc_trop2", "antibody_drug_conjugate_agent", "sacituzumab_govitecan"),
        ("datopotamab_deruxtecan", "adc_trop2", "antibody_drug_conjugate_agent", "other"),
        ("vemurafenib", "braf_inhibitor", "braf_inhibitor_agent", "vemurafenib"),
        ("trametinib", "mek_inhibitor", "mek_inhibitor_active", True),
        ("osimertinib", "tki_egfr", "tki_active", True),
        ("cabozantinib", "tki_vegfr_met", "vegfr_tki_agent", "cabozantinib"),
        ("axitinib", "tki_vegfr", "tki_active", None),
        ("axitinib", "tki_vegfr", "vegfr_tki_agent", "axitinib"),
        ("docetaxel", "taxane", "systemic_therapy_active", True),
        ("bevacizumab", "anti_vegf", "systemic_therapy_active", None),
    ],
)
def test_targeted_drugs_are_told_by_their_names(concept: str, role: str, name: str, agent: Any) -> None:
    assert value(name, drug(concept, role, start=ago(9))) == agent


def test_a_tki_that_the_review_does_not_name_is_only_likely_cns_active() -> None:
    assert derived(drug("gefitinib", "tki_egfr", start=ago(9)))["tki_active"].certainty == "likely"
    assert derived(drug("osimertinib", "tki_egfr", start=ago(9)))["tki_active"].certainty == "sure"


def srs(
    day: dt.date, status: str = "completed", kind: str = "single_srs", end: dt.date | None = None
) -> Course:
    return Course(ref="Procedure/c", kind=kind, certainty="sure", status=status, start=day, end=end or day)  # type: ignore[arg-type]


def given(*days: int, concept: str = "nivolumab", role: str = "ici_pd1") -> Exposure:
    doses = tuple(ago(d) for d in days)
    return drug(concept, role, "MedicationAdministration/a", status="completed", given_on=doses)


@pytest.mark.parametrize(
    ("doses", "days"),
    [((17,), -7), ((10,), 0), ((3,), 7), ((38, 24), -14), ((5, 3), 5), ((24, 9), -14), ((38, 10), -28)],
)
def test_days_from_srs_to_the_drug_keep_the_sign_of_the_first_dose(doses: tuple[int, ...], days: int) -> None:
    assert value("days_from_srs_to_ici", given(*doses), courses=(srs(ago(10)),)) == days


@pytest.mark.parametrize(("dose", "days"), [(20, -5), (12, 0), (9, 1)])
def test_a_fractionated_course_counts_from_its_nearer_end(dose: int, days: int) -> None:
    course = srs(ago(15), kind="fsrs", end=ago(10))
    assert value("days_from_srs_to_ici", given(dose), courses=(course,)) == days


@pytest.mark.parametrize(
    "course", [srs(ago(10), "stopped"), srs(ago(10), kind="wbrt"), srs(ago(10), kind="focal")]
)
def test_other_radiation_and_stopped_courses_have_no_such_distance(course: Course) -> None:
    assert value("days_from_srs_to_ici", given(5), courses=(course,)) is None


def test_the_distance_is_told_on_the_course_itself() -> None:
    stated = Subject(ref="Procedure/c", scope="course", label="given")
    record = PatientRecord(patient_id="p", exposures=(given(5),), courses=(srs(ago(10)),), subjects=(stated,))
    (subject,) = drug_facts(record, ON).subjects
    assert (subject.ref, subject.label) == ("Procedure/c", "given")
    assert [(f.name, f.value) for f in subject.facts] == [("days_from_srs_to_ici", 5)]


def test_a_gap_between_recorded_doses_is_not_filled_from_the_order() -> None:
    order = drug("nivolumab", "ici_pd1", start=ago(200), text="480 mg every 4 weeks")
    assert value("days_from_srs_to_ici", order, courses=(srs(ago(10)),)) == -22
    assert value("days_from_srs_to_ici", order, given(150), courses=(srs(ago(10)),)) is None
    assert value("days_from_srs_to_ici", order, given(150, 12), courses=(srs(ago(10)),)) == -2


@pytest.mark.parametrize(
    ("words", "days"),
    [("every 3 weeks", 21), ("200 mg q6w", 42), ("q21d", 21), ("every 14 days", 14), ("", None)],
)
def test_the_cycle_is_read_from_the_words_of_the_order(words: str, days: int | None) -> None:
    assert cycle_days(replace(NIVOLUMAB, text=words)) == days


def test_a_conjugate_dose_near_srs_is_told_without_sign() -> None:
    dose = given(3, concept="trastuzumab_emtansine", role="adc_her2")
    assert value("adc_interval_days", dose, courses=(srs(ago(10)),)) == 7
    later = given(24, concept="trastuzumab_emtansine", role="adc_her2")
    assert value("adc_interval_days", later, courses=(srs(ago(10)),)) == 14


@pytest.mark.parametrize(("ahead", "days"), [(7, 27), (8, 28)])
def test_days_from_bevacizumab_to_an_operation(ahead: int, days: int) -> None:
    operation = Operation(
        ref="Procedure/op", kind="resection", status="planned", on=ON + dt.timedelta(days=ahead)
    )
    dose = given(41, 20, concept="bevacizumab_awwb", role="anti_vegf")
    assert value("days_from_bevacizumab_to_surgery", dose, operations=(operation,)) == days


def test_bevacizumab_after_an_operation() -> None:
    operation = Operation(ref="Procedure/op", kind="resection", status="done", on=ago(30))
    dose = given(10, concept="bevacizumab", role="anti_vegf")
    facts = derived(dose, operations=(operation,))
    assert facts["days_from_surgery_to_bevacizumab"].value == 20
    assert "days_from_bevacizumab_to_surgery" not in facts


def test_the_half_lives_are_those_that_the_alerts_cite() -> None:
    from ici_steroid_alerts import knowledge  # noqa: PLC0415

    entries = knowledge.load()
    cited = entries.values("SUP-ICIPK-half-life-table", ON)
    assert figures().half_life_days == cited["half_life_days"]
    assert figures().half_lives_of_action == cited["half_lives"]
    assert sorted(figures().recalled_half_lives) == sorted(cited["recalled"])
    equal = entries.values("SUP-STER-equivalence", ON)["equal_to_prednisone_5_mg"]
    assert figures().equal_to_prednisone_5_mg == equal
    assert figures().conjugate_days_of_action == entries.values("SUP-HOLD-adc", ON)["within_days"]
