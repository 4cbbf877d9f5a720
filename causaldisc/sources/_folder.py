"""The folder of a simulated data set: written whole or not at all, and read back as the same data set."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from causaldisc.core.dataset import Dataset, Trial
from causaldisc.core.errors import InputError
from causaldisc.core.files import read_json, write_bytes, write_json
from causaldisc.core.graph import CausalGraph
from causaldisc.core.graph_json import from_json, to_json
from causaldisc.core.intervention import Intervention
from causaldisc.core.prior import ExpertPrior
from causaldisc.core.telemetry_file import read_telemetry, write_parquet

FORMAT = "causaldisc-dataset"
MANIFEST = "manifest.json"
_VERSIONED = ("causaldisc", "numpy")
# Whoever wants another prior may edit this one; the rest is the record of the system.
_EDITABLE = ("prior.yaml",)


def check_folder(directory: str | Path) -> Path:
    """Return where a data set may be written: nothing is there, an empty folder, or an earlier data set and nothing else.

    Raises
    ------
    InputError : a file is there, or a folder with other things in it, or it is the working directory itself.
    """
    target = Path(directory)
    if target.resolve() == Path.cwd():
        raise InputError(f"{target}: must be a folder other than the working directory, since it is replaced as a whole")
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise InputError(f"{target}: must be a folder, got a file or a link")
    if target.is_dir() and any(target.iterdir()) and not _is_dataset(target):
        raise InputError(f"{target}: must be a new or empty folder, or one that `simulate` wrote, got one with other files in it")
    return target


def write_folder(
    dataset: Dataset,
    directory: str | Path,
    *,
    source: str,
    seed: int,
    parameters: Mapping[str, Any] | None = None,
    interventions: Iterable[Intervention] = (),
    pictures: Mapping[str, bytes] | None = None,
) -> Path:
    """Write a data set as a folder, whole or not at all; an earlier data set there is replaced.

    Files: ``telemetry.parquet``, ``truth.json`` (unless nobody knows it), ``service_truth.json`` (where only that is known),
    ``call_graph.json`` (node-link JSON, caller → callee), ``prior.yaml``, ``trials/*.parquet``, ``trials.json``, where there are
    any ``truths/NAME.json``, ``signals/FILE`` and ``pictures/FILE``, and ``manifest.json`` (source, seed, parameters,
    interventions, versions, and the SHA-256 of every file).

    Raises
    ------
    InputError : the folder holds something else, or cannot be written.

    >>> from causaldisc.sources._simulate import simulate
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     place = write_folder(simulate("sem", n_samples=50, trials=1), Path(folder) / "data", source="sem", seed=0)
    ...     again = read_folder(place)
    >>> again.telemetry.shape, again.trials[0].intervention.kind
    ((50, 10), 'set')
    """
    with _replacing(check_folder(directory)) as part:
        write_parquet(dataset.telemetry, part / "telemetry.parquet")
        if dataset.truth is not None:
            dataset.truth.save(part / "truth.json")
        if dataset.service_truth is not None:
            write_json(part / "service_truth.json", {role: to_json(graph) for role, graph in dataset.service_truth.items()})
        if dataset.call_graph is not None:
            import networkx as nx

            write_json(part / "call_graph.json", nx.node_link_data(dataset.call_graph, edges="edges"))
        dataset.prior.save(part / "prior.yaml")
        _write_trials(dataset.trials, part)
        for name, truth in dataset.truths.items():
            truth.save(part / "truths" / f"{_plain_name(name)}.json")
        for folder, files in (("signals", dataset.signals), ("pictures", pictures or {})):
            for name, contents in files.items():
                write_bytes(part / folder / _plain_name(name), contents)
        manifest = {
            "format": FORMAT,
            "version": 1,
            "source": source,
            "seed": seed,
            "parameters": dict(parameters or {}),
            "interventions": [i.to_dict() for i in interventions],
            "notes": dict(dataset.notes),
            "versions": {package: _version(package) for package in _VERSIONED},
            "sha256": {p.relative_to(part).as_posix(): _sha256(p) for p in sorted(part.rglob("*")) if p.is_file()},
        }
        write_json(part / MANIFEST, manifest)
    return Path(directory)


def read_manifest(directory: str | Path) -> dict[str, Any]:
    """Read what a folder says of itself: source, seed, parameters, interventions, versions, sha256 by file.

    Raises
    ------
    InputError : no such folder, or one that ``simulate`` did not write.
    """
    folder = Path(directory)
    if not (folder / MANIFEST).is_file():
        raise InputError(f"{folder}: must be a folder that `simulate` wrote, got no {MANIFEST} in it")
    data = read_json(folder / MANIFEST)
    wanted = {"source": str, "seed": int, "parameters": dict, "sha256": dict}
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise InputError(f"{folder / MANIFEST}: format must be {FORMAT!r}")
    for key, kind in wanted.items():
        if not isinstance(data.get(key), kind) or isinstance(data[key], bool):
            raise InputError(f"{folder / MANIFEST}: {key} must be a {kind.__name__}, got {data.get(key)!r}")
    return data


def read_folder(directory: str | Path) -> Dataset:
    """Read the data set that :func:`write_folder` wrote.

    Raises
    ------
    InputError : not such a folder, a file missing, or one changed since (``prior.yaml`` may be edited).
    """
    folder, manifest = Path(directory), read_manifest(directory)
    _verify(folder, manifest["sha256"])
    known = manifest["sha256"]
    truths = {file.stem: CausalGraph.load(folder / file) for file in map(Path, known) if file.parts[0] == "truths"}
    return Dataset(
        manifest["source"],
        read_telemetry(folder / "telemetry.parquet"),
        CausalGraph.load(folder / "truth.json") if "truth.json" in known else None,
        _read_call_graph(folder / "call_graph.json") if "call_graph.json" in known else None,
        ExpertPrior.load(folder / "prior.yaml"),
        _read_trials(folder),
        _read_service_truth(folder / "service_truth.json") if "service_truth.json" in known else None,
        manifest.get("notes") or {},
        truths,
        _Files(folder / "signals", [Path(file).name for file in known if Path(file).parts[0] == "signals"]),
    )


class _Files(Mapping[str, bytes]):
    """Files of a folder by name, read when asked for: signals may be large, and few readers of a data set want them."""

    def __init__(self, folder: Path, names: Iterable[str]) -> None:
        self._paths = {name: folder / name for name in names}

    def __getitem__(self, name: str) -> bytes:
        return self._paths[name].read_bytes()

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


@contextmanager
def _replacing(target: Path) -> Any:
    """Give an empty folder beside the target; it takes the target's place when all went well, else it vanishes."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name[:40]}.", suffix=".part"))
    except OSError as error:
        raise InputError(f"{target}: must be a writable folder, got {error.strerror or error}") from error
    try:
        yield part
        umask = os.umask(0)
        os.umask(umask)
        part.chmod(0o777 & ~umask)
        if target.exists():
            old = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name[:40]}.", suffix=".old"))
            target.replace(old / "was")
            try:
                part.replace(target)
            except OSError:
                (old / "was").replace(target)
                raise
            finally:
                shutil.rmtree(old, ignore_errors=True)
        else:
            part.replace(target)
    except OSError as error:
        raise InputError(f"{target}: must be a writable folder, got {error.strerror or error}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write_trials(trials: Iterable[Trial], part: Path) -> None:
    (part / "trials").mkdir()
    listed = []
    for k, trial in enumerate(trials):
        file = f"trials/trial_{k:03d}.parquet"
        write_parquet(trial.telemetry, part / file)
        listed.append({**trial.intervention.to_dict(), "file": file})
    write_json(part / "trials.json", listed)


def _read_trials(folder: Path) -> tuple[Trial, ...]:
    listed = read_json(folder / "trials.json")
    if not isinstance(listed, list):
        raise InputError(f"{folder / 'trials.json'}: must be a list of trials, got {type(listed).__name__}")
    found = []
    for k, item in enumerate(listed):
        where = f"{folder / 'trials.json'}: [{k}]"
        if not isinstance(item, dict) or not isinstance(item.get("file"), str):
            raise InputError(f"{where}.file must name a file in the folder, got {item!r}")
        path = (folder / item["file"]).resolve()
        if not path.is_relative_to(folder.resolve()):
            raise InputError(f"{where}.file must lie in the folder, got {item['file']!r}")
        found.append(Trial(Intervention.from_dict(item), read_telemetry(path)))
    return tuple(found)


def _read_call_graph(path: Path) -> Any:
    import networkx as nx

    try:
        graph = nx.node_link_graph(read_json(path), edges="edges")
    except (nx.NetworkXError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: must be a node-link graph, got {error}") from error
    return nx.DiGraph(graph)


def _read_service_truth(path: Path) -> dict[str, CausalGraph]:
    data = read_json(path)
    if not isinstance(data, dict):
        raise InputError(f"{path}: must map roles to graphs, got {type(data).__name__}")
    return {str(role): from_json(graph, f"{path}: {role}") for role, graph in data.items()}


def _verify(folder: Path, digests: Mapping[str, str]) -> None:
    for file, digest in digests.items():
        path = folder / file
        if not path.is_file():
            raise InputError(f"{path}: no such file, though {MANIFEST} lists it")
        if file not in _EDITABLE and _sha256(path) != digest:
            raise InputError(f"{path}: must be as `simulate` wrote it, got other contents than {MANIFEST} lists")


def _is_dataset(folder: Path) -> bool:
    """Whether a folder holds what a manifest lists and nothing more, so that it may be replaced."""
    try:
        listed = {MANIFEST, *read_manifest(folder)["sha256"]}
    except InputError:
        return False
    return all(p.relative_to(folder).as_posix() in listed for p in folder.rglob("*") if not p.is_dir())


def _plain_name(name: str) -> str:
    """The name of a file in a folder, which leads nowhere else."""
    if not name or name.startswith(".") or Path(name).name != name:
        raise InputError(f"file of a data set must have a plain name, got {name!r}")
    return name


def _sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"
