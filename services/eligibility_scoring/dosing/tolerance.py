"""What normal brain and organs at risk receive against what they tolerate; Gy and mL."""

from __future__ import annotations

from eligibility_scoring.knowledge import Values
from isodose.clinical.logic import Term, choose
from isodose.clinical.rules import Rule, View

OVER = "exceeds_upper_limit"
GREY = "within_grey_zone"
SAME_LESION = "prior_srs_same_lesion"
RED, AMBER, GREEN = "red", "amber", "green"


def normal_brain(f: View, k: Values) -> Term:
    volume = f["v12gy_ml"]
    return choose(
        (volume >= k["limit_from_ml"], OVER), (volume >= k["grey_from_ml"], GREY), otherwise="acceptable"
    )


def brain_with_target(f: View, k: Values) -> Term:
    return f["v12_incl_target_ml"] > k["volume_ml_above"]


def brain_with_target_in_fractions(f: View, k: Values) -> Term:
    in_few = (f["fractions"] == k["few_fractions"]) & (f["v20_3fx_incl_target_ml"] >= k["volume_ml_from"])
    in_five = (f["fractions"] == k["five_fractions"]) & (f["v24_5fx_incl_target_ml"] >= k["volume_ml_from"])
    return in_few | in_five


def optic_pathway(f: View, k: Values) -> Term:
    return _light(f, k, f["optic_dmax_gy"])


def brainstem(f: View, k: Values) -> Term:
    return _light(f, k, f["brainstem_dmax_gy"])


def cochlea(f: View, k: Values) -> Term:
    return f["cochlea_dmax_gy"] > _by_fractions(f, k, "gy")


def _light(f: View, k: Values, highest: Term) -> Term:
    return choose(
        (highest > _by_fractions(f, k, "outer_gy"), RED),
        ((highest > _by_fractions(f, k, "inner_gy")) | f["prior_rt_to_oar"], AMBER),
        otherwise=GREEN,
    )


def _by_fractions(f: View, k: Values, limit: str) -> Term:
    """The limit for this number of fractions; that for five serves for any other number, as specified."""
    return choose(
        (f["fractions"] == k["one"], k[f"{limit}_in_one"]),
        (f["fractions"] == k["three"], k[f"{limit}_in_three"]),
        otherwise=k[f"{limit}_in_five"],
    )


def earlier_radiation(f: View, k: Values) -> Term:
    irradiated = f["prior_wbrt"] | f["prior_cranial_rt_to_site"]
    return choose((f["prior_srs_same_lesion"], SAME_LESION), (irradiated, "prior_rt"), otherwise="srs_alone")


def may_be_pregnant(f: View, k: Values) -> Term:
    return f["pregnant"].is_in(k["states"])


RULES = (
    Rule("DOSE-v12-constraint", normal_brain, "plan"),
    Rule("SUP-ARE-v12-astro", brain_with_target, "plan"),
    Rule("SUP-ARE-fsrs-volumes", brain_with_target_in_fractions, "plan"),
    Rule("SUP-ARE-prior-radiation", earlier_radiation, "lesion"),
    Rule("SUP-OAR-optic", optic_pathway, "plan"),
    Rule("SUP-OAR-brainstem", brainstem, "plan"),
    Rule("SUP-OAR-cochlea", cochlea, "plan"),
    Rule("SUP-SAFE-pregnancy", may_be_pregnant),
)
