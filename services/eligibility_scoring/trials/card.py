"""The trials on the card of the options: the nearest few, each on one line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from eligibility_scoring.trials import wording
from eligibility_scoring.trials.catalogue import catalogue, registry_page
from eligibility_scoring.trials.matching import Match
from eligibility_scoring.trials.proposals import proposals
from isodose.cds_hooks.cards import escaped
from isodose.cds_hooks.hook import HookCall
from isodose.cds_hooks.models import Card
from isodose.clinical import facts
from isodose.clinical.finding import Option
from isodose.clinical.record import PatientRecord

_LINES = 3
_MISSING = 3


def with_trials_in_brief(card: Card, call: HookCall, record: PatientRecord, judged: Sequence[Option]) -> Card:
    """`card` with the trials nearest to this patient; unchanged where none has a criterion that is met."""
    proposed = proposals(record, judged, call.on)
    lines = list(_lines([match for match in proposed.shown if any(match.nearness)]))[:_LINES]
    if not lines:
        return card
    listed = "\n".join(f"- {line}" for line in lines)
    notes = "\n".join(f"> {escaped(note)}" for note in _notes(proposed.registry_check))
    counted = f"{proposed.eligible} meet all that the review prints, {proposed.possible} more may fit"
    text = f"{card.detail}\n\n**Trials** ({counted}; nearest first)\n\n{listed}\n\n{notes}"
    return card.model_copy(update={"detail": text})


def _lines(matches: Sequence[Match]) -> Iterator[str]:
    """One line of Markdown for trials that ask the same and stand alike, each linked to the registry."""
    alike: dict[tuple[str, str, str], list[Match]] = {}
    for match in matches:
        alike.setdefault((match.trial.question, _stands(match), _status(match)), []).append(match)
    for (question, stands, status), together in alike.items():
        yield f"{_named(together)}: {escaped(f'{stands}; {status} in the review. {question}')}"


def _named(together: Sequence[Match]) -> str:
    """`RADCAV ([NCT05871307](https://...)), Neoadjuvant or adjuvant SRS (...)`."""
    numbers: dict[str, list[str]] = {}
    for match in together:
        numbers.setdefault(match.trial.name, []).append(_linked(match.trial_id))
    return ", ".join(f"{escaped(name)} ({', '.join(known)})" for name, known in numbers.items())


def _linked(trial_id: str) -> str:
    page = registry_page(trial_id)
    return f"[{trial_id}]({page})" if page else wording.number(trial_id)


def _status(match: Match) -> str:
    return "ongoing" if match.trial.status == "ongoing" else "ongoing or unpublished"


def _stands(match: Match) -> str:
    if match.standing == "eligible":
        return f"all that is printed is met{'; earlier WBRT on record' if match.wbrt_again else ''}"
    missing = [facts.words(name) for name in match.missing[:_MISSING]]
    missing += [outcome.criterion.words for outcome in match.open if not outcome.missing]
    return f"may fit, not known: {', '.join(missing)}"


def _notes(registry_check: str) -> Iterator[str]:
    read_on = catalogue().meanings.registry_read_on.isoformat()
    yield f"Status as of {read_on}. {registry_check}"
    yield wording.NOT_PRINTED
