"""How answers and summaries look at a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from all_in_one.loading import Summary
from ehr_ingestion.bulk.exporting import Report

Json = dict[str, Any]
_COUNTED = ("lines", "accepted", "changed", "unchanged", "refused")
_STANDING_STYLE = {"standard": "green", "conditional": "yellow", "not-advised": "red", "unknown": "dim"}


def show_answers(out: Console, answers: Mapping[str, Json]) -> None:
    """What each service concluded: options, then what holds, then what cannot be judged yet."""
    for service, answer in answers.items():
        facts = {p["name"]: _value(p) for p in answer["parameter"] if "part" not in p and "resource" not in p}
        out.rule(f"[bold]{service}[/] on {facts['on']}, knowledge {facts['knowledge-version']}")
        options = list(_parts(answer, "option"))
        if options:
            out.print(_options(options))
        trials = list(_trials(answer))
        if trials:
            out.print(_matches(trials))
        findings = list(_parts(answer, "finding"))
        met = [finding for finding in findings if finding["verdict"] == "met"]
        out.print(_findings(met) if met else "Nothing holds.")
        unknown = [finding for finding in findings if finding["verdict"] == "unknown"]
        if unknown:
            missing = sorted({name for finding in unknown for name in finding.get("missing", [])})
            out.print(f"{len(unknown)} cannot be judged yet; not known: {', '.join(missing)}", style="dim")
        types = sorted(p["resource"]["resourceType"] for p in answer["parameter"] if p["name"] == "resource")
        counted = [f"{types.count(kind)} {kind}" for kind in dict.fromkeys(types)]
        out.print(f"FHIR resources: {', '.join(counted) or 'none'}", style="dim")


def show_summaries(out: Console, summaries: Sequence[Summary]) -> None:
    """What became of every file, then every refusal with its reason."""
    table = Table("file", "accepted", "changed", "unchanged", "refused", box=None)
    for one in summaries:
        counts = (one.accepted, one.changed, one.unchanged, len(one.refused))
        table.add_row(one.file, *map(str, counts), style="red" if one.refused else None)
    out.print(table)
    for one in summaries:
        for refusal in one.refused:
            out.print(f"refused {refusal.place}: {refusal.reason}", markup=False, soft_wrap=True)


def show_export(out: Console, report: Report) -> None:
    """What became of the files of an export by type, then each line that was not kept, with its reason."""
    table = Table("what", "files", *_COUNTED, box=None)
    for kind, name in dict.fromkeys((file.kind, file.type) for file in report.files):
        files = [file for file in report.files if (file.kind, file.type) == (kind, name)]
        counts = [sum(getattr(file, column) for file in files) for column in _COUNTED]
        what = name if kind == "output" else f"{kind} {name}".rstrip()
        table.add_row(what, *map(str, (len(files), *counts)), style="red" if counts[-1] else None)
    out.print(table)
    said = f"{report.records} records changed; this is the state of {report.export.transaction_time}"
    out.print(said, style="dim", soft_wrap=True)
    for one in report.aside:
        where = f"{one.place} (file {one.file + 1}, line {one.line})".lstrip()
        out.print(f"refused {where}: {one.reason}", markup=False, soft_wrap=True)
    if not report.ended:
        out.print("the EHR took no note that its files are no longer needed", style="dim")


def _options(options: Sequence[Json]) -> Table:
    table = Table("option", "standing", "score", "because of", box=None)
    table.columns[0].no_wrap = table.columns[1].no_wrap = True
    for option in options:
        table.add_row(
            option["code"],
            option["standing"],
            str(option.get("score", "")),
            ", ".join(option.get("finding", [])),
            style=_STANDING_STYLE.get(option["standing"]),
        )
    return table


def _trials(answer: Json) -> Iterator[Json]:
    """The actions that stand for a trial, in the RequestGroup of the options."""
    groups = [p["resource"] for p in answer["parameter"] if p["name"] == "resource"]
    for group in groups:
        for action in group.get("action", ()) if group["resourceType"] == "RequestGroup" else ():
            for part in action.get("action", ()):
                if part.get("resource", {}).get("reference", "").startswith("ResearchStudy/"):
                    yield part


def _matches(trials: Sequence[Json]) -> Table:
    table = Table("trial", "matches", box=None)
    for trial in trials:
        table.add_row(Text(trial["title"]), Text(trial["description"]))
    return table


def _findings(findings: Sequence[Json]) -> Table:
    table = Table("finding", "says", box=None)
    table.columns[0].no_wrap = True
    for finding in findings:
        value = f"{finding['value']:g}: " if isinstance(finding.get("value"), float) else ""
        about = f" [{finding['applies-to']}]" if "applies-to" in finding else ""
        strength = finding["strength"].replace("_", " ")
        table.add_row(finding["code"], Text(f"{value}{finding['summary']}{about} ({strength})"))
    return table


def _parts(answer: Json, name: str) -> Iterator[Json]:
    """The parts of each parameter of this name as one dict; `missing` and `finding` are lists."""
    for parameter in answer["parameter"]:
        if parameter["name"] != name:
            continue
        parts: Json = {}
        for part in parameter["part"]:
            if part["name"] in ("missing", "finding"):
                parts.setdefault(part["name"], []).append(_value(part))
            else:
                parts[part["name"]] = _value(part)
        yield parts


def _value(parameter: Json) -> Any:
    return next((value for name, value in parameter.items() if name.startswith("value")), "")
