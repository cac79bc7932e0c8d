"""A page as its reader meets it: elements, their text, what runs and where links lead."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "link", "input", "br", "img", "hr"}


@dataclass
class Element:
    """One element with everything inside it."""

    tag: str
    attributes: dict[str, str]
    parent: Element | None = None
    parts: list[Element | str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return " ".join("".join(p if isinstance(p, str) else f" {p.text} " for p in self.parts).split())

    def all(self, tag: str = "", **attributes: str) -> list[Element]:
        """Elements inside, by tag and attributes (`class_`, `aria_label`)."""
        named = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
        found: list[Element] = []
        for part in self.parts:
            if isinstance(part, str):
                continue
            has = all(
                v in part.attributes.get(n, "").split() or v == part.attributes.get(n)
                for n, v in named.items()
            )
            if has and tag in ("", part.tag):
                found.append(part)
            found += part.all(tag, **attributes)
        return found

    def one(self, tag: str = "", **attributes: str) -> Element:
        found = self.all(tag, **attributes)
        assert found, f"no {tag} {attributes}"
        return found[0]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.root = self.here = Element("", {})

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs}, self.here)
        self.here.parts.append(element)
        if tag not in VOID:
            self.here = element

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.here.parts.append(Element(tag, {name: value or "" for name, value in attrs}, self.here))

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        assert self.here.tag == tag, f"</{tag}> closes <{self.here.tag}>"
        assert self.here.parent is not None
        self.here = self.here.parent

    def handle_data(self, data: str) -> None:
        self.here.parts.append(data)


def read(html: str) -> Element:
    """The page; fails where an element is left open or closed twice."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    assert reader.here is reader.root, f"<{reader.here.tag}> is left open"
    return reader.root


def what_runs(page: Element) -> list[str]:
    """Everything that a browser would run or fetch from elsewhere, or that a strict policy forbids; our own
    script is none of it.
    """
    found = [
        f"<{e.tag}>"
        for tag in ("script", "style", "iframe", "object", "embed", "base")
        for e in page.all(tag)
        if not _is_ours(e)
    ]
    for element in page.all():
        for name, value in element.attributes.items():
            address = "".join(value.split()).lower()
            if name.startswith("on") or name == "style":
                found.append(f"{name}={value}")
            leads = name in ("href", "src", "action", "xlink:href") and ":" in address.partition("/")[0]
            if leads and not (element.tag == "a" and address.startswith("https://")):
                found.append(f"{name}={value}")
    return found


def _is_ours(element: Element) -> bool:
    """A script of the pages' own, by its address alone."""
    address = element.attributes.get("src", "")
    named = re.fullmatch(r"(\.\./)*/?worklist/assets/[a-z]+\.js", address)
    return element.tag == "script" and named is not None and not element.text
