"""The command `isodose`: decide at a terminal, load data, start services, look after a running platform.

A command's module is loaded when the command is asked for: a service does not load what the terminal needs.
"""

from __future__ import annotations

import gc
from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

COMMANDS: Mapping[str, str] = {
    "assess": "data:assess_bundle",
    "load": "data:load",
    "pull": "from_ehr:pull_patients",
    "bulk-pull": "from_ehr:bulk_pull",
    "up": "starting:up",
    "demo": "starting:demo",
    "serve": "serving:serve",
    "day": "upkeep:day",
    "migrate": "upkeep:migrate",
    "rebuild": "upkeep:rebuild_service",
    "replay": "over_time:replay_knowledge",
    "explain": "over_time:explain_result",
    "reindex": "upkeep:reindex_service",
    "reseal": "sealing:reseal_headers",
    "prune": "upkeep:prune_results",
    "erase": "erasing:erase_patient",
    "audit": "upkeep:verify_audit",
    "retire-audit": "upkeep:retire_audit",
}
"""Where the function of each command is: module in `all_in_one.commands`, name."""
GROUPS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "topics": ("The topics of the event log.", {"apply": "upkeep:apply_topics"}),
    "dead-letters": (
        "Events set aside after every attempt to handle them failed.",
        {
            "list": "dead_letters:list_dead_letters",
            "replay": "dead_letters:replay_dead_letters",
            "dismiss": "dead_letters:dismiss_dead_letter",
        },
    ),
    "jobs": (
        "What was to be done at other systems and was set aside.",
        {"list": "jobs:list_jobs", "retry": "jobs:retry_jobs", "dismiss": "jobs:dismiss_job"},
    ),
    "subscriptions": (
        "Subscriptions at the EHR, by which it tells Isodose what changed.",
        {
            "create": "subscriptions:create",
            "renew": "subscriptions:renew",
            "list": "subscriptions:list_subscriptions",
            "remove": "subscriptions:remove",
        },
    ),
    "write-back": (
        "Results that are written to the EHR.",
        {
            "list": "write_back:list_unsettled",
            "settle": "write_back:settle",
            "all": "write_back:everything",
        },
    ),
}
"""The same of commands of two words, with what the first one is about."""


def _group(about: str, commands: Mapping[str, str]) -> typer.Typer:
    class Group(TyperGroup):
        def list_commands(self, ctx: Any) -> list[str]:
            return [*commands, *super().list_commands(ctx)]

        def get_command(self, ctx: Any, cmd_name: str) -> Any:
            if cmd_name not in commands:
                return super().get_command(ctx, cmd_name)
            return _command(cmd_name, commands[cmd_name])

    group = typer.Typer(cls=Group, help=about, no_args_is_help=True, pretty_exceptions_enable=False)
    group.callback()(lambda: None)
    return group


def _command(name: str, place: str) -> Any:
    module, _, function = place.partition(":")
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    alone.command(name)(getattr(_loaded(f"all_in_one.commands.{module}"), function))
    return get_command(alone)


def _loaded(module: str) -> ModuleType:
    """A module with all that it imports. Code stays: looking for garbage in it takes a tenth of a start."""
    gc.disable()
    try:
        return import_module(module)
    finally:
        gc.freeze()
        gc.enable()


app = _group("Isodose: decision support for stereotactic radiosurgery of brain metastases.", COMMANDS)
for group_name, (about_it, its_commands) in GROUPS.items():
    app.add_typer(_group(about_it, its_commands), name=group_name)
