"""The folder of a data set: whole or not at all, never over something else, and refused when it was changed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import causaldisc as cd
from causaldisc.core.errors import InputError
from causaldisc.core.files import read_json, write_json
from causaldisc.sources import _folder
from causaldisc.sources._folder import check_folder, read_folder, read_manifest, write_folder


@pytest.fixture
def data() -> cd.Dataset:
    return cd.simulate("mesh", seed=3, n_services=3, duration_s=600, trials=2)


def write(data: cd.Dataset, place: Path) -> Path:
    return write_folder(data, place, source="mesh", seed=3, parameters={"n_services": 3, "duration_s": 600, "trials": 2})


def test_files_are_those_of_the_interface(data: cd.Dataset, tmp_path: Path) -> None:
    place = write(data, tmp_path / "new" / "data")
    found = {p.relative_to(place).as_posix() for p in place.rglob("*") if p.is_file()}
    assert found == {
        "telemetry.parquet", "truth.json", "call_graph.json", "prior.yaml", "trials.json", "manifest.json",
        "trials/trial_000.parquet", "trials/trial_001.parquet", "truths/structural.json",
    }  # fmt: skip
    trials = json.loads((place / "trials.json").read_text())
    assert all(set(t) == {"target", "kind", "variable", "magnitude", "start", "stop", "file"} for t in trials)
    graph = json.loads((place / "call_graph.json").read_text())
    assert {(e["source"], e["target"]) for e in graph["edges"]} == set(data.prior.calls)
    manifest = read_manifest(place)
    assert manifest["source"] == "mesh" and manifest["seed"] == 3 and manifest["parameters"]["n_services"] == 3
    assert set(manifest["sha256"]) == found - {"manifest.json"} and manifest["versions"]["numpy"] == np.__version__
    assert [p.name for p in place.parent.iterdir()] == ["data"]


def test_interventions_are_recorded(tmp_path: Path) -> None:
    plan = cd.Intervention("frontend", "traffic_surge", 0.5, 60, 120)
    data = cd.simulate("mesh", n_services=3, duration_s=600, trials=0, interventions=plan)
    place = write_folder(data, tmp_path / "d", source="mesh", seed=0, interventions=[plan])
    assert [cd.Intervention.from_dict(i) for i in read_manifest(place)["interventions"]] == [plan]
    assert read_folder(place).telemetry.windows == data.telemetry.windows != ()


def test_an_earlier_data_set_is_replaced(data: cd.Dataset, tmp_path: Path) -> None:
    place = write(data, tmp_path / "data")
    write_folder(cd.simulate("sem", n_samples=50, trials=0), place, source="sem", seed=0)
    assert read_folder(place).name == "sem" and not (place / "call_graph.json").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["data"]


def test_anything_else_is_left_alone(data: cd.Dataset, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine.txt").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    for name in ("file", "folder", "link"):
        with pytest.raises(InputError, match="must be"):
            write(data, tmp_path / name)
    place = write(data, tmp_path / "data")
    (place / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="other files"):
        check_folder(place)
    assert (place / "notes.txt").read_text() == "mine"


def test_the_working_directory_is_refused(data: cd.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="working directory"):
        write(data, Path())


def test_a_failed_write_leaves_nothing_and_keeps_the_earlier_one(
    data: cd.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = write(data, tmp_path / "data")
    before = read_manifest(place)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_folder, "_write_trials", fail)
    for name in ("data", "other"):
        with pytest.raises(InputError, match="No space left"):
            write(data, tmp_path / name)
    assert [p.name for p in tmp_path.iterdir()] == ["data"] and read_manifest(place) == before
    read_folder(place)


def test_a_failed_swap_puts_the_earlier_one_back(data: cd.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = write(data, tmp_path / "data")
    real = Path.replace

    def fail(self: Path, target: Path) -> Path:
        if self.name.endswith(".part") and Path(target) == place:
            raise OSError(16, "Device or resource busy")
        return real(self, target)

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(InputError, match="busy"):
        write(data, place)
    monkeypatch.undo()
    assert [p.name for p in tmp_path.iterdir()] == ["data"]
    read_folder(place)


def test_changed_or_missing_files_are_named(data: cd.Dataset, tmp_path: Path) -> None:
    place = write(data, tmp_path / "data")
    cd.ExpertPrior(roots=["frontend:requests"]).save(place / "prior.yaml")
    assert read_folder(place).prior.roots == ("frontend:requests",)  # a prior may be edited
    (place / "truth.json").write_text((place / "truth.json").read_text() + " ")
    with pytest.raises(InputError, match=r"truth\.json.*other contents"):
        read_folder(place)
    (place / "truth.json").unlink()
    with pytest.raises(InputError, match=r"truth\.json: no such file"):
        read_folder(place)


def test_what_is_no_data_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="simulate"):
        read_manifest(tmp_path)
    for content in ([], {"format": "other"}, {"format": _folder.FORMAT, "source": "mesh", "seed": "x"}):
        write_json(tmp_path / "manifest.json", content)
        with pytest.raises(InputError, match=r"manifest\.json"):
            read_folder(tmp_path)


def test_a_trial_cannot_point_outside_the_folder(data: cd.Dataset, tmp_path: Path) -> None:
    place = write(data, tmp_path / "data")
    trials = read_json(place / "trials.json")
    trials[0]["file"] = "../secret.parquet"
    write_json(place / "trials.json", trials)
    manifest = read_json(place / "manifest.json")
    manifest["sha256"]["trials.json"] = _folder._sha256(place / "trials.json")
    write_json(place / "manifest.json", manifest)
    with pytest.raises(InputError, match="must lie in the folder"):
        read_folder(place)
