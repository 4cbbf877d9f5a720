"""Hydra's errors as one line each, that names the override and what would be valid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from causaldisc.core.errors import InputError, did_you_mean
from causaldisc.runner.config import FIELDS
from causaldisc.runner.launchers import launchers

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

# What of Hydra's own configuration means something here; all else would be silently ignored, so it is refused.
_HEARD = ("hydra.sweeper.params", "hydra.searchpath")


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn what Hydra, OmegaConf or YAML raise into an InputError about ``what``."""
    from hydra.errors import HydraException, OverrideParseException
    from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException
    from yaml import YAMLError

    try:
        yield
    except OverrideParseException as error:
        raise InputError(f"override must be key=value in Hydra's grammar, got {what!r}: {_line(error)}") from error
    except MissingMandatoryValue as error:
        raise InputError(f"{error.full_key} must be given, such as {error.full_key}=VALUE") from error
    except YAMLError as error:
        raise InputError(f"configuration must be YAML, got {' '.join(str(error).split())[:300]}") from error
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        # Hydra hides what OmegaConf said behind an empty exception.
        told = error if str(error) or error.__cause__ is None else error.__cause__
        raise InputError(f"overrides must compose, got {what!r}: {_line(told)}") from error


def check(override: Override, options: Sequence[str] | None, multirun: bool) -> None:
    """Refuse an override that cannot be right, before anything is composed.

    Parameters
    ----------
    override : as parsed.
    options : the names of its group, or None when its key is not a group.
    multirun : whether sweeps are allowed.

    Raises
    ------
    InputError : a sweep without ``-m``, an unknown key, option or setting of Hydra, or a sweep without a finite list.
    """
    text, key = override.input_line or "", override.key_or_group
    if override.is_sweep_override():
        if not multirun:
            raise InputError(f"{text!r} is a sweep and needs -m; valid: -m, or {key}=[…] for a list")
        if not override.is_discrete_sweep():
            raise InputError(f"{text!r} must be a finite sweep; valid: a,b,c, choice(a,b), range(start,stop,step), glob(pattern)")
    if key.startswith(("hydra.", "hydra/")):
        _check_hydra(override)
    elif options is not None:
        _check_options(override, options)
    elif override.package is not None or key.split(".")[0] not in FIELDS:
        raise InputError(f"unknown field {key!r}; {did_you_mean(key.split('.')[0], (*FIELDS, 'experiment'))}")


def _check_hydra(override: Override) -> None:
    key = override.key_or_group
    if key in ("hydra/launcher", "hydra/sweeper"):
        valid = ", ".join(f"launcher={name}" for name in launchers.names())
        raise InputError(f"{key} must not be set: sweeps are run by the group launcher; valid: {valid}")
    if not key.startswith(_HEARD):
        raise InputError(f"{key} has no meaning here; valid: {', '.join(_HEARD)}")


def _check_options(override: Override, options: Sequence[str]) -> None:
    if override.is_delete():
        return
    group = override.key_or_group
    names = list(override.sweep_iterator()) if override.is_sweep_override() else [override.value()]
    if not names:
        raise InputError(f"{override.input_line!r} must match a known choice, got none; valid: {', '.join(options)}")
    for name in names:
        if name is None and group == "experiment":
            continue
        if str(name) not in options:
            raise InputError(f"{group} must be a known choice, got {name!r}; {did_you_mean(str(name), options)}")


def _line(error: BaseException) -> str:
    """The sentence of a message of several lines; advice on Hydra's command line does not apply here."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    kept = [
        line
        for line in lines
        if not line.startswith(("See https:", "Config search path", "provider=", "full_key", "object_type"))
    ]
    return " ".join(kept)[:300] or type(error).__name__
