"""Radiosurgery before or after surgery: in the right order, not too early, not too late."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from eligibility_scoring.dosing.advice import CAVITY, TO_BE_RESECTED
from eligibility_scoring.dosing.tolerance import AMBER, RED
from eligibility_scoring.order_review.order import RADIOSURGERY, Order, Target
from eligibility_scoring.order_review.remark import Remark
from isodose.clinical.logic import Term

RECOMMENDED = "TIME-postop-srs-1-2-weeks"
HARMFUL = "TIME-postop-srs-over-4-weeks"
DYNAMICS = "TIME-cavity-dynamics"
NOT_URGENT = "TIME-neoadjuvant-not-urgent"
NO_PATHOLOGY = "NEOADJ-no-pathology"
INTERVAL = "SUP-NEO-interval"
PLANNING_MRI = "SUP-PLAN-mri-age"
UNSETTLED = "NEOADJ-size-and-interval-undefined"


def check(orders: Sequence[Order]) -> Iterator[Remark]:
    """One remark per order and way in which it is out of sequence or out of time."""
    for order in orders:
        if order.kind not in RADIOSURGERY:
            continue
        yield from _planning_mri(order)
        seen: set[tuple[str, str]] = set()
        for target in order.targets:
            for remark in (*_after(order, target), *_before(order, target)):
                if (remark.code, remark.title) not in seen:
                    seen.add((remark.code, remark.title))
                    yield remark


def _planning_mri(order: Order) -> Iterator[Remark]:
    finding = order.judged(PLANNING_MRI)
    days = _days(order.plan["days_from_planning_mri_to_srs"])
    if finding is not None and days is not None and finding.value in (RED, AMBER):
        wanted = "repeat it or say why not" if finding.value == RED else "check the images"
        title = f"Planning MRI {_counted(days)} before SRS: {wanted}"
        yield Remark(PLANNING_MRI, title, finding.value == RED, findings=(finding,))


def _after(order: Order, target: Target) -> Iterator[Remark]:
    """A cavity, or what may be one, by the days since its surgery."""
    since, until = order.when["days_from_surgery_to_srs"], order.when["days_from_srs_to_surgery"]
    days = _days(since)
    if target.setting == CAVITY:
        ahead = _days(until)
        if (days is None and ahead is not None and ahead > 0) or (days is not None and days < 0):
            gap = ahead if ahead is not None else -(days or 0)
            title = f"Ordered for a cavity, yet SRS is {_counted(gap)} before the resection"
            yield _timed(order, target, DYNAMICS, title, (since, until), cited=(DYNAMICS, NOT_URGENT))
        elif days is not None:
            yield from _interval(order, target, since, days)
    elif target.setting == "intact" and days is not None and days >= 0 and not _days(until):
        title = (
            f"Ordered for an intact metastasis, yet it is resected {_counted(days)} before: plan the cavity"
        )
        yield _timed(order, target, DYNAMICS, title, (since,), cited=(DYNAMICS, RECOMMENDED))


def _interval(order: Order, target: Target, since: Term, days: int) -> Iterator[Remark]:
    recommended, harmful = order.values(RECOMMENDED), order.values(HARMFUL)
    if days > harmful["days_to"]:
        title = (
            f"Cavity SRS {days} days after surgery: beyond {harmful['days_to']} days local control can suffer"
        )
        yield _timed(order, target, HARMFUL, title, (since,), cited=(HARMFUL, RECOMMENDED))
    elif days > recommended["days_to"]:
        title = f"Cavity SRS {days} days after surgery: recommended by day {recommended['days_to']}"
        yield _timed(order, target, RECOMMENDED, title, (since,), serious=False, cited=(RECOMMENDED, HARMFUL))
    elif days < recommended["days_from"]:
        title = (
            f"Cavity SRS {_counted(days)} after surgery: earlier than 1-2 weeks, and the cavity still changes"
        )
        yield _timed(
            order, target, RECOMMENDED, title, (since,), serious=False, cited=(RECOMMENDED, DYNAMICS)
        )


def _before(order: Order, target: Target) -> Iterator[Remark]:
    """A metastasis to be resected after radiosurgery."""
    if target.setting != TO_BE_RESECTED:
        return
    since, until = order.when["days_from_surgery_to_srs"], order.when["days_from_srs_to_surgery"]
    days, ahead = _days(since), _days(until)
    if ahead is None and days is not None and days >= 0:
        title = f"Ordered before resection, yet SRS is {_counted(days)} after it: plan the cavity"
        yield _timed(
            order, target, UNSETTLED, title, (since,), cited=(UNSETTLED, RECOMMENDED), advised=RECOMMENDED
        )
        return
    urgent, tissue = target.view["urgent_surgery_needed"], target.view["tissue_needed"]
    if tissue.value is True and urgent.value is not True:
        title = "Tissue is needed: operate first, then SRS of the cavity"
        yield _timed(
            order,
            target,
            NOT_URGENT,
            title,
            (tissue,),
            cited=(NOT_URGENT, NO_PATHOLOGY),
            advised=NO_PATHOLOGY,
        )
    limit = order.values(INTERVAL)["days_to"]
    if ahead is not None and ahead > limit:
        title = f"Resection {ahead} days after SRS: in the largest cohort within {limit} days for most"
        yield _timed(order, target, INTERVAL, title, (until,), serious=False, cited=(INTERVAL, UNSETTLED))


def _timed(
    order: Order,
    target: Target,
    code: str,
    title: str,
    terms: tuple[Term, ...],
    *,
    cited: tuple[str, ...],
    serious: bool = True,
    advised: str = "",
) -> Remark:
    """A remark on `code`; what to consider is the action of the entry `advised`, or else its own."""
    entry = order.knowledge.entry(code)
    action = order.knowledge.entry(advised or code).action
    starts = f"SRS is ordered for {order.course.start.isoformat()}." if order.course.start else ""
    return Remark(
        code=code,
        title=title,
        serious=serious,
        lines=tuple(filter(None, (starts, entry.statement, f"To consider: {action}"))),
        facts=order.facts(*terms, target.view["lesion_setting"]),
        cited=cited,
    )


def _days(term: Term) -> int | None:
    return int(term.value) if isinstance(term.value, int | float) else None


def _counted(days: int) -> str:
    return "1 day" if days == 1 else f"{days} days"
