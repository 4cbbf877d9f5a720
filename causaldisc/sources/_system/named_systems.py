"""Well-known demonstration systems, written down from their public call graphs; each file says what is read and what assumed."""

from __future__ import annotations

from importlib.resources import files

from causaldisc.core.errors import InputError, did_you_mean
from causaldisc.sources._system.topology import Topology
from causaldisc.sources._system.topology_yaml import load_topology

NAMED = ("online_boutique", "sock_shop", "train_ticket")


def named(name: str) -> Topology:
    """Return the topology of a well-known system; raises InputError with the names that there are.

    >>> [len(named(name).services) for name in NAMED]
    [11, 13, 41]
    """
    if name not in NAMED:
        raise InputError(f"unknown system {name!r}; {did_you_mean(str(name), NAMED)}")
    return load_topology(files("causaldisc.sources._system").joinpath("named", f"{name}.yaml").read_text(encoding="utf-8"))
