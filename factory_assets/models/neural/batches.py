"""Weighted windows on the device a fit runs on, gathered a batch at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from factory_assets.models.samples import Samples

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class WindowBatches:
    """Samples as tensors: one row store with ``pad`` as its last row, and where each window lies in it.

    Attributes
    ----------
    rows : Tensor of float32, shape (R + 1, F)
        Rows some window shows, then ``pad``.
    last, first : Tensor of int64, shape (N,)
        Newest and oldest row of each window.
    length : int
        T.
    target : Tensor of int64, shape (N,)
        Position of the class.
    weight : Tensor of float32, shape (N,)
        Sample weight x class weight over their mean: a plain mean of weighted losses is the weighted mean.
    """

    rows: "torch.Tensor"
    last: "torch.Tensor"
    first: "torch.Tensor"
    length: int
    target: "torch.Tensor"
    weight: "torch.Tensor"

    @classmethod
    def of(cls, samples: Samples, class_weight: np.ndarray, device: str) -> Self:
        """Samples weighted by ``class_weight`` (float64, shape (K,)) on ``device``; only used rows are held."""
        import torch

        windows = samples.windows.compacted()
        weight = samples.weight * class_weight[samples.target]
        rows = np.concatenate([windows.store, windows.pad[None]]).astype(np.float32, copy=False)
        return cls(
            rows=torch.from_numpy(rows).to(device),
            last=torch.from_numpy(windows.last).to(device),
            first=torch.from_numpy(windows.first).to(device),
            length=windows.length,
            target=torch.from_numpy(samples.target).to(device),
            weight=torch.from_numpy((weight / weight.mean()).astype(np.float32)).to(device),
        )

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.target)

    def batches(
        self, order: np.ndarray, batch_size: int
    ) -> "Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]":
        """Windows (B, T, F), targets (B,) and weights (B,), in the given order of samples.

        The number of batches is the least that keeps to ``batch_size``; they are equally large but for one sample, so
        no small rest makes a noisy step.
        """
        import torch

        steps = torch.arange(self.length - 1, -1, -1, device=self.last.device)
        for part in np.array_split(order, -(-len(order) // batch_size)):
            chosen = torch.from_numpy(part).to(self.last.device)
            places = self.last[chosen, None] - steps
            places = torch.where(places >= self.first[chosen, None], places, len(self.rows) - 1)
            windows = self.rows.index_select(0, places.ravel()).view(len(part), self.length, -1)
            yield windows, self.target[chosen], self.weight[chosen]
