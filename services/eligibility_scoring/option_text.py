"""What a card says of the options, as Markdown: why, against, what is missing, questions, sources. Short."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from eligibility_scoring.decisive import MissingFact
from eligibility_scoring.options import Appraisal
from eligibility_scoring.questions import questions
from eligibility_scoring.request_group import in_order, score_in_words
from eligibility_scoring.standing import NOT_ADVISED, UNKNOWN
from isodose.cds_hooks.cards import citation_line, escaped, fact_line, fact_words
from isodose.clinical.finding import Finding, Option
from isodose.clinical.knowledge import Knowledge

_SHOWN = 4
"""Findings on each side, missing facts and questions: what a busy reader takes in."""

_PROPOSAL = (
    "Scores weigh criteria by the platform's own proposal, which awaits clinical sign-off; "
    "not a validated score."
)


def leading(lead: Option, appraisal: Appraisal, findings: Sequence[Finding], knowledge: Knowledge) -> str:
    """The detail of the card on the option that leads."""
    speaking = _met(lead.for_, findings)
    opposing = _met(lead.against, findings)
    asked = questions(findings)[:_SHOWN]
    shown = [*speaking, *opposing]
    parts = [
        _findings("Why", speaking),
        _findings("Against", opposing),
        _facts(shown),
        _score(lead, knowledge),
        _table(appraisal.options),
        _missing(appraisal.missing),
        _questions(asked, knowledge),
        _sources(shown),
    ]
    return "\n\n".join(part for part in parts if part)


def undecided(appraisal: Appraisal, findings: Sequence[Finding], knowledge: Knowledge) -> str:
    """The detail of the card while no option leads: what is still possible, and what would settle it."""
    asked = questions(findings)[:_SHOWN]
    parts = [_missing(appraisal.missing), _table(appraisal.options), _questions(asked, knowledge)]
    return "\n\n".join(part for part in parts if part)


def _met(codes: Iterable[str], findings: Sequence[Finding]) -> list[Finding]:
    """One finding per code, entries before the nodes of the pathway that say the same."""
    first: dict[str, Finding] = {}
    for finding in findings:
        if finding.verdict == "met":
            first.setdefault(finding.code, finding)
    found = [first[code] for code in dict.fromkeys(codes) if code in first]
    return sorted(found, key=lambda f: f.code.startswith("F1-"))[:_SHOWN]


def _findings(title: str, shown: Sequence[Finding]) -> str:
    lines = [line for finding in shown for line in _finding(finding)]
    return f"**{title}**\n" + "\n".join(lines) if lines else ""


def _finding(finding: Finding) -> list[str]:
    about = f" (about {escaped(finding.applies_to)})" if finding.applies_to else ""
    strength = finding.strength.replace("_", " ")
    lines = [f"- {escaped(finding.summary)}{about} _Strength: {strength}; {finding.code}_"]
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
    withheld = [f"- {escaped(option.score_withheld)}"] if option.score_withheld else []
    return "\n".join((head, *lines, *withheld, f"- {escaped(_PROPOSAL)}"))


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
    if not missing:
        return ""
    lines = []
    for fact in missing[:_SHOWN]:
        decides = f"; may settle: {', '.join(fact.decides)}" if fact.decides else ""
        lines.append(f"- {escaped(fact_words(fact.name))} ({escaped(fact.name)}){escaped(decides)}")
    rest = len(missing) - _SHOWN
    more = [f"- and {rest} more that matter less"] if rest > 0 else []
    return "**Not known, most decisive first**\n" + "\n".join((*lines, *more))


def _questions(asked: Sequence[Finding], knowledge: Knowledge) -> str:
    lines = []
    for question in asked:
        lines.append(f"- {escaped(question.summary)} _{question.code}_")
        for side in question.sides:
            arguments = " ".join(escaped(_argument(code, knowledge)) for code in side.arguments)
            if arguments:
                lines.append(f"  - {escaped(side.position)}: {arguments}")
    return "**Questions for the board**\n" + "\n".join(lines) if lines else ""


def _argument(code: str, knowledge: Knowledge) -> str:
    entry = knowledge.entry(code)
    return f"{(entry.met or entry.statement).rstrip('.')} ({code})."


def _sources(shown: Sequence[Finding]) -> str:
    cited = dict.fromkeys(source for finding in shown for source in finding.sources)
    return "**Sources**\n" + "\n".join(f"- {citation_line(source)}" for source in cited) if cited else ""
