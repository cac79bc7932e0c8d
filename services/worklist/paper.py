"""The summary for the tumour board on paper: a PDF that a screen reader can read too (PDF/UA-1).

Typst sets it, from the same words and the same drawing as the page; both go in as data, never as markup.
https://pdfa.org/resource/pdfua-in-a-nutshell/
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import asdict
from functools import cache
from importlib.resources import files
from typing import Any

import orjson
import typst

from worklist.rendering import drawing
from worklist.summary import Summary
from worklist.timeline.picture import Picture

_FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f\ufffe\uffff]")
"""Control characters: no font has them, and no XML."""
_SIZES = ("8", "7.5", "7")
"""Of the letters, in points."""
_DRAWN = {
    "fill",
    "fill-opacity",
    "stroke",
    "stroke-width",
    "stroke-dasharray",
    "font-weight",
    "font-size",
    "paint-order",
}


def pdf(summary: Summary, picture: Picture, made: dt.datetime) -> bytes:
    """The paper, dated `made`: one sheet where the words fit, smaller if need be, else as many as it takes. A
    name that no font here can write makes it a PDF that is tagged alone.
    """
    told = asdict(summary) | {"picture": drawing(picture, summary.day, _style()), "alt": _in_words(picture)}
    written = orjson.dumps(_plain(told)).decode()
    set_at = [_set(written, _SIZES[0], made)]
    while len(set_at) < len(_SIZES) and not _is_one_sheet(set_at[-1]):
        set_at.append(_set(written, _SIZES[len(set_at)], made))
    return set_at[-1] if _is_one_sheet(set_at[-1]) else set_at[0]


def _set(told: str, size: str, made: dt.datetime) -> bytes:
    def compiled(standards: list[typst.PDFStandard]) -> bytes:
        return typst.compile(
            _template(),
            format="pdf",
            font_paths=_fonts(),
            sys_inputs={"told": told, "size": size},
            pdf_standards=standards,
            timestamp=made.replace(microsecond=0),
        )

    try:
        return compiled(["ua-1"])
    except typst.TypstError:
        return compiled([])


def _is_one_sheet(content: bytes) -> bool:
    return re.search(rb"/Type/Pages/Count 1\b", content) is not None


@cache
def _fonts() -> typst.Fonts:
    """Those of Typst, and for what they cannot write those of the machine."""
    return typst.Fonts()


def _plain(told: Any) -> Any:
    """The same without characters that cannot be written."""
    if isinstance(told, str):
        return _FORBIDDEN.sub("", told)
    if isinstance(told, dict):
        return {name: _plain(value) for name, value in told.items()}
    return [_plain(value) for value in told] if isinstance(told, list | tuple) else told


def _in_words(picture: Picture) -> str:
    """What the drawing shows, for who cannot see it."""
    events = "; ".join(f"{e.first}{f' to {e.last}' if e.last else ''}: {e.what}" for e in picture.events)
    return f"What happened and what is planned, from {picture.axis.first} to {picture.axis.last}. {events}"


@cache
def _template() -> bytes:
    return files("worklist.templates").joinpath("board.typ").read_bytes()


@cache
def _style() -> str:
    """What the style sheet says of the drawing, with the colours of print."""
    sheet = files("worklist.assets").joinpath("worklist.css").read_text(encoding="utf-8")
    screen, _, printed = sheet.partition("@media print")
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]+)", printed.partition("}")[0]))
    rules = []
    for selector, body in re.findall(r"([^{}]+)\{([^{}]*)\}", screen.partition("* {")[2]):
        said = [d.strip() for d in body.split(";") if d.partition(":")[0].strip() in _DRAWN]
        if any(d.startswith(("fill", "stroke")) for d in said):
            rules.append(f"{selector.strip()} {{ {'; '.join(said)} }}")
    return re.sub(r"var\(--([a-z-]+)\)", lambda found: colours[found[1]], "\n".join(rules))
