"""What normal brain and organs at risk would receive from an order, where the plan says so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from eligibility_scoring.dosing.tolerance import GREEN, GREY, OVER, RED, SAME_LESION
from eligibility_scoring.order_review.order import RADIOSURGERY, Order
from eligibility_scoring.order_review.remark import Remark
from isodose.clinical.finding import Finding

NORMAL_BRAIN = "DOSE-v12-constraint"
WITH_TARGET = "SUP-ARE-v12-astro"
AGAIN = "SUP-ARE-prior-radiation"
IN_FRACTIONS = "SUP-ARE-fsrs-volumes"
OPTIC = "SUP-OAR-optic"
BRAINSTEM = "SUP-OAR-brainstem"
COCHLEA = "SUP-OAR-cochlea"


class Organ(NamedTuple):
    code: str
    fact: str
    name: str
    inner: str
    outer: str


ORGANS = (
    Organ(OPTIC, "optic_dmax_gy", "Optic pathway", "inner_gy", "outer_gy"),
    Organ(BRAINSTEM, "brainstem_dmax_gy", "Brainstem", "inner_gy", "outer_gy"),
    Organ(COCHLEA, "cochlea_dmax_gy", "Cochlea", "gy", "gy"),
)


def check(orders: Sequence[Order]) -> Iterator[Remark]:
    """Earlier SRS to a target, V12Gy and its counterpart in several fractions, then each organ at risk."""
    for order in orders:
        yield from _again(order)
        yield from _single_fraction_volume(order)
        yield from _fractionated_volume(order)
        for organ in ORGANS:
            yield from _organ(order, organ)


def _met(order: Order, code: str) -> Finding | None:
    finding = order.judged(code)
    return finding if finding is not None and finding.verdict == "met" else None


def _again(order: Order) -> Iterator[Remark]:
    found = [f for f in order.concerning(AGAIN) if f.value == SAME_LESION] if order.targets else []
    if found and order.kind in RADIOSURGERY:
        yield Remark(AGAIN, found[0].summary, findings=tuple(found))


def _single_fraction_volume(order: Order) -> Iterator[Remark]:
    brain, whole = _met(order, NORMAL_BRAIN), _met(order, WITH_TARGET)
    if brain is not None and brain.value not in (OVER, GREY):
        brain = None
    shown = tuple(finding for finding in (brain, whole) if finding is not None)
    if order.kind == "single_srs" and shown:
        serious = whole is not None or (brain is not None and brain.value == OVER)
        yield Remark(shown[0].code, _volume_title(order, of_brain=brain is not None), serious, findings=shown)


def _volume_title(order: Order, *, of_brain: bool) -> str:
    if of_brain:
        k = order.values(NORMAL_BRAIN)
        span = f"{k['grey_from_ml']:g}-{k['limit_from_ml']:g} ml"
        return f"V12Gy {order.plan['v12gy_ml'].value:g} ml of normal brain: the limit is {span}"
    limit = order.values(WITH_TARGET)["volume_ml_above"]
    volume = order.plan["v12_incl_target_ml"].value
    return f"V12Gy {volume:g} ml with the target: compare FSRS above {limit:g} ml"


def _fractionated_volume(order: Order) -> Iterator[Remark]:
    finding = _met(order, IN_FRACTIONS)
    if finding is not None and order.kind == "fsrs":
        yield Remark(IN_FRACTIONS, finding.summary, findings=(finding,))


def _organ(order: Order, organ: Organ) -> Iterator[Remark]:
    finding, highest, fractions = _met(order, organ.code), order.plan[organ.fact], order.plan["fractions"]
    if finding is None or not highest.known or finding.value == GREEN:
        return
    k = order.values(organ.code)
    words = {k["one"]: "one", k["three"]: "three", k["five"]: "five"}
    again = order.plan["prior_rt_to_oar"].value is True
    said = f"{organ.name} {highest.value:g} Gy in {fractions.value}"
    serious = again or finding.value == RED
    if fractions.value not in words:
        title, serious = f"{said}: no limit is tabulated for this number of fractions", again
    elif again:
        title = f"{said}, irradiated before: no tabulated limit applies"
    else:
        limits = [
            k[f"{name}_in_{words[fractions.value]}"] for name in dict.fromkeys((organ.inner, organ.outer))
        ]
        title = f"{said}: above {limits[0]:g} Gy" + (f", outer limit {limits[1]:g} Gy" if limits[1:] else "")
    yield Remark(organ.code, title, serious, findings=(finding,))
