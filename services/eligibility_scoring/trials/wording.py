"""What a clinician reads of a trial: how it matches, why or why not, and how old its status is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from eligibility_scoring.trials.catalogue import Trial, is_registered
from eligibility_scoring.trials.catalogue import catalogue as known_trials
from eligibility_scoring.trials.matching import Match, Outcome
from isodose.clinical import facts
from isodose.clinical.facts import current
from isodose.clinical.record import Fact, PatientRecord

NOT_PRINTED = (
    "Only the criteria that the review prints were checked; the protocol asks for more, such as age, "
    "performance status and earlier treatment."
)
CHECK = "Check at the registry before the patient is told of it."
WBRT_AGAIN = "Earlier WBRT is on record, and an arm of the trial gives WBRT: nothing is printed on that"
HEADINGS = {
    "eligible": "Meets every criterion that the review prints",
    "possible": "May fit",
    "excluded": "Does not fit",
    "blocked": "Not offered",
}
"""How a match reads; never stronger than what was checked."""

_STATUS = {
    "ongoing": "ongoing",
    "unpublished": "ongoing or unpublished, so not known to recruit",
    "terminated": "ended early",
    "published": "published",
}


def number(trial_id: str) -> str:
    """The registry number, or the remark that none is printed."""
    return trial_id if is_registered(trial_id) else "no registry number in the review"


def named(trial_id: str, trial: Trial) -> str:
    """`CAR-study B (NCT02953717)`."""
    return f"{trial.name} ({number(trial_id)})"


def why(match: Match) -> str:
    """How the trial matches, in sentences."""
    said = f"{HEADINGS[match.standing]}."
    if match.standing == "blocked":
        return f"{said} {match.trial.closed}"
    if match.standing == "excluded":
        return f"{said} {_not_met(match)}"
    met = _listed(o.criterion.words for o in match.met)
    parts = [said, f"Met: {met}." if met else "", _still_open(match)]
    if match.wbrt_again:
        parts.append(f"{WBRT_AGAIN}.")
    if match.trial.awaits_results:
        parts.append("The review cites it as a result still awaited; it may take no more patients.")
    return " ".join(part for part in parts if part)


def status_of(trial: Trial) -> str:
    """The status with the day it was read, as the review words it."""
    read_on = known_trials().meanings.registry_read_on.isoformat()
    note = f" ({trial.status_note})" if trial.status_note else ""
    return f"Status in the review: {_STATUS[trial.status]}{note}; registries read on {read_on}."


def registry_check(record: PatientRecord, on: dt.date) -> str:
    """When a registry was last asked for this patient, and whether that is too long ago."""
    good_for = known_trials().meanings.registry_check_good_for_days
    checked = _checked_on(record, on)
    if checked is None or checked > on:
        return f"No check of the registry is on record. {CHECK}"
    if (on - checked).days > good_for:
        return f"Registry last checked on {checked}, more than {good_for} days ago. {CHECK}"
    return f"Registry last checked on {checked}."


def next_change(record: PatientRecord, _findings: object, on: dt.date) -> dt.date | None:
    """The next day on which what is said of the registry check is another; None where it stays."""
    checked = _checked_on(record, on)
    if checked is None:
        return None
    good_until = checked + dt.timedelta(days=known_trials().meanings.registry_check_good_for_days)
    turns = (checked, good_until + dt.timedelta(days=1))
    return min((day for day in turns if day > on), default=None)


def _checked_on(record: PatientRecord, on: dt.date) -> dt.date | None:
    fact = current(record.facts, "trial_registry_check_date", on)
    return dt.date.fromisoformat(str(fact.value)) if fact is not None else None


def _not_met(match: Match) -> str:
    reasons = "; ".join(f"{o.criterion.words}, on record {_on_record(o)}" for o in match.excluded_by)
    return f"Not met: {reasons}." if reasons else "No one lesion meets all that is asked of a lesion."


def _still_open(match: Match) -> str:
    missing = _listed(facts.words(name) for name in match.missing)
    undecided = _listed(o.criterion.words for o in match.open if not o.missing)
    parts = [f"Not known: {missing}." if missing else ""]
    if undecided:
        parts.append(f"Not for a computer to judge from what the review prints: {undecided}.")
    return " ".join(part for part in parts if part)


def _on_record(outcome: Outcome) -> str:
    return ", ".join(dict.fromkeys(_value(fact) for fact in outcome.facts)) or "nothing that fits"


def _value(fact: Fact) -> str:
    if isinstance(fact.value, bool):
        return f"{facts.words(fact.name)}: {'yes' if fact.value else 'no'}"
    value = f"{fact.value:g}" if isinstance(fact.value, int | float) else fact.value
    words = known_trials().meanings.words.get(value, value.replace("_", " "))
    if fact.name.startswith("molecular."):
        words = f"{fact.name.removeprefix('molecular.').replace('_', ' ')} {words}"
    return f"{words} ({fact.on})" if fact.on else words


def _listed(words: Iterable[str]) -> str:
    return "; ".join(words)
