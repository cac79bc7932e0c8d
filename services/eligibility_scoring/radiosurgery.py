"""For whom radiosurgery is an option: by number, by tumour type, and what may follow it."""

from __future__ import annotations

from eligibility_scoring.knowledge import Values
from isodose.clinical.logic import Term
from isodose.clinical.rules import Rule, View


def upfront_alone(f: View, k: Values) -> Term:
    return (
        f["lesion_count"].between(k["count_from"], k["count_to"])
        & ~f["resection_or_biopsy_indicated"]
        & ~f["histology"].is_in(k["excluded_histologies"])
    )


def spares_cognition(f: View, k: Values) -> Term:
    return f["lesion_count"].between(k["count_from"], k["count_to"])


def excepted_histology(f: View, k: Values) -> Term:
    return f["histology"].is_in(k["excluded_histologies"])


def limited_small_cell(f: View, k: Values) -> Term:
    return f["histology"].is_in(k["histologies"]) & (f["lesion_count"] <= k["count_to"])


def radiosurgery_of_many(f: View, k: Values) -> Term:
    return (f["lesion_count"] > k["count_above"]) & f["modality"].is_in(k["modalities"])


def tumour_treating_fields(f: View, k: Values) -> Term:
    return (
        f["histology"].is_in(k["histologies"])
        & f["lesion_count"].between(k["count_from"], k["count_to"])
        & f["modality"].is_in(k["modalities"])
    )


RULES = (
    Rule("ELIG-oligo-upfront-srs", upfront_alone, "lesion"),
    Rule("ELIG-srs-over-wbrt-cognition", spares_cognition),
    Rule("ELIG-histology-exceptions", excepted_histology),
    Rule("ELIG-sclc-srs-limited", limited_small_cell),
    Rule("ELIG-poly-srs-cognitive-effect", radiosurgery_of_many, "plan"),
    Rule("ELIG-ttfields-nsclc", tumour_treating_fields, "plan"),
)
