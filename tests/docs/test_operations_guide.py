"""What the operations guide tells an operator to type names commands and options that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from all_in_one.command import app
from isodose.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
TYPED = sorted(
    {
        found.strip()
        for block in re.findall(r"```bash\n(.*?)```", GUIDE, re.DOTALL)
        for found in re.findall(r"^isodose .*$", block, re.MULTILINE)
    }
    | set(re.findall(r"`(isodose [a-z][^`]*)`", GUIDE))
)
STANDS_FOR = {
    "SERVICE": "are_surveillance",
    "DATE": "2026-11-23",
    "N": "3",
    "RESULT": "Task/1",
    "PATIENT": "p1",
}


def understood(typed: str) -> bool:
    """Whether command and options have these names; nothing is run, since `--help` is all that happens."""
    words = [STANDS_FOR.get(word, word) for word in typed.split()[1:]]
    return CliRunner().invoke(app, [*words, "--help"]).exit_code == 0


def test_the_guide_has_commands() -> None:
    assert len(TYPED) > 8


@pytest.mark.parametrize("typed", TYPED)
def test_a_command_of_the_guide_is_one_that_is_understood(typed: str) -> None:
    assert understood(typed)


@pytest.mark.parametrize(
    "typed",
    ["isodose nothing", "isodose day --of 2026-11-23", "isodose dead-letters replay --number 3"],
)
def test_what_the_command_does_not_know_is_noticed(typed: str) -> None:
    assert not understood(typed)


def test_every_variable_of_the_guide_is_a_setting_or_one_of_the_tools_beside() -> None:
    settings = {
        str(field.validation_alias or f"ISODOSE_{name.upper()}")
        for name, field in Settings.model_fields.items()
    }
    beside = {"ISODOSE_DATABASE_PASSWORD", "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG"}
    named = set(re.findall(r"\b(?:ISODOSE|OTEL)_[A-Z_]*[A-Z]\b", GUIDE))
    assert named <= settings | beside


def test_every_file_of_the_guide_is_there() -> None:
    named = set(re.findall(r"`((?:k8s|deploy|docs)/[\w./-]+)`", GUIDE))
    assert named
    assert {path for path in named if not (ROOT / path).exists()} == set()
