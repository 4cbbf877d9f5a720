"""Training of the network: likelihood, sparsity and acyclicity, reproducibly and within a deadline. Imported late."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from causaldisc.algorithms._gnn_network import LaggedMessages, log_det
from causaldisc.algorithms._gnn_panel import Cells, Panel, own_past
from causaldisc.core.errors import InputError

BATCH = 256  # windows a step
WEIGHT_OF_CYCLES = (0.1, 100.0)  # multiplier of the acyclicity term, first and last step
FLOOR = 1e-3  # of a variance left unexplained: exact copies must not make the likelihood infinite


@dataclass(frozen=True, eq=False)
class Trained:
    """What training gives.

    Attributes
    ----------
    gates : float[S, N], standard deviation of every message, in standard deviations of its target.
    channels : float[S, K, R], what the sources send.
    steps : steps made.
    truncated : whether the deadline cut them.
    cyclicity : the acyclicity term at the end, 0 for a DAG.
    """

    gates: np.ndarray
    channels: np.ndarray
    steps: int
    truncated: bool
    cyclicity: float


@dataclass(frozen=True)
class Schedule:
    """How to train: steps, hidden units, the first learning rate, the weight of the sparsity penalty, and where."""

    steps: int
    hidden: int
    lr: float
    penalty: float
    device: str


def train(panel: Panel, cells: Cells, schedule: Schedule, rng: np.random.Generator, late: Callable[[], bool]) -> Trained:
    """Fit the network by Adam until the steps are done or it is late.

    Raises
    ------
    InputError : a device that this machine does not have.
    """
    device = device_of(schedule.device)
    with reproducible():
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        network = LaggedMessages(cells.open, len(panel.targets), schedule.hidden, generator, device)
        objective = Objective.of(panel, cells, schedule.penalty, device)
        optimizer = torch.optim.Adam(network.parameters(), lr=schedule.lr, betas=(0.9, 0.99))
        done, cycles = 0, torch.zeros(())
        for _ in tqdm(range(schedule.steps), desc="gnn", leave=False, disable=None):  # None: no bar unless on a terminal
            if late():
                break
            progress = done / schedule.steps
            for group in optimizer.param_groups:
                group["lr"] = schedule.lr * min(1.0, 2.0 - 1.9 * progress)
            loss, cycles = objective(network, progress, generator)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            done += 1
        with torch.no_grad():
            sent = network.channels(objective.x)
            gates = network.gates(sent).sqrt()
        arrays = (a.cpu().numpy().astype(float) for a in (gates, sent))
        return Trained(*arrays, steps=done, truncated=done < schedule.steps, cyclicity=float(cycles.detach()))


@dataclass(frozen=True, eq=False)
class Objective:
    """Gaussian likelihood, a group penalty on the messages, and the acyclicity term, whose weight grows with progress.

    Every variable has its own noise variance, so that the first is ½ Σ_j log MSE_j (as in GOLEM-NV, Ng et al. 2020): the
    scale of a variable decides nothing. Pinned edges and a variable's own past are not penalised.
    """

    x: Tensor
    y: Tensor
    known: Tensor
    free: Tensor
    penalty: float

    @classmethod
    def of(cls, panel: Panel, cells: Cells, penalty: float, device: torch.device) -> Objective:
        """Put the data on the device."""
        free = cells.open & ~cells.pinned & ~own_past(len(panel.targets), len(cells.open) // len(panel.targets))
        x, y, known = (
            torch.as_tensor(array, dtype=torch.float32, device=device) for array in (panel.sources, panel.targets, panel.known)
        )
        return cls(x, y, known, torch.as_tensor(free, device=device), penalty)

    def __call__(self, network: LaggedMessages, progress: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the loss and, apart, the acyclicity term at progress 0 to 1."""
        x, y, known = self.x, self.y, self.known
        if x.shape[1] > BATCH:
            rows = torch.randint(x.shape[1], (BATCH,), generator=generator).to(x.device)
            x, y, known = x[:, rows], y[:, rows], known[:, rows]
        sent = network.channels(x)
        error = ((y - network(sent)) ** 2 * known).sum(dim=1) / known.sum(dim=1).clamp(min=1)
        power = network.gates(sent)
        cycles = log_det(power[: len(y)])
        low, high = WEIGHT_OF_CYCLES
        gates = (power[self.free] + 1e-8).sqrt()  # the root has no slope at 0
        loss = 0.5 * torch.log(error + FLOOR).sum() + self.penalty * gates.sum() + low * (high / low) ** progress * cycles
        return loss, cycles


@contextmanager
def reproducible() -> Iterator[None]:
    """One thread and deterministic algorithms inside; the caller's torch settings are put back after."""
    threads = torch.get_num_threads()
    strict, warn = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(strict, warn_only=warn)
        torch.set_num_threads(threads)


def device_of(name: str) -> torch.device:
    """Return a torch device that this machine has; raises InputError with those that it has."""
    valid = ["cpu", *(["cuda"] if torch.cuda.is_available() else []), *(["mps"] if torch.backends.mps.is_available() else [])]
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in valid:
        raise InputError(f"`device` must be a device of this machine, got {name!r}; valid: {', '.join(valid)}")
    return device
