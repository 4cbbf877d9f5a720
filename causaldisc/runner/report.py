"""Results as text: the figures of one run, a table of a sweep with intervals over seeds, and its failures with their commands."""

from __future__ import annotations

import json
import math
import shlex
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from causaldisc.core.interval import Interval
from causaldisc.core.outcome import Outcome
from causaldisc.runner.execution import ELSEWHERE
from causaldisc.runner.store import content_of

if TYPE_CHECKING:
    from causaldisc.runner.experiment import Result

HEADLINE = ("directed_f1", "skeleton_f1", "precision_lift", "shd", "auprc", "n_edges")
_VERDICTS = ("edges_confirmed", "edges_refuted", "edges_untested")
_SERVICE_HEADLINE = "directed_f1"
_MOST_FAILURES = 20
_LONGEST = 100


def report(result: Result) -> str:
    """Return what ``causaldisc run`` prints to stdout, lines without an end."""
    if result.status:
        return "\n".join(_state(result))
    return "\n".join(_sweep(result) if result.multirun else _single(result))


def _single(result: Result) -> Iterator[str]:
    outcome = result[0]
    rows = [["status", f"{outcome.status}{'' if result.computed else ' (from the store)'}"]]
    if outcome.error:
        rows.append(["cause", outcome.error[:_LONGEST]])
    if outcome.certificate is not None:
        verdicts = Counter(v["status"] for v in outcome.certificate["verdicts"])
        rows.append(["prior", ", ".join(f"{n} {status}" for status, n in verdicts.items()) or "none"])
    if outcome.is_ok:
        names = [*_headline(result.figures), *(n for n in _VERDICTS if n in outcome.metrics)]
        rows += [[name, _number(outcome.metrics.get(name, math.nan))] for name in names]
    if outcome.seconds is not None:
        rows.append(["seconds", f"{outcome.seconds:.3g}"])
    if result.graph_path is not None:
        rows.append(["graph", str(result.graph_path)])
    yield from _aligned(rows)
    yield from _searches(result)


def _sweep(result: Result) -> Iterator[str]:
    headline = _headline(result.figures)
    groups: dict[tuple[str, ...], list[Outcome]] = defaultdict(list)
    names, labels = _labels([content_of(cell.config) for cell in result.cells])
    for label, outcome in zip(labels, result.figures, strict=True):
        groups[label].append(outcome)
    rows = [[*names, "ok", *headline]]
    for label, outcomes in groups.items():
        good = [o for o in outcomes if o.is_ok]
        figures = [_interval([o.metrics.get(name, math.nan) for o in good]) for name in headline]
        rows.append([*label, f"{len(good)}/{len(outcomes)}", *figures])
    yield from _aligned(rows)
    yield ""
    yield f"{_counts(result.figures)}; mean ± half of the 95 % interval over the runs of a row"
    yield from _searches(result)
    yield from _failures(result)


def _state(result: Result) -> Iterator[str]:
    done = sum(s.status == "ok" for s in result.summaries)
    running = sum(s.error == ELSEWHERE for s in result.summaries)
    to_do = sum(s.status == "skipped" and not s.stored for s in result.summaries) - running
    yield f"{done} done, {len(result.failed)} failed, {running} running, {to_do} to do, {len(result)} in all"
    if result.studies:
        from causaldisc.runner.search.table import progress

        yield progress(result.studies)
    yield from _failures(result)


def _searches(result: Result) -> Iterator[str]:
    """What was tuned, and to what."""
    if not result.studies:
        return
    from causaldisc.runner.search.table import ROW, headline, row

    names, labels = _labels([study.setting.config for study in result.studies])
    rows = [[*names, *ROW]]
    for label, study in zip(labels, result.studies, strict=True):
        rows.append([*label, *(_number(cell) if isinstance(cell, float) else cell for cell in row(study))])
    yield ""
    yield headline(result.studies)
    yield from _aligned(rows)


def _failures(result: Result) -> Iterator[str]:
    if not result.failed:
        return
    yield ""
    yield "failed:"
    for cell, outcome in result.failed[:_MOST_FAILURES]:
        yield f"  {outcome.status}: {outcome.error[:_LONGEST]}"
        yield f"    {command(cell.overrides)}"
    if len(result.failed) > _MOST_FAILURES:
        yield f"  and {len(result.failed) - _MOST_FAILURES} more"


def command(overrides: Sequence[str]) -> str:
    """Return the command line that runs one cell, fit for a shell.

    >>> command(["algorithm=pc", "prior=file", "prior.path=my prior.yaml"])
    "causaldisc run algorithm=pc prior=file 'prior.path=my prior.yaml'"
    """
    return shlex.join(["causaldisc", "run", *overrides])


def _headline(outcomes: Sequence[Outcome]) -> list[str]:
    """The headline metrics that some outcome has; those of the service level where nothing else is known."""
    known = dict.fromkeys(name for o in outcomes for name in o.metrics)
    found = [name for name in HEADLINE if name in known]
    return found or [name for name in known if name.startswith("service_") and name.endswith(_SERVICE_HEADLINE)]


def _labels(configs: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[tuple[str, ...]]]:
    """Name the settings, other than the seed, in which configurations differ, and give each its values of them."""
    flat = [dict(_flat(c)) for c in configs]
    keys = dict.fromkeys(key for f in flat for key in f)
    odd = [k for k in keys if k != "seed" and (k == "algorithm.name" or len({f.get(k, "") for f in flat}) > 1)]
    # Parameters that one algorithm has and another lacks say nothing that the names do not.
    several = [k for k in odd if k.endswith(".name") or _varies_within(k, flat)]
    return [k.removesuffix(".name") for k in several], [tuple(f.get(k, "") for k in several) for f in flat]


def _varies_within(key: str, flat: Sequence[Mapping[str, str]]) -> bool:
    group = key.split(".")[0] + ".name"
    values = defaultdict(set)
    for f in flat:
        values[f.get(group)].add(f.get(key, ""))
    return any(len(v) > 1 for v in values.values())


def _flat(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value if isinstance(value, str) else json.dumps(value)


def _interval(values: Sequence[float]) -> str:
    """Mean and half width of the 95 % interval over the values that are defined."""
    interval = Interval.of(values)
    return _number(interval.mean) + ("" if math.isnan(interval.half) else f" ± {interval.half:.2g}")


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3g}"


def _counts(outcomes: Sequence[Outcome]) -> str:
    counts = Counter(o.status for o in outcomes)
    return ", ".join(f"{n} {status}" for status, n in counts.most_common())


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
