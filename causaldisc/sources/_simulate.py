"""simulate: a data set of a source by name, as users call it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from causaldisc.core.dataset import Dataset
from causaldisc.core.errors import InputError
from causaldisc.core.intervention import Intervention
from causaldisc.core.plugins import Source, System, sources
from causaldisc.sources._streams import check_seed


def simulate(
    source: str | Source,
    seed: int = 0,
    interventions: Intervention | Iterable[Intervention | Mapping[str, Any]] = (),
    **parameters: Any,
) -> Dataset:
    """Give the data set of a source: telemetry, truth, call graph, prior and held-out trials.

    Parameters
    ----------
    source : its name (see ``causaldisc list sources``), or a Source object.
    seed : seed of the system and of its noise, >= 0.
    interventions : what to do to the system during the recorded run; they become labelled windows of the telemetry.
    **parameters : the source's own, checked by name, type and range.

    Raises
    ------
    InputError : an unknown source or parameter, a bad value, an intervention that the system does not know.

    >>> data = simulate("mesh", seed=0, n_services=4, duration_s=900, trials=0)
    >>> data.telemetry.shape, data.truth.names == data.telemetry.names
    ((60, 16), True)
    """
    return build_system(source, seed, parameters).dataset(as_interventions(interventions))


def build_system(source: str | Source, seed: int = 0, parameters: Mapping[str, Any] | None = None) -> System:
    """Return the system of a source, to run and intervene on; raises InputError as :func:`simulate` does."""
    checked = check_seed(seed)
    if isinstance(source, str):
        return sources.build(source, parameters).system(checked)
    if parameters:
        raise InputError("parameters must be given to the source object itself, got them beside one")
    return source.system(checked)


def as_interventions(interventions: Any) -> list[Intervention]:
    """Accept one Intervention, or several, each an object or a mapping with its fields."""
    if isinstance(interventions, Intervention | Mapping):
        interventions = [interventions]
    if isinstance(interventions, str) or not isinstance(interventions, Iterable):
        raise InputError(f"interventions must be a list of Intervention objects, got {interventions!r}")
    return [_intervention(i) for i in interventions]


def _intervention(item: Any) -> Intervention:
    if isinstance(item, Intervention):
        return item
    if isinstance(item, Mapping):
        return Intervention.from_dict(item)
    raise InputError(f"interventions must be Intervention objects or mappings, got {item!r}")
