"""From overrides to cells: Hydra's Compose API and override grammar; nothing is ever instantiated from a configuration."""

from __future__ import annotations

import copy
import functools
import itertools
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from causaldisc.core.errors import InputError
from causaldisc.runner.compose_errors import check, explained
from causaldisc.runner.config import REGISTRIES, resolve
from causaldisc.runner.store import key_of

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override
    from omegaconf import DictConfig

logger = logging.getLogger(__name__)

MODULE = "causaldisc.configs"
ROOT = "config"
# One of these serves a whole sweep, so it cannot differ between the cells of one.
_SHARED = ("launcher", "tracker", "search", "cache", "shard")


@dataclass(frozen=True)
class Cell:
    """One run: its canonical configuration, and the overrides that name it on the command line."""

    overrides: tuple[str, ...]
    config: Mapping[str, Any]

    @cached_property
    def key(self) -> str:
        """Its content address."""
        return key_of(self.config)


def cells(overrides: Sequence[str], *, multirun: bool = False, config_dir: str | Path | None = None) -> list[Cell]:
    """Compose and check the cells of a run: one, or with ``multirun`` the product of all sweeps.

    Parameters
    ----------
    overrides : in Hydra's grammar: ``algorithm=pc``, ``algorithm.alpha=0.01``, and with ``multirun`` ``seed=0,1,2``,
        ``seed=range(0,20)``, ``algorithm=glob(pc*)``. An experiment may set sweeps in ``hydra.sweeper.params``.
    config_dir : a folder of the user's own groups, searched before the shipped ones.

    Returns
    -------
    list[Cell] : in the order of the product, each cell once.

    Raises
    ------
    InputError : one line that names the override and what would be valid.

    >>> [c.config["seed"] for c in cells(["algorithm=empty", "source=sem", "seed=range(0,3)"], multirun=True)]
    [0, 1, 2]
    """
    with _hydra(config_dir) as composer:
        given = [composer.parse(text) for text in overrides]
        for override in given:
            check(override, composer.options(override.key_or_group), multirun)
        declared = composer.declared_sweeps(given, multirun)
        found = [composer.cell(choice) for choice in itertools.product(*_axes([*declared, *given]))]
    _refuse_mixed(found)
    unique: dict[str, Cell] = {}
    for cell in found:
        unique.setdefault(cell.key, cell)
    if len(unique) < len(found):
        logger.warning("%d cells of the sweep are the same as others and run once", len(found) - len(unique))
    return list(unique.values())


class _Composer:
    """Composes configurations while Hydra is initialised; each choice of groups is composed once, since that is slow."""

    def __init__(self, loader: Any) -> None:
        from hydra.core.override_parser.overrides_parser import OverridesParser

        self._loader = loader
        self._groups = frozenset(loader.list_groups(""))
        self._parser = OverridesParser.create(config_loader=loader)
        self._composed: dict[tuple[str, ...], DictConfig] = {}
        self._sweeps: dict[tuple[str, ...], Mapping[str, str]] = {}
        self._parsed: dict[str, Override] = {}

    def options(self, group: str) -> list[str] | None:
        """The names to choose from in a group, or None when it is not a group."""
        from hydra.core.object_type import ObjectType

        if group not in self._groups:
            return None
        return self._loader.get_group_options(group, results_filter=ObjectType.CONFIG)

    def parse(self, text: str) -> Override:
        """Parse one override."""
        if text not in self._parsed:
            with explained(text):
                (self._parsed[text],) = self._parser.parse_overrides([text])
        return self._parsed[text]

    def cell(self, overrides: Sequence[str]) -> Cell:
        """Compose one cell from overrides without sweeps."""
        from omegaconf import OmegaConf

        parsed = [self.parse(text) for text in overrides]
        values = [o for o in parsed if self._is_value(o)]
        config = copy.deepcopy(self._compose([o for o in parsed if not self._is_value(o)]))
        for override in values:
            with explained(override.input_line or ""):
                # What may be set in a group is for the plug-in to say, so that the error can name its parameters.
                OmegaConf.update(config, override.key_or_group, override.value(), merge=True, force_add=True)
        with explained(" ".join(overrides)):
            raw: Any = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
        return Cell(tuple(overrides), resolve(raw))

    def declared_sweeps(self, given: Sequence[Override], multirun: bool) -> list[Override]:
        """The sweeps that an experiment declares; a sweep over experiments that set a sweeper or launcher is refused."""
        experiment = next((o for o in given if o.key_or_group == "experiment"), None)
        if experiment is not None and experiment.is_sweep_override():
            self._refuse_unheard(experiment, launcher_given=any(o.key_or_group == "launcher" for o in given))
            return []
        params = self._sweeper_params([o for o in given if not self._is_value(o) and not o.is_sweep_override()])
        if params and not multirun:
            logger.warning("the sweep that the experiment declares is not run; -m runs it")
            return []
        spoken_for = {o.key_or_group for o in given}
        found = [self.parse(f"{key}={value}") for key, value in params.items()]
        for override in found:
            if override.key_or_group not in spoken_for:
                check(override, self.options(override.key_or_group), multirun=True)
        return found

    def _refuse_unheard(self, experiment: Override, launcher_given: bool) -> None:
        default = self._compose([])["launcher"]
        for name in experiment.sweep_string_iterator():
            chosen = [self.parse(f"experiment={name}")]
            sets = ["a sweep (hydra.sweeper.params)"] if self._sweeper_params(chosen) else []
            sets += ["a launcher"] if not launcher_given and self._compose(chosen)["launcher"] != default else []
            if sets:
                raise InputError(
                    f"a sweep over experiments cannot hold one that sets {sets[0]}, got experiment={name}; valid: run it alone"
                    + (", or give launcher=NAME beside it" if "launcher" in sets[0] else "")
                )

    def _sweeper_params(self, structure: Sequence[Override]) -> Mapping[str, str]:
        self._compose(structure)
        return self._sweeps[_texts(structure)]

    def _compose(self, structure: Sequence[Override]) -> DictConfig:
        from hydra import compose
        from omegaconf import open_dict

        texts = _texts(structure)
        if texts not in self._composed:
            with explained(" ".join(texts)):
                config = compose(ROOT, list(texts), return_hydra_config=True)
            self._sweeps[texts] = config["hydra"]["sweeper"]["params"] or {}
            with open_dict(config):
                del config["hydra"]
            self._composed[texts] = config
        return self._composed[texts]

    def _is_value(self, override: Override) -> bool:
        """Whether it sets a value, and so need not be known when groups are composed."""
        key = override.key_or_group
        return not override.is_delete() and key not in self._groups and not key.startswith("hydra.")


def _axes(overrides: Sequence[Override]) -> list[list[str]]:
    """For each key its overrides without sweeps, a list of one when there is nothing to sweep; the last word counts."""
    axes: dict[str, list[str]] = {}
    for override in overrides:
        key, texts = override.get_key_element(), [override.input_line or ""]
        if override.is_sweep_override():
            texts = [f"{key}={value}" for value in override.sweep_string_iterator()]
        if not texts:
            raise InputError(f"{override.input_line!r} must hold at least one value, got none")
        axes[key.lstrip("+")] = texts
    return list(axes.values())


def _texts(overrides: Sequence[Override]) -> tuple[str, ...]:
    return tuple(o.input_line or "" for o in overrides)


def _refuse_mixed(found: Sequence[Cell]) -> None:
    for field in _SHARED:
        values = [cell.config[field] for cell in found]
        odd = next((v for v in values if v != values[0]), None)
        if odd is not None:
            raise InputError(f"{field} must be the same in all cells of a sweep, got {_short(values[0])} and {_short(odd)}")


def _short(value: Any) -> str:
    return ", ".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, Mapping) else str(value)


@contextmanager
def _hydra(config_dir: str | Path | None) -> Iterator[_Composer]:
    """Initialise Hydra on our groups, and leave its global state as it was."""
    from hydra import initialize_config_module
    from hydra.core.global_hydra import GlobalHydra

    user = _user_configs()
    user.folder = None if config_dir is None else _folder(config_dir)
    outer = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with initialize_config_module(MODULE, version_base="1.3"):
            loader = GlobalHydra.instance().config_loader()
            with _plugins_offered(loader):
                yield _Composer(loader)
    finally:
        user.folder = None
        GlobalHydra.instance().hydra = outer


@functools.cache
def _user_configs() -> Any:
    """Hydra's hook for another folder on the search path: the user's own comes before the shipped groups."""
    from hydra.core.config_search_path import ConfigSearchPath
    from hydra.core.plugins import Plugins
    from hydra.plugins.search_path_plugin import SearchPathPlugin

    class UserConfigs(SearchPathPlugin):
        folder: str | None = None

        def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
            if self.folder is not None:
                search_path.prepend("--config-dir", f"file://{self.folder}")

    Plugins.instance().register(UserConfigs)
    return UserConfigs


def _folder(config_dir: str | Path) -> str:
    folder = Path(config_dir)
    if not folder.is_dir():
        raise InputError(f"--config-dir must be a folder, got {str(config_dir)!r}")
    return str(folder.absolute())


@contextmanager
def _plugins_offered(loader: Any) -> Iterator[None]:
    """Make every plug-in without a YAML file of its own a choice of its group, with its default parameters."""
    from hydra.core.config_store import ConfigStore
    from hydra.core.object_type import ObjectType

    store, offered = ConfigStore.instance(), []
    for group, registry in REGISTRIES.items():
        written = loader.get_group_options(group, results_filter=ObjectType.CONFIG)
        for name in set(registry.names()).difference(written):
            store.store(group=group, name=name, node={"name": name})
            offered.append((group, f"{name}.yaml"))
    try:
        yield
    finally:
        for group, file in offered:
            del store.repo[group][file]
