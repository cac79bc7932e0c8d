"""What the operations guide tells an operator to type is understood by the command, options and all."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from typer.main import get_command

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
STANDS_FOR = {"SERVICE": "are_surveillance", "DATE": "2026-11-23", "N": "3"}


def test_the_guide_has_commands() -> None:
    assert len(TYPED) > 8


@pytest.mark.parametrize("typed", TYPED)
def test_a_command_of_the_guide_is_one_that_is_understood(typed: str) -> None:
    words = [STANDS_FOR.get(word, word) for word in typed.split()[1:]]
    command: click.Command = get_command(app)
    context = click.Context(command, info_name="isodose")
    while isinstance(command, click.Group):
        found = command.get_command(context, words[0])
        assert found is not None, f"isodose has no command {words[0]!r}"
        command, words = found, words[1:]
        context = click.Context(command, parent=context)
    command.parse_args(context, words)


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
