"""A setting: cells that differ in nothing but their seed, and so share one choice of parameters."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from causaldisc.core.errors import InputError
from causaldisc.core.files import plain
from causaldisc.core.parameters import build, describe
from causaldisc.core.plugins import algorithms, sources
from causaldisc.core.searchable import Options, Span, searchable
from causaldisc.runner.compose import Cell
from causaldisc.runner.search.options import Optuna
from causaldisc.runner.store import content_of, key_of


@dataclass(frozen=True, eq=False)
class Setting:
    """What is tuned.

    Attributes
    ----------
    cells : the cells to score, one a seed.
    space : the parameters to search; those that were given are fixed.
    options : of the search.
    """

    cells: tuple[Cell, ...]
    space: Mapping[str, Span | Options]
    options: Optuna

    @property
    def algorithm(self) -> str:
        """Its algorithm."""
        return self.cells[0].config["algorithm"]["name"]

    @property
    def defaults(self) -> dict[str, Any]:
        """The searched parameters without a search."""
        return {name: self.cells[0].config["algorithm"][name] for name in self.space}

    @cached_property
    def config(self) -> dict[str, Any]:
        """What its cells have in common, of what a result depends on."""
        return {k: v for k, v in content_of(self.cells[0].config).items() if k != "seed"}

    @cached_property
    def digest(self) -> str:
        """Its content address, which the code is part of, as it is of a cell's."""
        return key_of({**self.config, "search by": plain({**self._search, "budget": self.options.budget})})

    @cached_property
    def sampler_seed(self) -> int:
        """The seed of its sampler: its own, yet the same for any budget and version of the code, so that a search can grow."""
        prior = {k: v for k, v in self.config["prior"].items() if k != "path"}
        text = json.dumps(plain([{**self.config, "prior": prior}, self._search]), sort_keys=True)
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")

    @property
    def _search(self) -> dict[str, Any]:
        options = {k: v for k, v in vars(self.options).items() if k != "budget"}
        return {**options, "space": self.described}

    @property
    def described(self) -> dict[str, Any]:
        """The space, JSON-ready."""
        return {name: plain(vars(where)) for name, where in self.space.items()}

    def tuned(self, cell: Cell, parameters: Mapping[str, Any], seed: int | None = None) -> Cell:
        """Return a cell with other parameters, and another seed if one is given; its overrides name it without a search."""
        values = {**{f"algorithm.{name}": value for name, value in parameters.items()}, "search": "none"}
        if seed is not None:
            values["seed"] = seed
        kept = [o for o in cell.overrides if (key := key_in(o)) not in values and not key.startswith("search.")]
        overrides = (*kept, *(f"{k}={v if isinstance(v, str) else json.dumps(v)}" for k, v in values.items()))
        algorithm = {**cell.config["algorithm"], **parameters}
        config = {**cell.config, "algorithm": algorithm, "seed": cell.config["seed"] if seed is None else seed}
        return replace(cell, overrides=overrides, config=config)


def settings_of(cells: Sequence[Cell]) -> list[Setting]:
    """Group the cells of a sweep into settings, in the order in which they first come.

    Raises
    ------
    InputError : a seed that is both tuned on and scored, or a source whose seeds share one truth.
    """
    options = options_of(cells[0].config)
    _refuse_shared_seeds(cells, options)
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        content = {k: v for k, v in content_of(cell.config).items() if k != "seed"}
        groups.setdefault(json.dumps(plain([content, sorted(_given(cell))]), sort_keys=True), []).append(cell)
    return [Setting(tuple(group), _space(group[0]), options) for group in groups.values()]


def options_of(config: Mapping[str, Any]) -> Optuna:
    """The options of the search that a canonical configuration asks for."""
    return build(Optuna, {k: v for k, v in config["search"].items() if k != "name"}, "search")


def key_in(override: str) -> str:
    """The key of an override.

    >>> key_in("++algorithm.alpha=0.1")
    'algorithm.alpha'
    """
    return override.partition("=")[0].lstrip("+~")


def _space(cell: Cell) -> dict[str, Span | Options]:
    """The searchable parameters of a cell's algorithm that nobody gave a value."""
    given = _given(cell)
    return {
        name: where for name, where in searchable(algorithms.get(cell.config["algorithm"]["name"])).items() if name not in given
    }


def _given(cell: Cell) -> set[str]:
    """Parameters that an override names, or that a configuration file sets to something else than the default."""
    algorithm = cell.config["algorithm"]
    defaults = {p["name"]: p["default"] for p in describe(algorithms.get(algorithm["name"]))}
    named = {key.removeprefix("algorithm.") for o in cell.overrides if (key := key_in(o)).startswith("algorithm.")}
    return named | {name for name, value in algorithm.items() if name in defaults and value != defaults[name]}


def _refuse_shared_seeds(cells: Sequence[Cell], options: Optuna) -> None:
    shared = sorted({cell.config["seed"] for cell in cells} & set(options.seeds))
    if shared:
        raise InputError(f"search.seeds must not be scored too, got {shared} in both; valid: seeds other than those of seed=")
    for name in dict.fromkeys(cell.config["source"]["name"] for cell in cells):
        if sources.get(name).real:
            raise InputError(
                f"search needs a source whose seeds are systems of their own, got {name}, whose seeds share one truth"
            )
