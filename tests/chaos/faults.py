"""What goes wrong: processes die or stand still, ways between hosts are cut, disks are full.

Each fault is made where chance says, known by its seed, and is over after a while; `site` brings back what
has to be started again. The kinds take turns, so that a run of many faults has as many of each.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from chaos.site import Site

FEW = 50
"""A run of fewer faults is a short one, for CI."""
Way = tuple[str, str]


@dataclass(frozen=True)
class Fault:
    """`places` are the processes and ways that are taken: no second fault is made there meanwhile."""

    kind: str
    places: frozenset[str]
    begin: Callable[[], None]
    end: Callable[[], None]
    lasts_s: float

    def happen(self) -> None:
        self.begin()
        time.sleep(self.lasts_s)
        self.end()


@dataclass(frozen=True)
class Kind:
    """`where` are the processes, or ways between two, at which it may happen; `lasts_s` at least and at most.

    The longest is longer than a consumer may be silent before its partitions are given to others, and than
    a silent connection is believed in.
    """

    where: Sequence[str | Way]
    lasts_s: tuple[float, float]
    begin: Callable[..., None]
    end: Callable[..., None]


def kinds(site: Site, longest_s: float) -> Mapping[str, Kind]:
    """Every kind of fault by its name."""
    services, ways = site.services, site.ways()
    long, short = (0.5, longest_s), (0.0, min(1.5, longest_s))
    made = {
        "service killed": Kind(site.names, short, services.kill, site.start),
        "service stopped": Kind(site.names, short, site.stop, site.start),
        "service paused": Kind(site.names, long, site.pause, site.go_on),
        "way cut": Kind(ways, (0.5, 2 * longest_s), site.network.cut, site.network.mend),
        "answers cut": Kind(ways, (0.5, 2 * longest_s), site.cut_answers, site.network.mend),
        "connections reset": Kind(ways, (0.0, 0.0), site.network.reset, _nothing),
        "service cut off": Kind(site.names, (0.5, 2 * longest_s), site.cut_off, site.join),
    }
    for name in site.servers:
        made |= {
            f"{name} killed": Kind([name], short, site.kill, site.start),
            f"{name} paused": Kind([name], long, site.pause, site.go_on),
            f"{name} disk full": Kind([name], (1.0, min(8.0, longest_s)), site.fill, site.clear),
        }
    return made


def planned(site: Site, many: int, seed: int, longest_s: float) -> Iterator[Fault]:
    """So many faults; each where nothing else is going on at the moment it is asked for."""
    chance, every = random.Random(seed), kinds(site, longest_s)
    turns: list[str] = []
    for _ in range(many):
        if not turns:
            turns = chance.sample(sorted(every), len(every))
        yield _chosen(site, chance, turns, every)


def _chosen(site: Site, chance: random.Random, turns: list[str], every: Mapping[str, Kind]) -> Fault:
    """Of the kind whose turn it is; of the next one where that is not possible anywhere now."""
    while True:
        taken = site.taken()
        for name in turns:
            kind = every[name]
            free = [one for one in kind.where if not _places(site, name, one) & taken]
            if free:
                turns.remove(name)
                where = chance.choice(free)
                given = where if isinstance(where, tuple) else (where,)
                return Fault(
                    name,
                    _places(site, name, where),
                    partial(kind.begin, *given),
                    partial(kind.end, *given),
                    chance.uniform(*kind.lasts_s),
                )
        time.sleep(0.1)


def _places(site: Site, kind: str, where: str | Way) -> frozenset[str]:
    if isinstance(where, tuple):
        return frozenset({"~".join(where)})
    if kind == "service cut off":
        return frozenset("~".join(way) for way in site.ways() if where in way)
    return frozenset({where})


def _nothing(*_where: str) -> None:
    pass
