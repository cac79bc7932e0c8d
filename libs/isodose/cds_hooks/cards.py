"""How findings read on a card: the words of the detail, the shortened summary, the reasons to override.

Markdown is GitHub-flavoured, as CDS Hooks asks. Every value comes with its date and source, every source with
whether it was read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from isodose.cds_hooks.models import SUMMARY_LIMIT, OverrideReason
from isodose.clinical import facts
from isodose.clinical.finding import Citation, FactUsed, Finding
from isodose.clinical.knowledge import Entry, Knowledge

AWAITS_SIGN_OFF = "source awaits clinical sign-off"

_REASONS = "http://terminology.hl7.org/CodeSystem/non-adherence-reason-codes"
OVERRIDE_REASONS = tuple(
    OverrideReason(code=code, system=_REASONS, display=display)
    for code, display in (
        ("patient-ineligible", "Does not fit this patient"),
        ("patient-contraindication", "Contraindicated in this patient"),
        ("risk-benefit-ratio", "Risk outweighs benefit"),
        ("does-not-align-latest-evidence", "Does not match the latest evidence"),
        ("patient-refuses", "Patient declines"),
        ("need-more-info", "More information is needed"),
    )
)
"""What a clinician may answer to what is proposed for a patient."""

_NO_ANSWER_TO_A_DANGER = ("patient-refuses", "patient-contraindication")
WARNING_REASONS = tuple(one for one in OVERRIDE_REASONS if one.code not in _NO_ANSWER_TO_A_DANGER)
"""What may be answered to a danger: nothing in it is declined by a patient or contraindicated."""

_CERTAINTY = {"sure": "", "likely": "likely", "ask": "to be confirmed"}
_SEEN = {"yes": "", "review": "as given in the review", "memory": AWAITS_SIGN_OFF}


def shortened(text: str, limit: int = SUMMARY_LIMIT - 1) -> str:
    """`text` on one line and within `limit` characters, cut at a word and marked with an ellipsis."""
    line = " ".join(text.split())
    if len(line) <= limit:
        return line
    cut = line[: limit - 1]
    return (cut[: cut.rfind(" ")] if " " in cut else cut).rstrip(" ,;:.") + "…"


def detail(findings: Sequence[Finding], notes: Iterable[str] = (), knowledge: Knowledge | None = None) -> str:
    """The findings one after the other, then `notes`, as Markdown; with `knowledge`, their evidence too."""
    blocks = [finding_detail(finding, knowledge) for finding in findings]
    blocks.extend(f"> {escaped(note)}" for note in notes)
    return "\n\n".join(blocks)


def finding_detail(finding: Finding, knowledge: Knowledge | None = None) -> str:
    """One finding: what it says and how strongly, the facts, what is missing, where it comes from.

    `knowledge` gives the words of the entries that stand beside it as evidence.
    """
    parts = [f"**{escaped(finding.summary)}**", _standing(finding)]
    if finding.action:
        parts.append(f"To consider: {escaped(finding.action)}")
    if finding.facts:
        parts.append("Facts used:\n" + "\n".join(f"- {fact_line(fact)}" for fact in finding.facts))
    if finding.missing:
        parts.append(
            "Not known:\n" + "\n".join(f"- {escaped(facts.words(name))}" for name in finding.missing)
        )
    for word, text in (
        ("Conflicting evidence", finding.conflicts),
        ("Doubt about the source", finding.suspect),
        ("Limit as written", finding.boundary),
        ("Caution", finding.caution),
        ("What would change this", finding.change),
    ):
        if text:
            parts.append(f"{word}: {escaped(text)}")
    if finding.sources:
        parts.append("Sources:\n" + "\n".join(f"- {citation_line(source)}" for source in finding.sources))
    if knowledge is not None and finding.evidence:
        beside = (evidence_line(code, knowledge.entry(code)) for code in finding.evidence)
        parts.append("Evidence beside it:\n" + "\n".join(f"- {line}" for line in beside))
    return "\n\n".join(parts)


def evidence_line(code: str, entry: Entry) -> str:
    """An entry that stands beside a finding: its statement, how strong it is, and its sources."""
    doubts = "".join(f" {escaped(text)}" for text in (entry.conflicts, entry.suspect) if text)
    cited = "; ".join(citation_line(source) for source in entry.evidence)
    strength = entry.strength.replace("_", " ")
    return f"{escaped(entry.statement)}{doubts} _{strength}; {code}_ {cited}"


def _standing(finding: Finding) -> str:
    words = [f"Strength: {finding.strength.replace('_', ' ')}"]
    if finding.severity:
        words.append(f"severity: {finding.severity}")
    if finding.applies_to:
        words.append(f"about {escaped(finding.applies_to)}")
    return "_" + "; ".join([*words, finding.code]) + "_"


def fact_line(fact: FactUsed) -> str:
    """`Karnofsky ... score: 80 (2026-11-01, Observation/kps-1)`."""
    known = facts.vocabulary().get(fact.name)
    unit = known.shown_unit or known.unit if known and known.unit not in ("", "1") else fact.unit
    shown = f"{_value_words(fact)} {unit if unit != '1' else ''}".strip()
    origin = [fact.on.isoformat() if fact.on else "no date", fact.source, _CERTAINTY[fact.certainty]]
    if fact.stale:
        origin.append("older than it stays good")
    return escaped(f"{facts.words(fact.name)}: {shown} ({', '.join(filter(None, origin))})")


_VALUE_WORDS = {
    "are": "adverse radiation effect",
    "t_dm1": "T-DM1",
    "t_dxd": "T-DXd",
    "single_srs": "SRS in one fraction",
    "fsrs": "fractionated SRS",
}


def _value_words(fact: FactUsed) -> str:
    if isinstance(fact.value, bool):
        return "yes" if fact.value else "no"
    if isinstance(fact.value, int | float):
        return f"{round(fact.value, 2):g}"
    return _VALUE_WORDS.get(fact.value, fact.value.replace("_", " "))


def citation_line(source: Citation) -> str:
    """`Author, Journal 2020 (reference 12 of the review; doi:10.…)`, and whether it was read."""
    where = []
    if source.ref:
        word = "reference" if len(source.ref) == 1 else "references"
        where.append(f"{word} {', '.join(map(str, source.ref))} of the review")
    where.extend(f"{name}:{value}" for name, value in (("doi", source.doi), ("pmid", source.pmid)) if value)
    where.extend(filter(None, (_SEEN[source.seen],)))
    line = escaped(source.cite + (f" ({'; '.join(where)})" if where else ""))
    return f"{line}: {escaped(source.figure)}" if source.figure else line


def source_line(code: str, sources: Sequence[Citation]) -> str:
    """The sources of one entry on one line: `DOSE-x: Author, Journal 2020 (review 12)`."""
    told = []
    for source in sources:
        where = [f"review {', '.join(map(str, source.ref))}"] if source.ref else []
        where += [f"doi:{source.doi}"] if source.doi else []
        where += [AWAITS_SIGN_OFF] if source.seen == "memory" else []
        told.append(source.cite + (f" ({'; '.join(where)})" if where else ""))
    return escaped(f"{code}: {'; '.join(told)}")


def escaped(text: str) -> str:
    """`text` on one line, with the signs that Markdown or HTML would take as markup made literal."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", " ".join(text.split()))
