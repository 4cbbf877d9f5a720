"""What confidence costs: 100 resamples of a search beside one run of the peer library, CPU seconds in one process.

    python experiments/confidence_calibration/cost.py --repeats 3

PC on 100 variables and 1,000 rows of ``sem`` against causal-learn's PC (``--peer`` runs it); PCMCI on 50 series of 1,000 steps
of ``var``. Medians over the repeats; everything is compiled beforehand.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import causaldisc as cd


def cpu(work: Callable[[], object], repeats: int) -> float:
    """Median CPU seconds of some work, all threads counted."""
    spent = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        spent.append(time.process_time() - start)
    return statistics.median(spent)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--peer", action="store_true", help="run causal-learn's PC too (some 10 s a repeat)")
    options = parser.parse_args()
    rows = cd.simulate("sem", seed=0, n_variables=100, n_samples=1000, trials=0).telemetry
    series = cd.simulate("var", seed=0, n_variables=50, n_samples=1000, trials=0).telemetry
    print("| search | data | resamples | CPU s |\n|---|---|---|---|")
    for name, data in (("pc", rows), ("ges", rows), ("pcmci", series), ("pcmci_plus", series)):
        cd.discover(data, name, bootstrap=1)
        for resamples in (0, 100):
            spent = cpu(lambda n=name, d=data, b=resamples: cd.discover(d, n, bootstrap=b), options.repeats)
            print(f"| {name} | {data.shape[1]} × {data.shape[0]} | {resamples} | {spent:.2f} |", flush=True)
    if options.peer:
        cd.discover(cd.Telemetry(rows.values[:, :5], rows.names[:5]), "causallearn_pc")
        spent = cpu(lambda: cd.discover(rows, "causallearn_pc"), options.repeats)
        print(f"| causallearn_pc | {rows.shape[1]} × {rows.shape[0]} | (one run) | {spent:.2f} |", flush=True)


if __name__ == "__main__":
    main()
