"""Biologically effective dose by the linear-quadratic model, and where that model is disputed."""

from __future__ import annotations

from eligibility_scoring.knowledge import Values
from isodose.clinical.logic import Term
from isodose.clinical.rules import Rule, View


def effective_dose(f: View, k: Values) -> Term:
    single = f["dose_per_fraction_gy"]
    return f["fractions"] * single * (1 + single / f["alpha_beta_gy"])


def model_disputed(f: View, k: Values) -> Term:
    return f["dose_per_fraction_gy"] > k["dose_per_fraction_gy_above"]


def bed_gy(fractions: int, dose_per_fraction_gy: float, alpha_beta_gy: float) -> float:
    """BED in Gy of `fractions` of `dose_per_fraction_gy` for tissue of this alpha/beta (SUP-BED-formula)."""
    return fractions * dose_per_fraction_gy * (1 + dose_per_fraction_gy / alpha_beta_gy)


RULES = (
    Rule("SUP-BED-formula", effective_dose, "plan"),
    Rule("SUP-BED-validity", model_disputed, "plan"),
)
