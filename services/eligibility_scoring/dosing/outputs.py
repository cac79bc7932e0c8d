"""The usual dose of each lesion, as what the options of radiosurgery point to.

https://hl7.org/fhir/R4/requestgroup.html
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from functools import cached_property
from typing import Any

import msgspec

from eligibility_scoring.citations import artifacts
from eligibility_scoring.dosing import wording
from eligibility_scoring.dosing.advice import (
    CAVITY,
    RECURRENT,
    TO_BE_RESECTED,
    Advice,
    advise,
    advise_before_resection,
    advise_cavity,
)
from eligibility_scoring.dosing.schemes import Scheme
from isodose.cds_hooks.cards import escaped, source_line
from isodose.clinical import derive
from isodose.clinical.finding import Option
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import PatientRecord
from isodose.clinical.rules import View, views

Resource = dict[str, Any]

SHOWN = 10
"""How many lesions a result gives doses for; `$assess` judges all."""
IN_BRIEF = 3
"""How many of them a card names."""


class Dose(msgspec.Struct, frozen=True, gc=False):
    """The usual dose of one lesion in words, or why there is none; `codes` are the entries it rests on."""

    lesion: str
    text: str
    codes: tuple[str, ...]
    usual: bool = True


class _Lesion:
    """A lesion as it is, as if resected after radiosurgery, and as the cavity it is or will be."""

    def __init__(self, view: View, knowledge: Knowledge, on: dt.date) -> None:
        self._seen = (view, knowledge, on)
        self.ref = view.applies_to
        self.name = (view.subject.label if view.subject else "") or view.applies_to or "the lesion"
        self.setting = str(view["lesion_setting"].value or "")
        self.view = view

    @property
    def had_radiosurgery(self) -> bool:
        """By a course on record, or as stated. The schemes by size are for a first treatment."""
        stated = self.view["prior_srs_same_lesion"].value is True or self.setting == RECURRENT
        return stated or self.view["months_since_srs"].known

    @cached_property
    def now(self) -> Advice:
        return advise(*self._seen)

    @cached_property
    def before_resection(self) -> Advice:
        return advise_before_resection(*self._seen)

    @cached_property
    def cavity(self) -> Advice:
        return advise_cavity(*self._seen)

    @property
    def resected_on(self) -> dt.date | None:
        """The day of its latest resection, done or planned."""
        resections = (
            op.on
            for op in self._seen[0].record.operations
            if op.on
            and op.status in ("done", "planned")
            and op.kind.startswith("resection")
            and self.ref in op.lesions
        )
        return max(resections, default=None)


class Doses:
    """The usual doses of one patient's lesions on a day. Pure."""

    def __init__(
        self, record: PatientRecord, judged: Iterable[Option], knowledge: Knowledge, on: dt.date
    ) -> None:
        self._knowledge, self._on = knowledge, on
        self._open = {option.code: option.applies_to for option in judged if option.standing != "not-advised"}
        known = derive.as_of(record, on)
        seen = views(known, on)
        self._lesions = [
            _Lesion(seen.of(subject), knowledge, on) for subject in known.of_scope("lesion")[:SHOWN]
        ]

    def actions(self, option: str, resource: Resource) -> list[Resource]:
        """One action per lesion for which `option` is open and a usual dose can be read."""
        return [
            {
                "title": f"{'Usual dose' if dose.usual else 'No usual dose'} for {dose.lesion}",
                "description": dose.text,
                "documentation": artifacts(dose.codes, self._knowledge),
                "resource": resource,
            }
            for dose in self.told(option)
        ]

    def in_brief(self, option: str) -> str:
        """The usual doses under an option with their sources, in Markdown; empty where there are none."""
        doses = self.told(option)
        lines = [f"- {escaped(dose.lesion)}: {escaped(dose.text)}" for dose in doses[:IN_BRIEF]]
        more = len(doses) - len(lines)
        lines += [f"- and {more} more lesions"] if more > 0 else []
        codes = dict.fromkeys(code for dose in doses[:IN_BRIEF] for code in dose.codes)
        sources = (source_line(code, self._knowledge.entry(code).evidence) for code in codes)
        return "\n".join(("**Usual dose**\n", *lines, f"- Sources: {' · '.join(sources)}")) if doses else ""

    def told(self, option: str) -> list[Dose]:
        """The usual dose of each lesion for which `option` is open, in words."""
        wanted = self._open.get(option)
        if wanted is None:
            return []
        return [
            self._dose(lesion, advice, schemes)
            for lesion in self._lesions
            if (not wanted or lesion.ref in wanted)
            and (advice := _for_option(option, lesion)) is not None
            and (schemes := _schemes(option, advice))
        ]

    def _dose(self, lesion: _Lesion, advice: Advice, schemes: tuple[Scheme, ...]) -> Dose:
        if lesion.had_radiosurgery:
            text = f"{wording.target(advice)}: {wording.treated_again(self._knowledge)}"
            return Dose(lesion.name, text, (wording.AGAIN,), usual=False)
        fractions = {scheme.fractions for scheme in schemes}
        beside = tuple(s for s in advice.other if s.fractions in fractions and s not in schemes)
        said = wording.by_scheme(schemes) + (f". Beside it: {wording.by_scheme(beside)}" if beside else "")
        assumed = "" if advice.setting else f". {wording.ASSUMED}"
        after = advice.setting == CAVITY
        when = f" {wording.cavity_timing(lesion.resected_on, self._knowledge, self._on)}" if after else ""
        limit, limited_by = wording.near_organ(lesion.view, self._knowledge)
        codes = (
            *(scheme.code for scheme in (*schemes, *beside)),
            *(wording.CAVITY_TIMING if after else ()),
            *([limited_by] if limited_by else []),
        )
        text = f"{wording.target(advice)}: {said}{assumed}.{when}{f' {limit}' if limit else ''}"
        return Dose(lesion.name, text, tuple(dict.fromkeys(codes)))


def with_doses(action: Resource, doses: Doses) -> Resource:
    """The action of an option of radiosurgery with one action per lesion; any other as it is.

    By rqg-1 of R4 it then has no resource of its own: that stands among its documentation.
    """
    option = action["code"][0]["coding"][0]["code"]
    parts = doses.actions(option, action["resource"]) if "resource" in action else []
    if not parts:
        return action
    definition = {
        "type": "documentation",
        "display": action["resource"]["display"],
        "resource": action["resource"]["reference"],
    }
    made = {name: value for name, value in action.items() if name != "resource"}
    return {**made, "documentation": [*action.get("documentation", ()), definition], "action": parts}


def _for_option(option: str, lesion: _Lesion) -> Advice | None:
    """The lesion as an option sees it; None where the option does not concern it."""
    match option:
        case "resection-then-postoperative-srs":
            return lesion.cavity
        case "neoadjuvant-srs-then-resection":
            return None if lesion.setting == CAVITY else lesion.before_resection
        case "srs" | "fsrs":
            return None if lesion.setting == TO_BE_RESECTED else lesion.now
        case "salvage-srs" | "srs-with-systemic":
            return lesion.now
        case _:
            return None


def _schemes(option: str, advice: Advice) -> tuple[Scheme, ...]:
    """What of the advice belongs to an option: one fraction, several, or either."""
    if option == "srs":
        return tuple(s for s in advice.taken if s.fractions == 1)
    if option == "fsrs":
        several = tuple(s for s in advice.taken if s.fractions > 1)
        return several or tuple(s for s in advice.other if s.fractions > 1)
    return advice.taken
