"""One system: its runs, what is seen of them, and its truths."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from causaldisc.core.dataset import Dataset, Trial
from causaldisc.core.errors import InputError
from causaldisc.core.graph import CausalGraph, Edge
from causaldisc.core.intervention import Intervention
from causaldisc.core.lazily import LazyMapping
from causaldisc.core.parameters import values_of
from causaldisc.core.telemetry import Telemetry
from causaldisc.core.variables import Variable
from causaldisc.sources._simulated import SimulatedSystem
from causaldisc.sources._sortability import r2_sortability, var_sortability
from causaldisc.sources._streams import stream
from causaldisc.sources._system import faults
from causaldisc.sources._system.ancestors import ancestors
from causaldisc.sources._system.checks import validate
from causaldisc.sources._system.known import call_graph, known_to_expert
from causaldisc.sources._system.mechanisms import Read, State, reads
from causaldisc.sources._system.observe import Scrape, other_units, read_metrics, variable
from causaldisc.sources._system.projection import over_columns, seen_from_outside, timed
from causaldisc.sources._system.regime import LONG
from causaldisc.sources._system.run import Run
from causaldisc.sources._system.signals import MOST_SPANS, check_size, signals_of
from causaldisc.sources._system.traffic import service_visits, usual_ms, visits
from causaldisc.sources._system.users import neighbour_load, user_rates
from causaldisc.sources._system.wiring import Physics, wire

if TYPE_CHECKING:
    from causaldisc.sources._system.options import RequestSource

WARM_UP_S = 120.0  # run before the first row, so that the start leaves no trace
MAX_LAG = 3  # steps
_STRENGTH = {"cpu_throttle": 0.6, "latency": 0.2, "error": 0.3, "traffic_surge": 0.8, "kill": 0.5, "bad_deployment": 0.6}
_BOUNDS = {"requests": (0.0, 1e6), "latency": (0.0, 6e5), "errors": (0.0, 1.0), "cpu": (0.0, 1.0), "memory": (0.0, 1.0)}
_BOUNDS |= {f"latency_p{share}": _BOUNDS["latency"] for share in (50, 95, 99)}
_BOUNDS |= {"queue": (0.0, 1e6), "pool": (0.0, 1e6), "replicas": (0.0, 1e4)}


class RequestSystem(SimulatedSystem):
    """A request-level system: its topology, its runs and its truths.

    ``truth`` is that of the run that ``dataset()`` gives; a data set under interventions has the truth of its own run.
    """

    def __init__(self, source: RequestSource, seed: int) -> None:
        """Draw topology, traffic's phase and column order; no noise of a run.

        Raises
        ------
        InputError : a topology that cannot be run, too short a run, an unknown metric.
        """
        from causaldisc.sources._system.options import switched

        super().__init__(source, seed)
        self.options = source
        self.step_s, self.missing = source.step_s, source.missing
        self.n_rows = round(source.duration_s / source.step_s)
        if self.n_rows < 20:
            raise InputError(
                f"{source.name}.duration_s must hold at least 20 steps of step_s={source.step_s:g} s, got {source.duration_s:g} s"
            )
        rng = stream(self.seed, source.name, "system")
        self.topology = switched(source.topology(rng), source)
        self.overloaded = validate(self.topology)
        self.visits, self.usual_s = visits(self.topology), {k: v / 1000.0 for k, v in usual_ms(self.topology).items()}
        self.phase = float(rng.uniform())
        self._columns(source, rng)
        self._check_signals()
        self.kinds = (*faults.KINDS, "set")
        self.bounds = {v.name: _BOUNDS.get(v.metric, (0.0, 0.0)) for v in self.variables}
        self.call_graph = call_graph(self.topology)
        self.prior = known_to_expert(self.topology)
        # A second of control is a second, or the largest part of a scrape interval below.
        self.per_step = max(1, round(source.step_s))
        self.control_s = source.step_s / self.per_step
        self.physics = Physics(control_s=self.control_s, contention=Physics.contention if source.hosts else 0.0)

    def _columns(self, source: RequestSource, rng: np.random.Generator) -> None:
        """Choose the metrics that each service has, their units, and the order of the columns."""
        metrics = source.wanted_metrics
        names = [(s.name, m) for s in self.topology.services for m in metrics]
        lost = rng.random(len(names)) < source.missing_series
        kept = [n for n, gone in zip(names, lost, strict=True) if not gone] or names[:1]
        kept = [kept[k] for k in rng.permutation(len(kept))]
        found = [variable(*n) for n in kept]
        self.factors = np.ones(len(found))
        if source.mixed_units:
            found, self.factors = other_units(found, rng)
        self._variables = tuple(found)
        self.states_of = {v.name: State(faults.STATE_OF[v.metric], v.service) for v in found}

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The columns of every run, in order."""
        return self._variables

    # -- running -----------------------------------------------------------------------------------------------------

    def run(
        self, interventions: Sequence[Intervention], *purpose: str | int, progress: Any = None, signals: Sequence[str] = ()
    ) -> Run:
        """Run the physics; ``purpose`` names the run and keys its draws.

        ``progress`` is called with the seconds done and the run; ``signals`` are the forms that it will be told in beside
        telemetry: what they need is kept, and changes nothing of the run.
        """
        warm_ticks = round(WARM_UP_S / self.control_s)
        warm_ticks += -warm_ticks % self.per_step
        every = 1 if self.options.skew_s > 0 or self.options.resets or "events" in signals else self.per_step
        late = int(np.ceil(self.options.skew_s / self.control_s))
        ticks = warm_ticks + self.n_rows * self.per_step + late
        rates, background = self._surroundings(ticks + 1, warm_ticks, purpose)
        traced = self.options.trace_share if {"traces", "logs"} & set(signals) else 0.0
        deployments = self._deployments()
        found = [*interventions, *deployments]
        world = wire(
            self.topology,
            rates,
            int(stream(self.seed, *purpose, "physics").integers(2**64, dtype=np.uint64)),
            physics=self.physics,
            background=background,
            visits=self.visits,
            usual_s=self.usual_s,
            changes=faults.changes(
                self.topology, found, control_s=self.control_s, warm_ticks=warm_ticks, visits=service_visits(self.topology)
            ),
            snapshot_every=every,
            spans=MOST_SPANS if traced > 0 else 0,
            trace_share=traced,
            long_s=LONG * self.step_s,
        )
        run = Run(
            self.topology,
            world,
            warm_ticks * self.control_s,
            self.control_s,
            every,
            self.n_rows,
            self.step_s,
            tuple(interventions),
            tuple(deployments),
        )
        end, part = ticks * self.control_s, 600.0 if progress is None else 30.0
        for until in np.linspace(0.0, end, 2 + int(end // part))[1:]:  # in parts, so that an interrupt is heard and progress seen
            world.run(float(until) if until < end else float(np.nextafter(end, np.inf)))
            if progress is not None:
                progress(float(until) - run.warm_s, run)
        return run

    def _surroundings(self, ticks: int, warm_ticks: int, purpose: Sequence[str | int]) -> tuple[np.ndarray, np.ndarray]:
        """What users and neighbours do in each second of control; nothing of it depends on interventions."""
        o = self.options
        times = (np.arange(ticks) - warm_ticks) * self.control_s
        rates = user_rates(
            self.topology.rate,
            times,
            day_s=o.day_s,
            phase=self.phase,
            daily=o.daily,
            bursts=o.bursts,
            burst_s=o.burst_s,
            rng=stream(self.seed, *purpose, "users"),
        )
        hosts = len(self.topology.hosts)
        return rates, neighbour_load(o.neighbours, times, 120.0, hosts, stream(self.seed, *purpose, "neighbours"))

    def _deployments(self) -> list[Intervention]:
        """Deployments that nobody labels: from some moment on, a service's work is another."""
        rng = stream(self.seed, self.source.name, "deployments")
        names = [s.name for s in self.topology.services]
        found = []
        for _ in range(self.options.deployments):
            target, start = names[int(rng.integers(len(names)))], float(rng.uniform(0.1, 0.9)) * self.duration_s
            found.append(Intervention(target, "bad_deployment", float(rng.uniform(0.0, 0.25)), start, np.inf))
        return found

    # -- seeing ------------------------------------------------------------------------------------------------------

    def values(self, interventions: Sequence[Intervention], *purpose: str | int) -> np.ndarray:
        """Run and scrape, float[T, N]."""
        return self.seen(self.run(interventions, *purpose), *purpose)

    def seen(self, run: Run, *purpose: str | int) -> np.ndarray:
        """Return what monitoring shows of a run, float[T, N]; a variable that is set shows what it is set to."""
        o = self.options
        rng = stream(self.seed, *purpose, "scrape")
        scrape = Scrape(o.step_s, o.skew_s, o.gaps, o.resets, o.buckets)
        found = read_metrics(run.counters, self.topology, scrape, self.n_rows, rng)
        index = self.topology.index
        values = np.column_stack([found[v.metric][:, index[v.service]] for v in self.variables])
        if o.scrape_noise > 0:
            values = values * np.exp(o.scrape_noise * rng.standard_normal(values.shape))
        values = np.minimum(values, [self.bounds[v.name][1] or np.inf for v in self.variables])
        held = self.clamps([again for i in run.interventions for again in self._readings(i)])
        values = np.where(np.isnan(held), values, held)
        empty = np.isnan(values).all(axis=0)
        values[0, empty] = 0.0  # a service that nobody ever called: its rates of nothing are told once
        return values * self.factors

    def _readings(self, intervention: Intervention) -> list[Intervention]:
        """The same do() on every metric that reads the same: when each answer takes as long, so does any share of them."""
        service, _, metric = str(intervention.variable).rpartition(":")
        if intervention.kind != "set" or not metric.startswith("latency"):
            return [intervention]
        same = [v.name for v in self.variables if v.service == service and v.metric.startswith("latency")]
        return [replace(intervention, variable=name) for name in same]

    def resolve(self, intervention: Intervention) -> Intervention:
        """Check an intervention against this system; a fault is labelled with the variable that it breaks first.

        Raises
        ------
        InputError : an unknown kind, target or variable, a magnitude out of range, a window outside the run.
        """
        if not isinstance(intervention, Intervention):
            raise InputError(f"interventions must be Intervention objects, got {type(intervention).__name__}")
        if intervention.kind == "set":
            metric = str(intervention.variable).rpartition(":")[2]
            if metric in faults.METRICS and metric not in faults.SETTABLE:
                raise InputError(
                    f"intervention variable must be one that can be set, got {intervention.variable!r}; "
                    f"valid metrics: {', '.join(faults.SETTABLE)}"
                )
            return super().resolve(intervention)
        faults.fault_of(self.topology, intervention)
        inside = replace(intervention, target=self.topology.services[0].name)  # the rest is about the window
        found = super().resolve(inside)
        return faults.labelled(self.topology, replace(found, target=intervention.target))

    # -- data sets ---------------------------------------------------------------------------------------------------

    def dataset(self, interventions: Sequence[Intervention] = (), progress: Any = None) -> Dataset:
        """Run the system as its seed says, with its held-out trials; see :meth:`SimulatedSystem.dataset`."""
        resolved = [self.resolve(i) for i in interventions]
        purpose = (self.source.name, "dataset")
        run = self.run(resolved, *purpose, progress=progress, signals=self.options.wanted_signals)
        telemetry = self._telemetry(self.seen(run, *purpose), resolved, *purpose)
        plans = [self.resolve(plan) for plan in self.planned_trials(stream(self.seed, self.source.name, "trials"))]
        trials = tuple(Trial(plan, self._held_out(plan, k, progress)) for k, plan in enumerate(plans))
        truth = self.truth_of(run)
        return Dataset(
            self.source.name,
            telemetry,
            truth,
            self.call_graph,
            self.prior,
            trials,
            notes={"seed": self.seed, "parameters": values_of(self.source), **self._facts(run, telemetry, truth)},
            truths=self._truths(),
            signals=self._signals(run),
        )

    def _held_out(self, plan: Intervention, number: int, progress: Any = None) -> Telemetry:
        """Run a held-out trial, unlabelled."""
        purpose = (self.source.name, "held-out", number)
        return self._telemetry(self.seen(self.run([plan], *purpose, progress=progress), *purpose), (), *purpose)

    def _truths(self) -> Mapping[str, CausalGraph]:
        """Further truths, found when somebody asks for them."""
        found: dict[str, Callable[[], CausalGraph]] = {"structural": lambda: self.structural}
        epsilon = self.options.ancestors
        if epsilon is not None:
            found["ancestors"] = lambda: self.ancestors(epsilon)
        return LazyMapping(found)

    def _signals(self, run: Run) -> Mapping[str, bytes]:
        o = self.options
        rng = stream(self.seed, self.source.name, "signals")
        return signals_of(run, o.wanted_signals, rng, resets=o.resets, buckets=o.buckets) if o.signals else {}

    def _check_signals(self) -> None:
        o = self.options
        requests = self.topology.rate * (self.duration_s + WARM_UP_S)
        check_size(
            o.wanted_signals,
            services=len(self.topology.services),
            rows=self.n_rows,
            seconds=self.duration_s + o.skew_s,
            buckets=o.buckets,
            spans=o.trace_share * requests * sum(self.visits.values()),
            trace_share=o.trace_share,
        )

    def planned_trials(self, rng: np.random.Generator) -> list[Intervention]:
        """Plan faults of different kinds in the second half of a run, each on a random service."""
        kinds = [list(_STRENGTH)[k] for k in rng.permutation(len(_STRENGTH))]
        length = max(2 * self.step_s, min(900.0, 0.25 * self.duration_s))
        plans = []
        for k in range(self.options.trials):
            kind = kinds[k % len(kinds)]
            target = self.topology.services[int(rng.integers(len(self.topology.services)))].name
            start = float(np.floor(rng.uniform(0.45, 0.7) * self.n_rows) * self.step_s)
            plans.append(Intervention(target, kind, _STRENGTH[kind], start, min(start + length, self.duration_s)))
        return plans

    def _facts(self, run: Run, telemetry: Telemetry, truth: CausalGraph) -> dict[str, Any]:
        from causaldisc.kernels import requests_world as x

        table = run.counters.table
        with np.errstate(invalid="ignore", divide="ignore"):
            cpu = (table[-1] - table[0])[:, x.S_CPU] / (table[-1] - table[0])[:, x.S_LIMIT]
        return {
            "var_sortability": var_sortability(telemetry.values, truth),
            "r2_sortability": r2_sortability(telemetry.values, truth),
            "services": len(self.topology.services),
            "call_pairs": len(self.topology.edges),
            "calls": int(run.world["service"][:, x.ARRIVALS].sum()),
            "mean_cpu": float(np.nanmean(cpu)),
            "peak_cpu": float(np.nanmax(cpu)),
            "overloaded": self.overloaded,
        }

    # -- truths ------------------------------------------------------------------------------------------------------

    @cached_property
    def reads(self) -> tuple[Read, ...]:
        """Every read of the mechanisms, hidden causes included."""
        found = seen_from_outside(self.topology, reads(self.topology))
        return tuple(r for r in found if self.options.neighbours > 0 or r.source.role != "neighbours")

    @cached_property
    def truth(self) -> CausalGraph:  # type: ignore[override]  # computed here, an attribute elsewhere
        """The truth of the recorded run."""
        return self.truth_of(self.run([], self.source.name, "dataset"))

    @cached_property
    def structural(self) -> CausalGraph:
        """All that the mechanisms read, whether or not it ever made a difference."""
        return self._graph(self.reads, "structural")

    def truth_of(self, run: Run) -> CausalGraph:
        """The direct edges of a run: what mechanisms that acted in it read, over the observed metrics."""
        if self.options.truth == "structural":
            return self.structural
        regime = run.regime(self.options.epsilon)
        return self._graph([r for r in self.reads if regime.acts(r)], "regime")

    def ancestors(self, epsilon: float = 0.1, runs: int = 1, progress: Any = None) -> CausalGraph:
        """The interventional truth: who moves whom, found by twin runs that share every draw.

        Each variable that can be set and that varies is held at one and two standard deviations above and below its mean, from
        the first tenth of the run on, and every other's mean is compared with that of the untouched run. An edge says that some
        setting moves it by more than ``epsilon`` of its own standard deviation; its ``strength`` is the largest such shift, in
        standard deviations. Takes four runs a variable, ``runs`` times: the more, the less it counts that a setting lets other
        requests meet the same chances. ``progress`` is called with the number of variables done.

        Raises
        ------
        InputError : ``epsilon`` is negative, or ``runs`` less than 1.
        """
        return ancestors(self, epsilon, runs, progress)

    def _graph(self, found: Sequence[Read], kind: str) -> CausalGraph:
        directed, hidden = over_columns(timed(self.topology, found, self._delay_s, self.step_s), self.states_of, MAX_LAG)
        edges = [Edge(a, b, lag=lag) for a, b, lag in directed]
        edges += [Edge(a, b, lag=lag, source_mark="arrow", target_mark="arrow") for a, b, lag in hidden]
        return CausalGraph(
            self.variables,
            sorted(edges, key=lambda e: (e.source, e.target, e.lag)),
            kind="lagged",
            max_lag=MAX_LAG,
            step_seconds=self.step_s,
            provenance={"source": self.source.name, "truth": kind},
        )

    def _delay_s(self, read: Read) -> float:
        """Seconds between a state and what it makes of another, beyond the moment."""
        word = read.because.partition(" ")[0]
        if word == "scaling":
            return self.physics.startup_s + 0.5 * self.physics.scale_every_s
        return self.control_s if word in ("host", "memory") else 0.0  # they look at the second before
