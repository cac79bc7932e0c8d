"""The templates, with every value escaped, and the few functions they may call."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from jinja2 import ChainableUndefined, Environment, FunctionLoader
from markupsafe import Markup, escape

from worklist import wording
from worklist.said import alike
from worklist.timeline.picture import Picture

_REFERENCE = re.compile(r"([A-Z][A-Za-z]{1,40})/([A-Za-z0-9.-]{1,64})")
_MADE_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_WEB_ADDRESS = re.compile(r"https://[^\s<>\"'`()]+[^\s<>\"'`().,;]")


def render(template: str, **values: Any) -> str:
    """The page. An element that a FHIR resource does not have is written as nothing."""
    return _environment().get_template(template).render(values)


def drawing(picture: Picture, on: str, style: str) -> str:
    """The picture as a drawing that stands alone (SVG)."""
    return render("drawing.svg", picture=picture, on=on, style=Markup(style)).strip()  # noqa: S704


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FunctionLoader(_source),
        autoescape=True,
        undefined=ChainableUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "words": wording.words_of,
        "alike": alike,
        "fact": wording.fact_in_words,
        "linked": linked,
        "path": _path,
    }
    made.globals |= {
        "resource_link": resource_link,
        "web_link": web_link,
        "query": urlencode,
        "is_answered": wording.is_answered,
        "is_overdue": wording.is_overdue,
    }
    return made


def _source(name: str) -> str:
    return files("worklist.templates").joinpath(name).read_text(encoding="utf-8")


def _path(value: str) -> str:
    """One segment of an address."""
    return quote(value, safe="")


def resource_link(reference: str, up: str) -> Markup:
    """A FHIR reference as a link into the one record; words that are none stay words. Of an id that
    a machine made the beginning is shown.
    """
    told = _REFERENCE.fullmatch(reference)
    if told is None:
        return escape(reference)
    address = f"{escape(up)}fhir/{told[1]}/{told[2]}"
    if _MADE_ID.fullmatch(told[2]):
        return Markup(f'<a class="source" href="{address}" title="{told[0]}">{told[1]}/{told[2][:8]}…</a>')  # noqa: S704
    return Markup(f'<a class="source" href="{address}">{told[0]}</a>')  # noqa: S704


def web_link(url: Any, text: str) -> Markup:
    """A link out of the platform, for https alone; anything else stays words."""
    written = str(url or "")
    split = urlsplit(written) if _WEB_ADDRESS.fullmatch(written) else None
    if split is None or not split.hostname:
        return escape(text)
    return Markup('<a href="{}" rel="noreferrer noopener">{}</a>').format(written, text)


def linked(text: str) -> Markup:
    """Escaped text in which https addresses are links."""
    parts, at = [], 0
    for found in _WEB_ADDRESS.finditer(text):
        parts += [escape(text[at : found.start()]), web_link(found[0], found[0].removeprefix("https://"))]
        at = found.end()
    return Markup("").join([*parts, escape(text[at:])])
