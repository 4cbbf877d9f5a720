"""Habits: every kind of series is recognised and treated, on series made to be of that kind."""

from __future__ import annotations

import numpy as np
import pytest

from causaldisc.core.errors import InputError
from causaldisc.core.intervention import Intervention
from causaldisc.core.telemetry import Telemetry
from causaldisc.habits import Habit, recognise, treat

ROWS = 400


def one(x: np.ndarray, name: str = "a:x", environments: np.ndarray | None = None) -> tuple[Habit, Telemetry]:
    telemetry = Telemetry(np.asarray(x, float)[:, None], [name], environments=environments)
    return recognise(telemetry)[0], telemetry


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def test_a_counter_is_recognised_with_resets_and_gaps() -> None:
    total = np.cumsum(rng().poisson(5.0, ROWS)).astype(float)
    total[250:] -= total[249]
    total[[10, 11, 90]] = np.nan
    habit, telemetry = one(total)
    assert habit.kind == "counter"
    after = treat(telemetry, [habit]).telemetry
    assert after.shape == (ROWS - 1, 1)
    assert np.isnan(after.values[249, 0])  # what was counted before the reset is unknown
    assert np.isnan(after.values[[9, 10], 0]).all() and np.isfinite(after.values[11, 0])  # the mean rate over the gap


def test_the_rate_of_a_counter_ranks_as_its_increments() -> None:
    steps = rng().gamma(2.0, size=ROWS)
    habit, telemetry = one(np.cumsum(steps))
    rates = treat(telemetry, [habit]).telemetry.values[:, 0]
    assert (np.argsort(rates) == np.argsort(steps[1:])).all()


def test_memory_that_leaks_and_restarts_is_a_gauge() -> None:
    leak = np.tile(np.linspace(0.1, 0.9, 100), 4)
    assert one(leak, "a:requests_total")[0].kind == "counter"
    assert one(leak, "a:memory")[0].kind == "gauge"


def test_a_random_walk_is_no_counter_but_wanders() -> None:
    habit, telemetry = one(1000.0 + np.cumsum(rng().normal(size=ROWS)))
    assert habit.kind == "gauge" and habit.wandering and habit.effective_rows < 20
    after = treat(telemetry, [habit]).telemetry.values[:, 0]
    assert abs(np.corrcoef(after[1:], after[:-1])[0, 1]) < 0.2


@pytest.mark.parametrize("every", [2, 4, 10])
def test_a_slow_exporter_has_its_true_cadence(every: int) -> None:
    fresh = rng().normal(size=ROWS // every)
    habit, telemetry = one(np.repeat(fresh, every))
    assert habit.cadence == every
    alone = treat(telemetry, [habit], grid=False).telemetry
    assert np.isfinite(alone.values).sum() == len(fresh) and alone.shape[0] == ROWS


def test_a_cadence_that_is_no_whole_number_is_told_near_enough() -> None:
    fresh = rng().normal(size=ROWS)
    habit, _ = one(fresh[(np.arange(ROWS) * 15 // 40)])  # 40 s exporter, 15 s scrape
    assert habit.cadence == pytest.approx(40 / 15, rel=0.1)


def test_a_slow_counter_gives_one_rate_an_update() -> None:
    steps = rng().poisson(20.0, ROWS // 4) + 1.0
    habit, telemetry = one(np.repeat(np.cumsum(steps), 4))
    assert habit.kind == "counter" and habit.cadence == 4
    joined = treat(telemetry, [habit])
    assert joined.grid == 4 and joined.telemetry.shape[0] == ROWS // 4 - 1
    assert np.corrcoef(joined.telemetry.values[:, 0], steps[1:])[0, 1] > 0.9
    assert joined.telemetry.step_seconds == 4.0


def test_one_slow_column_among_many_brings_nobody_to_its_grid() -> None:
    x = rng().normal(size=(ROWS, 6))
    x[:, 0] = np.repeat(x[::4, 0], 4)
    telemetry = Telemetry(x, [f"a:m{k}" for k in range(6)])
    after = treat(telemetry, recognise(telemetry))
    assert after.grid == 1 and np.isnan(after.telemetry.values[:, 0]).mean() == 0.75


def test_a_sleeping_series_becomes_a_flag_and_a_stepping_one_its_changes() -> None:
    awake = np.where(rng().random(ROWS) < 0.04, rng().gamma(2.0, size=ROWS), 0.25)
    habit, telemetry = one(awake)
    assert habit.kind == "sleeping" and habit.rest == 0.25
    assert set(treat(telemetry, [habit]).telemetry.values[:, 0]) == {0.0, 1.0}
    replicas = 2.5 + np.cumsum(rng().choice([-1.0, 0.0, 1.0], ROWS, p=[0.05, 0.9, 0.05])) / 8
    habit, telemetry = one(replicas)
    assert habit.kind == "sleeping" and habit.rest is None
    assert set(treat(telemetry, [habit]).telemetry.values[:, 0]) == {-1.0, 0.0, 1.0}


def test_flags_counts_and_constants() -> None:
    assert one(rng().random(ROWS) < 0.3)[0].kind == "flag"
    assert one(rng().poisson(2.0, ROWS))[0].kind == "count"
    assert (
        one(3 * rng().poisson(0.05, ROWS) ** 2 + rng().poisson(0.02, ROWS))[0].kind == "count"
    )  # rare events are counts, however much they sleep
    assert one(np.ones(ROWS))[0].kind == "constant"
    flag, telemetry = one(rng().random(ROWS) < 0.3)
    assert (treat(telemetry, [flag]).telemetry.values == telemetry.values).all()


def test_an_alternation_is_recognised_and_taken_out() -> None:
    quiet = rng().normal(size=ROWS)
    habit, telemetry = one(quiet + np.tile([0.0, 3.0], ROWS // 2))
    assert habit.alternating and not one(quiet)[0].alternating
    after = treat(telemetry, [habit]).telemetry.values[:, 0]
    assert abs(after[::2].mean() - after[1::2].mean()) < 0.2


def test_heavy_tails_are_told_and_end_in_ranks() -> None:
    x = rng().standard_cauchy(ROWS) ** 3
    habit, telemetry = one(x)
    assert habit.kurtosis > 100
    after = treat(telemetry, [habit]).telemetry.values[:, 0]
    assert np.abs(after).max() < 3.5 and (np.argsort(after) == np.argsort(x)).all()


def test_environments_are_not_joined_to_each_other() -> None:
    total = np.concatenate([np.cumsum(rng().poisson(5.0, 60)), np.cumsum(rng().poisson(5.0, 60))])
    habit, telemetry = one(total, environments=np.repeat([0, 1], 60))
    assert habit.kind == "counter"
    after = treat(telemetry, [habit]).telemetry
    assert after.shape[0] == 118 and not np.isnan(after.values).any()
    assert np.bincount(after.environments).tolist() == [59, 59]


def test_windows_keep_their_moments() -> None:
    fault = Intervention("a", "kill", start=50.0, stop=80.0)
    total = np.cumsum(rng().poisson(5.0, 100)).astype(float)
    telemetry = Telemetry(total[:, None], ["a:requests_total"], windows=[fault])
    after = treat(telemetry, recognise(telemetry)).telemetry
    assert (after.times[0] + after.windows[0].start, after.times[0] + after.windows[0].stop) == (50.0, 80.0)


def test_a_column_that_cannot_be_used_says_why_and_stays_a_node() -> None:
    x = np.column_stack([np.arange(ROWS) * 7.0, rng().normal(size=ROWS), np.arange(ROWS) == 5])
    telemetry = Telemetry(x, ["a:uptime", "a:latency", "a:down"])
    after = treat(telemetry, recognise(telemetry))
    assert after.telemetry.names == telemetry.names and after.telemetry.constant.tolist() == [True, False, True]
    assert sum("left out" in note for note in after.notes) == 2


def test_habits_of_other_columns_are_refused() -> None:
    _, telemetry = one(rng().normal(size=20))
    with pytest.raises(InputError, match="habits must be those of the telemetry"):
        treat(telemetry, [])


def test_nothing_depends_on_where_a_column_stands() -> None:
    x = np.column_stack([rng().normal(size=ROWS), np.cumsum(rng().poisson(3.0, ROWS)), rng().poisson(1.0, ROWS)])
    names, order = ["a:x", "b:y", "c:z"], [2, 0, 1]
    telemetry = Telemetry(x, names)
    turned = telemetry.select(order)
    assert tuple(recognise(telemetry)[k] for k in order) == recognise(turned)
    first, second = treat(telemetry, recognise(telemetry)).telemetry, treat(turned, recognise(turned)).telemetry
    assert (first.values[:, order] == second.values).all()
