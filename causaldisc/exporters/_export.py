"""Export: a graph, at the level of metrics or services, written for another program."""

from __future__ import annotations

from pathlib import Path

from causaldisc.core.errors import InputError, did_you_mean
from causaldisc.core.graph import CausalGraph
from causaldisc.core.plugins import exporters

LEVELS = ("metric", "service")


def export(graph: CausalGraph, to: str, path: str | Path, level: str = "metric") -> list[Path]:
    """Write a graph in the format of another program.

    Names stay as they are where the format takes any text; elsewhere they are escaped, with ``FILE.names.json`` beside the file
    mapping back. How lags, undirected edges and cycles were collapsed is said in ``FILE.meta.json``.

    Parameters
    ----------
    graph : the graph.
    to : name of the format (see ``causaldisc list exporters``).
    path : the file to write; its folder is made.
    level : ``metric``, or ``service`` for the merged graph of services, lags collapsed.

    Returns
    -------
    list of paths written, the file itself first.

    Raises
    ------
    InputError : an unknown format or level, a name that the format cannot hold, or a file that cannot be written; nothing is left
        behind then.

    >>> import tempfile
    >>> from causaldisc.core.graph import Edge
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     graph = CausalGraph(["cart:cpu", "web:latency"], [Edge("cart:cpu", "web:latency")])
    ...     paths = export(graph, "pyrca-csv", f"{folder}/g.csv")
    ...     print(paths[0].read_text(), [p.name for p in paths[1:]])
    cart:cpu,web:latency
    0,1
    0,0
     ['g.csv.meta.json', 'g.csv.names.json']
    """
    if not isinstance(graph, CausalGraph):
        raise InputError(f"graph must be a CausalGraph, got {type(graph).__name__}; valid: CausalGraph.load(path)")
    if level not in LEVELS:
        raise InputError(f"level must be a known level, got {level!r}; {did_you_mean(str(level), LEVELS)}")
    exporter = exporters.build(to)
    target = Path(path)
    if target.is_dir() or not target.name:
        raise InputError(f"{target}: must be a file to write to, got a directory")
    for name in graph.names:
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise InputError(f"node name {name!r} must be text that UTF-8 can hold, got a lone surrogate") from error
    if level == "service":
        merged = graph.services()["merged"]
        graph = merged.replace(provenance={**merged.provenance, "level": "service"})
    return exporter.export(graph, target)
