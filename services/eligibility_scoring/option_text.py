"""What a card says of the options, as Markdown: why, against, what is missing, questions, sources. Short."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from eligibility_scoring.arguments import ARGUMENTS
from eligibility_scoring.decisive import MissingFact
from eligibility_scoring.options import Appraisal
from eligibility_scoring.request_group import in_order, score_in_words
from eligibility_scoring.standing import NOT_ADVISED, ORDER, UNKNOWN
from isodose.cds_hooks.cards import citation_line, escaped, fact_line
from isodose.clinical import facts
from isodose.clinical.finding import Finding, Option
from isodose.clinical.knowledge import Knowledge

_SHOWN = 4
"""Findings on each side, and missing facts: what a busy reader takes in."""

_QUESTIONS = 3

_TITLES = {argument.code: argument.title for argument in ARGUMENTS}

_PROPOSAL = (
    "Scores weigh criteria by the platform's own proposal, which awaits clinical sign-off; "
    "not a validated score."
)


def leading(lead: Option, appraisal: Appraisal, findings: Sequence[Finding], knowledge: Knowledge) -> str:
    """The detail of the card on the option that leads."""
    speaking = _met(lead.for_, findings)
    opposing = _met(lead.against, findings)
    shown = [*speaking, *opposing]
    names = _names(findings, appraisal.names)
    parts = [
        _findings("Why", speaking, names),
        _findings("Against", opposing, names),
        _stronger(lead, appraisal.options),
        _facts(shown),
        _score(lead, knowledge),
        _table(appraisal.options),
        _could_still_change(appraisal.missing),
        _questions(appraisal, knowledge),
        _sources(shown),
    ]
    return "\n\n".join(part for part in parts if part)


def undecided(appraisal: Appraisal, findings: Sequence[Finding], knowledge: Knowledge) -> str:
    """The detail of the card while no option leads: what speaks against radiosurgery, what would settle the
    options, and what is still possible.
    """
    against = next(option.against for option in appraisal.options if option.code == "srs")
    names = _names(findings, appraisal.names)
    parts = [
        _findings("Against radiosurgery", _met(against, findings), names),
        _missing(appraisal.missing),
        _table(appraisal.options),
        _questions(appraisal, knowledge),
    ]
    return "\n\n".join(part for part in parts if part)


def _met(codes: Iterable[str], findings: Sequence[Finding]) -> list[Finding]:
    """One finding per code; the nodes of the pathway only where no entry says the same."""
    first: dict[str, Finding] = {}
    for finding in findings:
        if finding.verdict == "met":
            first.setdefault(finding.code, finding)
    found = [first[code] for code in dict.fromkeys(codes) if code in first]
    entries = [finding for finding in found if not finding.code.startswith("F1-")]
    return (entries or found)[:_SHOWN]


def _names(findings: Sequence[Finding], labels: Mapping[str, str]) -> dict[str, str]:
    """By code, the lesion it was met for, or how many there are."""
    met: dict[str, list[str]] = {}
    for finding in findings:
        if finding.verdict == "met" and finding.applies_to:
            met.setdefault(finding.code, []).append(labels.get(finding.applies_to, finding.applies_to))
    return {code: about[0] if len(about) == 1 else f"{len(about)} lesions" for code, about in met.items()}


def _stronger(lead: Option, judged: Sequence[Option]) -> str:
    """Where the pathway ends at an option although another stands on stronger evidence, that is said."""
    others = [
        o for o in judged if o.standing != UNKNOWN and ORDER.index(o.standing) < ORDER.index(lead.standing)
    ]
    if not others:
        return ""
    other = max(others, key=lambda o: o.bound[0])
    return (
        f"The pathway ends here; {escaped(other.title)} rests on stronger evidence ({other.standing}, "
        f"{score_in_words(other)}). The board weighs both."
    )


def _findings(title: str, shown: Sequence[Finding], names: Mapping[str, str]) -> str:
    lines = [line for finding in shown for line in _finding(finding, names)]
    return f"**{title}**\n" + "\n".join(lines) if lines else ""


def _finding(finding: Finding, names: Mapping[str, str]) -> list[str]:
    """What it says and of which lesion, how strongly, and both readings where the review is in doubt."""
    name = names.get(finding.code, "")
    about = f"{escaped(name)}: " if name else ""
    strength = finding.strength.replace("_", " ")
    lines = [f"- {about}{escaped(finding.summary)} _Strength: {strength}; {finding.code}_"]
    for word, text in (
        ("Conflicting evidence", finding.conflicts),
        ("Doubt about the source", finding.suspect),
    ):
        if text:
            lines.append(f"  - {word}: {escaped(text)}")
    return lines


def _facts(shown: Sequence[Finding]) -> str:
    lines = dict.fromkeys(f"- {fact_line(fact)}" for finding in shown for fact in finding.facts)
    return "**Facts used**\n" + "\n".join(lines) if lines else ""


def _score(option: Option, knowledge: Knowledge) -> str:
    """The score with what it is made of, each criterion in words."""
    lines = []
    for criterion in option.criteria:
        given = "not known yet" if criterion.given is None else str(criterion.given)
        entry = knowledge.entry(criterion.code)
        gives = criterion.given is None or criterion.given > 0
        said = (entry.met if (criterion.favourable == "met") is gives else entry.not_met) or entry.statement
        lines.append(f"- {given} of {criterion.points}: {escaped(said)} _{criterion.code}_")
    points = escaped(score_in_words(option).capitalize())
    head = f"**{points} of 100**, from the standing ({option.standing}) and:"
    return "\n".join((head, *lines, *_hangs_on(option), f"- {escaped(_PROPOSAL)}"))


def _hangs_on(option: Option) -> list[str]:
    """Where the score is withheld, the facts it hangs on, in words."""
    if not option.score_withheld:
        return []
    names = dict.fromkeys((*option.missing, *(name for part in option.criteria for name in part.missing)))
    words = "; ".join(escaped(facts.words(name)) for name in list(names)[:_SHOWN])
    return [f"- Not known, so no single number: {words}{' ...' if len(names) > _SHOWN else ''}."]


def _table(judged: Sequence[Option]) -> str:
    ordered = in_order(judged)
    rows = [
        f"| {escaped(o.title)} | {escaped(_standing(o))} | {_points(o)} |"
        for o in ordered
        if o.standing != NOT_ADVISED
    ]
    refused = "; ".join(o.title for o in ordered if o.standing == NOT_ADVISED)
    table = "\n".join(("| option | standing | score |", "| --- | --- | --- |", *rows))
    return f"{table}\n\nNot advised: {escaped(refused)}." if refused else table


def _standing(option: Option) -> str:
    return " or ".join(option.possible) if option.standing == UNKNOWN else option.standing


def _points(option: Option) -> str:
    low, high = option.bound
    return str(option.score) if option.score is not None else f"{low} to {high}"


def _missing(missing: Sequence[MissingFact]) -> str:
    """The facts to enter, with how much each may settle."""
    if not missing:
        return ""
    rest = len(missing) - _SHOWN
    more = [f"- and {rest} more that matter less"] if rest > 0 else []
    return "\n".join(("**Not known, most decisive first**", *map(_wanted, missing[:_SHOWN]), *more))


def _could_still_change(missing: Sequence[MissingFact]) -> str:
    """What is not known and may change what leads or its score; the rest on one line."""
    weighty = [fact for fact in missing if fact.on_top > 0]
    light = [fact.name for fact in missing if fact.on_top == 0]
    lines = [_missing(weighty)] if weighty else []
    if light:
        others = "; ".join(escaped(facts.words(name)) for name in light[:_SHOWN])
        lines.append(
            f"Not known, of weight for other options only: {others}{' ...' if light[_SHOWN:] else ''}."
        )
    return "\n\n".join(lines)


def _wanted(fact: MissingFact) -> str:
    settles = fact.decides
    few = len(settles) <= _SHOWN
    what = ", ".join(escaped(_TITLES[code]) for code in settles) if few else f"{len(settles)} of the options"
    return f"- {escaped(facts.words(fact.name))}" + (f" (may settle {what})" if settles else "")


def _questions(appraisal: Appraisal, knowledge: Knowledge) -> str:
    met = (f for alike in appraisal.by_code.values() for f in alike if f.verdict == "met")
    said = {finding.code: finding.summary for finding in met}
    lines = []
    for question in appraisal.questions[:_QUESTIONS]:
        lines.append(f"- {escaped(question.summary)} _{question.code}_")
        for side in question.sides:
            arguments = " ".join(escaped(_argument(code, said, knowledge)) for code in side.arguments)
            if arguments:
                lines.append(f"  - {escaped(side.position)}: {arguments}")
    return "**Questions for the board**\n" + "\n".join(lines) if lines else ""


def _argument(code: str, said: Mapping[str, str], knowledge: Knowledge) -> str:
    """What the entry says of this patient, else what it says at all."""
    entry = knowledge.entry(code)
    return f"{(said.get(code) or entry.not_met or entry.statement).rstrip('.')} ({code})."


def _sources(shown: Sequence[Finding]) -> str:
    cited = dict.fromkeys(source for finding in shown for source in finding.sources)
    return "**Sources**\n" + "\n".join(f"- {citation_line(source)}" for source in cited) if cited else ""
