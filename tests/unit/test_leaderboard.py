import json
import math
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from causaldisc.core.errors import InputError
from causaldisc.core.files import write_json
from causaldisc.core.interval import Interval
from causaldisc.core.outcome import Outcome
from causaldisc.leaderboard.aggregate import aggregate
from causaldisc.leaderboard.build import build


def outcome(algorithm, seed, f1, status="ok", source="mesh", **config):
    return Outcome(
        key=f"{algorithm}-{source}-{seed}",
        status=status,
        config={"algorithm": {"name": algorithm, **config}, "source": {"name": source}, "prior": {"kind": "none"}, "seed": seed},
        metrics={"directed_f1": f1, "precision_lift": math.nan} if status == "ok" else {},
        seconds=1.0,
    )


def store(folder, outcomes):
    for each in outcomes:
        write_json(folder / each.key.replace("/", "_") / "outcome.json", each.to_dict())
    return folder


class Text(HTMLParser):
    """Collects the rows of every table, and the tags seen."""

    def __init__(self):
        super().__init__()
        self.rows, self.tags, self._cell = [], set(), False

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self._cell = True

    def handle_endtag(self, tag):
        self._cell = self._cell and tag not in ("td", "th")

    def handle_data(self, data):
        if self._cell:
            self.rows[-1][-1] += data


def test_the_interval_is_students():
    # mean 0.5, standard deviation 0.1, n = 3: half width = 4.302653 * 0.1 / sqrt(3)
    interval = Interval.of([0.4, 0.5, 0.6])
    assert interval.mean == pytest.approx(0.5)
    assert interval.half == pytest.approx(4.3026527 * 0.1 / math.sqrt(3), rel=1e-6)
    assert math.isnan(Interval.of([0.4]).half)
    assert Interval.of([0.4, math.nan]).n == 1
    assert math.isnan(Interval.of([math.nan]).mean)


def test_a_failure_is_counted_and_never_scored():
    board = aggregate([outcome("pc", 0, 0.8), outcome("pc", 1, 0.0, status="timeout"), outcome("empty", 0, 0.0)])
    cell = next(r for r in board.rows if r.label == "pc").cells["mesh"]
    assert cell.metrics["directed_f1"].mean == 0.8
    assert cell.failures == {"timeout": 1}
    assert [r.control for r in board.rows] == [True, False]


def test_settings_of_one_algorithm_compete_apart():
    board = aggregate([outcome("pc", 0, 0.5, alpha=0.01), outcome("pc", 0, 0.6, alpha=0.05), outcome("ges", 0, 0.5)])
    assert [r.label for r in board.rows] == ["ges", "pc (alpha=0.01)", "pc (alpha=0.05)"]


def test_a_preset_is_a_row_of_its_own():
    plain = [outcome("pc", seed, 0.4) for seed in range(2)]
    treated = [replace(o, key=f"t{o.key}", config={**o.config, "preset": "telemetry"}) for o in plain]
    assert [row.label for row in aggregate([*plain, *treated]).rows] == ["pc", "pc, preset telemetry"]


def test_the_page_ranks_and_escapes(tmp_path):
    evil = "<script>alert(1)</script>"
    records = [outcome("pc", s, 0.7 + s / 100) for s in range(3)] + [outcome("empty", s, 0.0) for s in range(3)]
    records += [outcome(evil, 0, 0.1), outcome("ges", 0, 0.0, status="crashed")]
    page = build(
        store(tmp_path / "outcomes", [Outcome.from_dict({**r.to_dict(), "key": f"k{k}"}) for k, r in enumerate(records)]),
        tmp_path / "site",
    )
    text = page.read_text()
    parsed = Text()
    parsed.feed(text)
    assert "script" not in parsed.tags
    section = text[text.index('id="directed_f1"') : text.index('id="precision_lift"')]
    rows = Text()
    rows.feed(section)
    first_column = [row[0] for row in rows.rows[1:]]
    assert first_column == ["pc", evil, "empty", "ges"]
    assert rows.rows[1][1].split()[:3] == ["0.71", "±", "0.025n"]
    assert "1 crashed" in rows.rows[4][1]
    assert "no result" in rows.rows[4][1]
    data = json.loads((tmp_path / "site" / "leaderboard.json").read_text())
    assert data["rows"][0]["cells"]["mesh"]["metrics"]["precision_lift"]["mean"] is None


def test_no_outcomes_is_bad_input(tmp_path):
    with pytest.raises(InputError, match="folder of outcomes"):
        build(tmp_path / "nothing", tmp_path / "site")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="at least one outcome"):
        build(tmp_path / "empty", tmp_path / "site")
    assert not (tmp_path / "site").exists()
    (tmp_path / "empty" / "k").mkdir()
    (tmp_path / "empty" / "k" / "outcome.json").write_text("[1]")
    with pytest.raises(InputError, match=r"outcome\.json: must be an outcome"):
        build(tmp_path / "empty", tmp_path / "site")
