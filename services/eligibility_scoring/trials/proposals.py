"""The trials worth a look for one patient, as what the option "clinical trial" points to."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from eligibility_scoring.trials import wording
from eligibility_scoring.trials.matching import Match, matcher
from eligibility_scoring.trials.studies import study, study_id
from isodose.clinical import derive
from isodose.clinical.finding import Option
from isodose.clinical.record import PatientRecord

Resource = dict[str, Any]

OPTION = "clinical-trial"
SHOWN = 8
"""How many trials a result names; all of them, with the reasons, are answered by `$trials`."""


@dataclass(frozen=True, slots=True)
class Proposals:
    """The most relevant matches of one patient, how many there are, and how old the registry check is."""

    shown: tuple[Match, ...]
    eligible: int
    possible: int
    registry_check: str

    @property
    def said(self) -> str:
        """How many trials were matched, in one sentence."""
        listed = f" The {len(self.shown)} most relevant are listed." if self.shown else ""
        return (
            f"All that the review prints is met for {self.eligible} of its trials; "
            f"{self.possible} more may fit.{listed}"
        )


def proposals(
    record: PatientRecord, judged: Sequence[Option], on: dt.date, *, nothing_waits: bool = False
) -> Proposals:
    """What matches on the day, the most relevant first. Pure.

    None is shown where a trial is not advised, or where no lesion waits for treatment.
    """
    known = derive.as_of(record, on)
    open_to_patient = matcher().open_to(known, on)
    counted = [match.standing for match in open_to_patient]
    return Proposals(
        shown=tuple(open_to_patient[:SHOWN]) if _advised(judged) and not nothing_waits else (),
        eligible=counted.count("eligible"),
        possible=counted.count("possible"),
        registry_check=wording.registry_check(known, on),
    )


def with_trials(action: Resource, proposed: Proposals, base: str) -> Resource:
    """The action of the option "clinical trial" with one action per trial; any other as it is.

    By rqg-1 of R4 it then has no resource of its own: that stands among its documentation.
    """
    if not proposed.shown or action["code"][0]["coding"][0]["code"] != OPTION:
        return action
    made = {name: value for name, value in action.items() if name != "resource"}
    made["description"] = f"{action['description']} {proposed.said} {proposed.registry_check}"
    definition = {"type": "documentation", **_defined_by(action)}
    made["documentation"] = [*action.get("documentation", ()), definition]
    made["selectionBehavior"] = "any"
    made["action"] = [_trial_action(match, base) for match in proposed.shown]
    return made


def studies_of(proposed: Proposals, base: str) -> Sequence[Resource]:
    """The studies that the actions point to."""
    return [study(match.trial_id, base) for match in proposed.shown]


def _advised(judged: Sequence[Option]) -> bool:
    return not any(option.code == OPTION and option.standing == "not-advised" for option in judged)


def _defined_by(action: Resource) -> Resource:
    return {"display": action["resource"]["display"], "resource": action["resource"]["reference"]}


def _trial_action(match: Match, base: str) -> Resource:
    title = wording.named(match.trial_id, match.trial)
    heading = wording.HEADINGS[match.standing]
    return {
        "title": title,
        "description": f"{wording.why(match)} {wording.status_of(match.trial)} {wording.CHECK}",
        "code": [
            {
                "coding": [{"system": f"{base}/CodeSystem/trial-match", "code": match.standing}],
                "text": heading,
            }
        ],
        "resource": {"reference": f"ResearchStudy/{study_id(match.trial_id)}", "display": title},
    }
