"""Samples as torch tensors, gathered batch by batch."""

from typing import TYPE_CHECKING, Any

import numpy as np

from factory_assets.vocabulary.windows import LazyWindows

if TYPE_CHECKING:
    import torch


class TorchSamples:
    """Map-style dataset over features, labels and weights; torch is imported when the first sample is asked for.

    A whole batch is gathered at once if positions come as a list, which is what a batch sampler hands over::

        sampler = BatchSampler(RandomSampler(samples), batch_size=256, drop_last=False)
        for x, y, weight in DataLoader(samples, sampler=sampler, batch_size=None):
            ...

    Values are as they are handed over: unscaled, and NaN where a warm-up masks a cell or a window has no row. A network
    needs them scaled by its training part, which fills missing cells with that part's medians::

        scaler = FittedScaler.fit(train.features, kinds, train.feature_names)
        samples = replace(part, features=scaler.transform(part.features)).to_torch()

    Parameters
    ----------
    features : ndarray of float32, shape (N, F), or LazyWindows, shape (N, T, F)
        Inputs, scaled or not; windows are materialised for the positions asked for and no others.
    label : ndarray of int8, shape (N,)
        -1, 0 or +1.
    weight : ndarray of float64, shape (N,)
        Sample weights.
    """

    def __init__(self, features: np.ndarray | LazyWindows, label: np.ndarray, weight: np.ndarray) -> None:
        self._features, self._label, self._weight = features, label, weight

    def __len__(self) -> int:
        """Number of samples."""
        return len(self._label)

    def __getitem__(self, rows: Any) -> tuple["torch.Tensor", "torch.Tensor", "torch.Tensor"]:
        """Tensors of one position, or of a batch (list, array, slice or boolean mask).

        Returns
        -------
        x : tensor of float32, shape (B, F) or (B, T, F)
            Inputs; one position gives (F,) or (T, F).
        y : tensor of int64, shape (B,)
            Class positions, what ``cross_entropy`` takes: 0, 1, 2 for the labels -1, 0, +1.
        weight : tensor of float32, shape (B,)
            Sample weights.
        """
        import torch

        one = isinstance(rows, int | np.integer)
        # an integer out of range raises IndexError here, which is what ends an iteration
        places = np.atleast_1d(np.arange(len(self))[rows])
        x = torch.from_numpy(np.array(self._features[places], dtype=np.float32))
        y = torch.from_numpy(self._label[places].astype(np.int64) + 1)
        weight = torch.from_numpy(self._weight[places].astype(np.float32))
        return (x[0], y[0], weight[0]) if one else (x, y, weight)
