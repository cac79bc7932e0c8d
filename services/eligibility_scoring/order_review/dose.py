"""The ordered dose against what is usual for each lesion it is meant for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from eligibility_scoring.dosing import wording
from eligibility_scoring.dosing.advice import TO_BE_RESECTED
from eligibility_scoring.dosing.schemes import (
    ASTRO,
    BY_DIAMETER,
    BY_VOLUME,
    COMMON_FSRS,
    NEOADJUVANT,
    NEOADJUVANT_CEILING,
    Scheme,
)
from eligibility_scoring.order_review.order import Order, Target
from eligibility_scoring.order_review.remark import Remark
from isodose.clinical.finding import Finding
from isodose.clinical.logic import Term

LOW_FOR_INTACT = "DOSE-fsrs-min-30in5"
LOW_ON_MODERN = "DOSE-fsrs-27-5in5-modern"
MELANOMA = "DOSE-low-dose-not-melanoma"
UNDER_TWO_CM = "DOSE-fsrs-under-2cm-unclear"
HIPPOCAMPUS = "SUP-WBRT-ha-criteria"
EXAMPLES = "NEOADJ-props-bm"
"""Where the published neoadjuvant doses come from."""
TUMOUR_TYPES = ("DOSE-melanoma-local-failure", "DOSE-rcc-balance")
LIMITS = (BY_DIAMETER, NEOADJUVANT_CEILING)
"""Limits by size: a dose above the usual one and within such a limit is worth a thought, not a warning."""


class Placed(NamedTuple):
    """Where an ordered dose stands: `above`, `below` or outside (`no scheme`) what is usual for a target."""

    target: Target
    place: Literal["above", "no scheme", "below"]
    code: str
    serious: bool


def check(orders: Sequence[Order]) -> Iterator[Remark]:
    """Doses outside a usual range, then doses inside it that speak for a second thought."""
    for order in orders:
        placed = [p for p in map(_placed, _known(order)) if p is not None]
        for place in ("above", "no scheme", "below"):
            there = [p for p in placed if p.place == place]
            if there:
                yield _outside(order, there)
        if not placed:
            yield from _low_in_five(order)
            yield from _small_in_fractions(order)
        yield from _hippocampal(order)


def _known(order: Order) -> list[Target]:
    return [t for t in order.targets if t.total.known and t.fractions.known]


def _numbers(target: Target) -> tuple[float, int]:
    total, fractions = target.total.value, target.fractions.value
    assert total is not None
    assert fractions is not None
    return float(total), int(fractions)


def _placed(target: Target) -> Placed | None:
    """None where the dose is usual, or where nothing is known to compare it with."""
    total, fractions = _numbers(target)
    advice = target.advice
    usual = advice.usual(fractions)
    if not usual and not advice.taken and not advice.beyond:
        return None
    if not usual:
        code = ASTRO if advice.beyond else (*advice.taken, *advice.other)[0].code
        return Placed(target, "no scheme", code, serious=fractions == 1)
    if any(scheme.holds(total) for scheme in usual):
        return None
    if all(scheme.high is not None and total > scheme.high for scheme in usual):
        limits = [s for s in advice.other if s.fractions == fractions and s.code in LIMITS]
        tested = advice.setting == TO_BE_RESECTED and not limits
        return Placed(target, "above", usual[0].code, not tested and not any(s.holds(total) for s in limits))
    return Placed(target, "below", usual[0].code, serious=False)


def _outside(order: Order, there: Sequence[Placed]) -> Remark:
    first = there[0]
    melanoma = first.place == "below" and any(_low_for_melanoma(order, p.target) for p in there)
    types = _tumour_types(order)
    targets = [p.target for p in there]
    schemes = [s.code for target in targets for s in _shown_schemes(target)]
    codes = (
        *((MELANOMA,) if melanoma else ()),
        first.code,
        *((EXAMPLES,) if first.code == NEOADJUVANT else ()),
        *schemes,
        *(f.code for f in types),
        *_effect(targets),
    )
    return Remark(
        code=codes[0],
        title=_title(order, there, melanoma=melanoma),
        serious=melanoma or any(p.serious for p in there),
        lines=(*_compared(order, targets), *(f"{f.summary} {f.action}" for f in types)),
        facts=order.facts(*_terms(targets), *_histology(order, types)),
        cited=tuple(dict.fromkeys(codes)),
        doubts=tuple(dict.fromkeys(d for t in targets for d in _doubts(order, t))),
    )


def _title(order: Order, there: Sequence[Placed], *, melanoma: bool) -> str:
    first = there[0].target
    total, fractions = _numbers(first)
    alike = len({_numbers(p.target) for p in there}) == 1
    dose = f"{total:g} Gy in {fractions}" if alike else "Dose"
    number = f" for {len(there)} of {len(order.targets)} lesions" if len(order.targets) > 1 else ""
    of = number or f" for a {wording.target(first.advice)}"
    usual = wording.alternatives(first.advice.usual(fractions))
    if melanoma:
        return f"{dose} for melanoma: low-dose SRS failed locally more often"
    if there[0].place == "no scheme":
        counted = "one fraction" if fractions == 1 else f"{fractions} fractions"
        return f"{dose}{of}: no usual dose in {counted if alike else 'this number of fractions'}"
    if first.setting == TO_BE_RESECTED:
        return f"{dose}{of}: the published example is {usual}"
    return f"{dose}{of}: {there[0].place} the usual {'dose' if number else usual}"


def _compared(order: Order, targets: Sequence[Target]) -> Iterator[str]:
    for target in targets:
        total, fractions = _numbers(target)
        place = f" ({target.ref})" if target.ref else ""
        yield f"Ordered: {total:g} Gy in {fractions} for a {wording.target(target.advice)}{place}."
        yield f"{wording.usual(target.advice, fractions)}."
        yield f"{wording.bed(total, fractions, order.knowledge, order.on)}."


def _tumour_types(order: Order) -> list[Finding]:
    return [finding for code in TUMOUR_TYPES for finding in order.concerning(code)]


def _histology(order: Order, types: Sequence[Finding]) -> tuple[Term, ...]:
    return (order.plan["histology"],) if types else ()


def _terms(targets: Sequence[Target]) -> Iterator[Term]:
    for target in targets:
        yield from (target.total, target.fractions, *target.advice.facts)


def _shown_schemes(target: Target) -> tuple[Scheme, ...]:
    _, fractions = _numbers(target)
    return (*target.advice.taken, *target.advice.beside(fractions))


def _effect(targets: Sequence[Target]) -> tuple[str, ...]:
    return (
        ("SUP-BED-formula", "SUP-BED-validity")
        if any(_numbers(t)[1] == 1 for t in targets)
        else ("SUP-BED-formula",)
    )


def _doubts(order: Order, target: Target) -> Iterator[str]:
    """What the schemes disagree about, where it bears on this target."""
    _, fractions = _numbers(target)
    single = [s for s in target.advice.taken if s.fractions == 1]
    ceiling = [s for s in target.advice.beside(fractions) if s.code == BY_DIAMETER]
    if single and ceiling and ceiling[0].high != single[0].high:
        yield order.knowledge.entry(ASTRO).conflicts
    if single and single[0].code == BY_VOLUME:
        yield order.knowledge.entry(BY_VOLUME).suspect


def _low_for_melanoma(order: Order, target: Target) -> bool:
    total, fractions = _numbers(target)
    limit = order.values(MELANOMA)
    melanoma = order.plan["histology"].is_in(limit["histologies"]).value is True
    return melanoma and fractions == 1 and bool(total <= limit["margin_gy_to"])


def _low_in_five(order: Order) -> Iterator[Remark]:
    """Less than 30 Gy in 5 for an intact metastasis: a common schedule that two series judge differently."""
    low = list(order.concerning(LOW_FOR_INTACT))
    concerned = [t for t in _known(order) if t.ref in {f.applies_to for f in low}]
    if not concerned:
        return
    total, fractions = _numbers(concerned[0])
    lower = order.judged(LOW_ON_MODERN)
    both = lower is not None and lower.verdict == "met"
    types = _tumour_types(order)
    yield Remark(
        code=LOW_FOR_INTACT,
        title=f"{total:g} Gy in {fractions} for an intact metastasis: more local failure below 30 Gy in 5",
        serious=both,
        lines=(
            *_compared(order, concerned),
            *(f"{f.summary} {f.action}" for f in types),
            low[0].summary,
            lower.summary if both and lower else "27.5 Gy in 5 controlled well on a modern platform.",
        ),
        facts=order.facts(*_terms(concerned), *_histology(order, types)),
        cited=(
            LOW_FOR_INTACT,
            LOW_ON_MODERN,
            ASTRO,
            COMMON_FSRS,
            *(f.code for f in types),
            "SUP-BED-formula",
        ),
    )


def _small_in_fractions(order: Order) -> Iterator[Remark]:
    """Several fractions under 2 cm with none of the reasons on record for which they are usual."""
    if order.kind != "fsrs":
        return
    reasons = {f.applies_to for f in order.concerning("DOSE-fsrs-practice-indications", "not-met")}
    unneeded = reasons & {f.applies_to for f in order.concerning("DOSE-low-dose-indications", "not-met")}
    small = [f for f in order.concerning(UNDER_TWO_CM) if f.applies_to in unneeded]
    if small:
        yield Remark(
            code=UNDER_TWO_CM,
            title="Several fractions under 2 cm: a gain over a single fraction is unproven",
            serious=False,
            findings=tuple(small),
        )


def _hippocampal(order: Order) -> Iterator[Remark]:
    total, fractions = order.plan["total_dose_gy"], order.plan["fractions"]
    if order.kind != "ha_wbrt" or not total.known or not fractions.known:
        return
    usual = order.values(HIPPOCAMPUS)["schedules"]
    if usual.get(str(fractions.value)) != total.value:
        gray, number = float(total.value or 0), int(fractions.value or 0)
        trials = " or ".join(f"{gy} Gy in {n}" for n, gy in usual.items())
        yield Remark(
            code=HIPPOCAMPUS,
            title=f"{gray:g} Gy in {number} with hippocampal avoidance: the trials gave {trials}",
            serious=False,
            lines=(f"{wording.bed(gray, number, order.knowledge, order.on)}.",),
            facts=order.facts(total, fractions),
            cited=(HIPPOCAMPUS, "SUP-BED-formula"),
        )
