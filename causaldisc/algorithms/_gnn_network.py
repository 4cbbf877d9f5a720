"""The message-passing network over a learned adjacency, and what keeps it acyclic. Imported late: it loads torch-geometric."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.nn import MessagePassing

EMBEDDING = 4  # size of a node's embedding


class LaggedMessages(MessagePassing):
    """One round of messages x_i(t - lag) → x_j(t), each a small network of its own whose hidden units a source shares.

    A source sends its value (the linear skip) and H units tanh(a_ih x + b_ih), whose slopes and offsets come from shared
    weights and the embedding of its variable; an edge weighs these K = 1 + H channels, and a target adds up what arrives.

    Parameters
    ----------
    open : bool[S, N], the edges that exist.
    n : N variables; S = N (L + 1).
    hidden : H.
    generator : of the initial weights.
    device : where the weights live.
    """

    def __init__(self, open: np.ndarray, n: int, hidden: int, generator: torch.Generator, device: torch.device) -> None:
        """Draw the weights."""
        super().__init__(aggr="sum", node_dim=0)

        def drawn(*shape: int, scale: float = 1.0) -> torch.nn.Parameter:
            return torch.nn.Parameter((scale * torch.randn(*shape, generator=generator)).to(device))

        self.depth = len(open) // n
        self.embedding = drawn(n, EMBEDDING)
        self.slope, self.offset = drawn(hidden), drawn(hidden)
        self.slope_of_node, self.offset_of_node = drawn(EMBEDDING, hidden, scale=0.3), drawn(EMBEDDING, hidden, scale=0.5)
        self.weight = drawn(n, len(open), 1 + hidden, scale=0.01)
        self.mask = torch.as_tensor(open.T.copy(), dtype=torch.float32, device=device)
        self.adjacency = self.mask.to_sparse()

    def channels(self, sources: Tensor) -> Tensor:
        """Return what the sources send, float[S, K, R] from float[S, R]; every channel has mean 0."""
        embedding = self.embedding.repeat(self.depth, 1)
        slope = self.slope * (1 + embedding @ self.slope_of_node)
        offset = self.offset + embedding @ self.offset_of_node
        bent = torch.tanh(slope[:, :, None] * sources[:, None, :] + offset[:, :, None])
        sent = torch.cat([sources[:, None, :], bent], dim=1)
        return sent - sent.mean(dim=2, keepdim=True)

    def edge_weights(self) -> Tensor:
        """Return float[N, S, K], 0 where there is no edge."""
        return self.weight * self.mask[:, :, None]

    def forward(self, sent: Tensor, fused: bool = True) -> Tensor:
        """Return the prediction of every target, float[N, R]; ``fused`` adds the messages up without making each."""
        weight = self.edge_weights()
        if fused:
            return self.propagate(self.adjacency, x=(sent, None), weight=weight)
        target, source = self.mask.nonzero(as_tuple=True)
        size = (self.mask.shape[1], self.mask.shape[0])
        return self.propagate(torch.stack([source, target]), x=(sent, None), weight=weight[target, source], size=size)

    def propagate(self, edge_index: Any, size: Any = None, **kwargs: Any) -> Tensor:
        """As inherited; defined here, it keeps torch-geometric from writing generated code to the temporary folder."""
        return super().propagate(edge_index, size=size, **kwargs)

    # torch-geometric hands to these two what their arguments name, whatever the signature of the base class.
    def message(self, x_j: Tensor, weight: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return the messages of E edges, float[E, R] from channels float[E, K, R] and weights float[E, K]."""
        return torch.einsum("ekr,ek->er", x_j, weight)

    def message_and_aggregate(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, edge_index: Any, x: tuple[Tensor, None], weight: Tensor
    ) -> Tensor:
        """Do both in one product."""
        return weight.flatten(1) @ x[0].flatten(0, 1)

    def gates(self, sent: Tensor) -> Tensor:
        """Return float[S, N], the variance of every message."""
        moments = sent @ sent.transpose(1, 2) / sent.shape[2]
        weight = self.edge_weights().transpose(0, 1)
        return ((weight @ moments) * weight).sum(dim=2)


def log_det(weights: Tensor) -> Tensor:
    """Return DAGMA's acyclicity term of non-negative float[N, N] (Bello et al. 2022): ``N log s - log det(s I - W)``.

    It is 0 exactly for the matrix of a DAG, else positive. It needs s above the spectral radius of W, which no row sum or
    column sum of W undercuts in the maximum; so s follows W.

    >>> round(float(log_det(torch.tensor([[0.0, 0.9], [0.0, 0.0]]))), 6)
    0.0
    >>> float(log_det(torch.tensor([[0.0, 0.9], [0.9, 0.0]]))) > 1
    True
    """
    bound = torch.minimum(weights.detach().sum(dim=0).max(), weights.detach().sum(dim=1).max())
    s = torch.clamp(1.1 * bound, min=1.0)
    unit = torch.eye(len(weights), dtype=weights.dtype, device=weights.device)
    return len(weights) * torch.log(s) - torch.linalg.slogdet(s * unit - weights)[1]
