"""What the tumour type and earlier radiation mean for dose."""

from __future__ import annotations

from eligibility_scoring.knowledge import Values
from isodose.clinical.logic import Term
from isodose.clinical.rules import Rule, View


def low_dose(f: View, k: Values) -> Term:
    margin = f["margin_dose_gy"].between(k["margin_gy_from"], k["margin_gy_to"])
    return margin & ~f["histology"].is_in(k["except_histologies"])


def reason_for_low_dose(f: View, k: Values) -> Term:
    irradiated = f["prior_cranial_rt_to_site"] | f["prior_wbrt"]
    return f["lesion_near_oar"] | irradiated | f["lesions_clustered"]


def low_dose_in_melanoma(f: View, k: Values) -> Term:
    return f["histology"].is_in(k["histologies"]) & (f["margin_dose_gy"] <= k["margin_gy_to"])


def tumour_type(f: View, k: Values) -> Term:
    return f["histology"].is_in(k["histologies"])


RULES = (
    Rule("DOSE-low-dose-srs", low_dose, "plan"),
    Rule("DOSE-low-dose-indications", reason_for_low_dose, "lesion"),
    Rule("DOSE-low-dose-not-melanoma", low_dose_in_melanoma, "plan"),
    Rule("DOSE-melanoma-local-failure", tumour_type),
    Rule("DOSE-rcc-balance", tumour_type),
)
