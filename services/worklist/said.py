"""The answer of `$assess` as the pages use it: findings with their facts and sources, and options."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Fact:
    """A fact that a statement rests on; `words` is its value with unit and day."""

    name: str
    words: str
    source: str


@dataclass(frozen=True)
class Finding:
    """One statement about a patient, with what it rests on."""

    code: str
    verdict: str
    summary: str
    strength: str
    severity: str = ""
    applies_to: str = ""
    missing: tuple[str, ...] = ()
    facts: tuple[Fact, ...] = ()
    citations: tuple[str, ...] = ()
    sides: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True)
class Alike:
    """Findings that say the same, of several lesions or of one."""

    findings: tuple[Finding, ...]

    @property
    def first(self) -> Finding:
        return self.findings[0]

    @property
    def citations(self) -> tuple[str, ...]:
        """The sources of all, each once."""
        return tuple(dict.fromkeys(cited for one in self.findings for cited in one.citations))

    def about(self, names: Mapping[str, str]) -> list[str]:
        """The lesions by name."""
        return [names[one.applies_to] for one in self.findings if one.applies_to in names]


def alike(findings: Iterable[Finding]) -> list[Alike]:
    """The findings in their order, those together that say the same."""
    found: dict[tuple[str, str, str, str], list[Finding]] = {}
    for one in findings:
        found.setdefault((one.code, one.verdict, one.summary, one.strength), []).append(one)
    return [Alike(tuple(together)) for together in found.values()]


@dataclass(frozen=True)
class Option:
    """One treatment option. `score` is None while it is withheld; `low` and `high` always bound it."""

    code: str
    title: str
    standing: str
    leads: bool
    score: int | None
    low: int
    high: int
    withheld: str = ""
    possible: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    for_: tuple[Finding, ...] = ()
    against: tuple[Finding, ...] = ()


class Statements:
    """The findings of an assessment, by code, and the evidence beside them. Most are not shown: each is read
    when it is asked for.
    """

    def __init__(self, given: Iterable[list[Json]], beside: Iterable[list[Json]] = ()) -> None:
        self._beside = {str(_one(parts, "code", "")): parts for parts in beside}
        self._raw: dict[str, list[list[Json]]] = {}
        self._with_sides: set[str] = set()
        for parts in given:
            code = str(_one(parts, "code", ""))
            self._raw.setdefault(code, []).append(parts)
            if any(part.get("name") == "side" for part in parts):
                self._with_sides.add(code)

    def of(self, code: str) -> tuple[Finding, ...]:
        """What this entry says of the patient: where it is met, of each lesion that it is met for."""
        found = self._raw.get(code, [])
        verdicts = [_one(parts, "verdict", "") for parts in found]
        wanted = "met" if "met" in verdicts else next(iter(verdicts), "")
        said = zip(found, verdicts, strict=True)
        return tuple(_finding(parts) for parts, verdict in said if verdict == wanted)

    def about(self, code: str, subject: str) -> Finding | None:
        """What this entry says of this lesion, plan or pair, else of the patient as a whole; where no rule
        judges it, its statement.
        """
        told = {str(_one(parts, "applies-to", "")): parts for parts in self._raw.get(code, ())}
        parts = told.get(subject, told.get(""))
        if parts is not None:
            return _finding(parts)
        return replace(_finding(self._beside[code]), verdict="") if code in self._beside else None

    def questions(self) -> list[Finding]:
        """What the review leaves open, with the arguments of each side."""
        found = (finding for code in sorted(self._with_sides) for finding in self.of(code))
        return [finding for finding in found if finding.sides and finding.verdict == "met"]


@dataclass(frozen=True)
class Assessment:
    """What one service decided of one patient on one day; `version` is that of the record it decided on."""

    statements: Statements
    on: str = ""
    version: int = 0
    knowledge: str = ""
    options: tuple[Option, ...] = ()
    resources: tuple[Json, ...] = field(default=(), repr=False)

    def of_type(self, kind: str) -> list[Json]:
        return [one for one in self.resources if one.get("resourceType") == kind]


def read(parameters: Json | None) -> Assessment | None:
    """The assessment in a `Parameters`; None for none."""
    if parameters is None:
        return None
    given: list[Json] = parameters.get("parameter", [])
    statements = Statements(_parts(given, "finding"), _parts(given, "evidence"))
    resources = tuple(p["resource"] for p in given if p.get("name") == "resource" and "resource" in p)
    titles = _titles(resources)
    options = (_option(p.get("part", []), titles, statements) for p in given if p.get("name") == "option")
    return Assessment(
        statements=statements,
        on=str(_one(given, "on", "")),
        version=int(_one(given, "record-version", 0)),
        knowledge=str(_one(given, "knowledge-version", "")),
        options=tuple(options),
        resources=resources,
    )


def _parts(given: list[Json], name: str) -> list[list[Json]]:
    return [p["part"] for p in given if p.get("name") == name and p.get("part")]


def _finding(parts: list[Json]) -> Finding:
    told = _by_name(parts)
    sides = [_by_name(side) for side in told.get("side", ())]
    return Finding(
        code=_word(told, "code"),
        verdict=_word(told, "verdict") or "unknown",
        summary=_word(told, "summary"),
        strength=_word(told, "strength").replace("_", " "),
        severity=_word(told, "severity"),
        applies_to=_word(told, "applies-to"),
        missing=tuple(map(str, told.get("missing", ()))),
        facts=tuple(_fact(_by_name(fact)) for fact in told.get("fact", ())),
        citations=tuple(map(str, told.get("citation", ()))),
        sides=tuple((_word(side, "position"), tuple(map(str, side.get("finding", ())))) for side in sides),
    )


def _by_name(parts: list[Json]) -> dict[str, list[Any]]:
    """The values, or the parts, of each name in their order."""
    found: dict[str, list[Any]] = {}
    for part in parts:
        for key, value in part.items():
            if key != "name":
                found.setdefault(part["name"], []).append(value)
    return found


def _word(told: dict[str, list[Any]], name: str) -> str:
    return str(told[name][0]) if name in told else ""


def _fact(told: dict[str, list[Any]]) -> Fact:
    value = told.get("value", [""])[0]
    said = {True: "yes", False: "no"}[value] if isinstance(value, bool) else f"{value}"
    said = f"{value:g}" if isinstance(value, float) else said
    on = _word(told, "on")
    words = " ".join(filter(None, (said, _word(told, "unit"), f"on {on}" if on else "")))
    stale = " (out of date)" if told.get("stale") else ""
    source = told.get("source", [{}])[0]
    reference = str(source.get("reference", "")) if isinstance(source, dict) else ""
    return Fact(_word(told, "name"), words + stale, reference)


def _option(parts: list[Json], titles: dict[str, str], statements: Statements) -> Option:
    code, score = str(_one(parts, "code", "")), _one(parts, "score", None)
    bound = _one(parts, "bound", {})
    low, high = (bound.get(end, {}).get("value", otherwise) for end, otherwise in (("low", 0), ("high", 100)))

    def named(name: str) -> tuple[Finding, ...]:
        codes = map(str, _all(parts, name))
        return tuple(f for c in codes for f in statements.of(c) or [Finding(c, "unknown", c, "")])

    return Option(
        code=code,
        title=titles.get(code, code.replace("-", " ")),
        standing=str(_one(parts, "standing", "unknown")),
        leads=_one(parts, "leading", False) is True,
        score=score if isinstance(score, int) else None,
        low=low,
        high=high,
        withheld=str(_one(parts, "score-withheld", "")),
        possible=tuple(map(str, _all(parts, "possible"))),
        missing=tuple(map(str, _all(parts, "missing"))),
        for_=named("for"),
        against=named("against"),
    )


def _titles(resources: Iterable[Json]) -> dict[str, str]:
    """The title of each option by its code, in the order in which the RequestGroup lists them."""
    actions = (a for r in resources if r.get("resourceType") == "RequestGroup" for a in r.get("action", []))
    return {
        str(coding.get("code")): str(action.get("title", ""))
        for action in actions
        for concept in action.get("code", [])[:1]
        for coding in concept.get("coding", [])
    }


def _all(parts: list[Json], name: str) -> list[Any]:
    return [
        value
        for part in parts
        if part.get("name") == name
        for key, value in part.items()
        if key.startswith("value")
    ]


def _one(parts: list[Json], name: str, otherwise: Any) -> Any:
    for part in parts:
        if part.get("name") == name:
            return next((value for key, value in part.items() if key.startswith("value")), otherwise)
    return otherwise
