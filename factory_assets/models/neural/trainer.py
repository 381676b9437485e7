"""The one loop every network is trained by: weighted losses, early stopping, seeds by epoch, resuming after a kill."""

import math
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from factory_assets.models.neural.batches import WindowBatches
from factory_assets.models.neural.checkpoints import Checkpoint, Checkpoints
from factory_assets.models.neural.isolation import Runtime
from factory_assets.models.parameters import ModelParameters, parameter
from factory_assets.vocabulary.errors import FitError

if TYPE_CHECKING:
    import torch

_WATCHED_BATCH = 512


@dataclass(frozen=True, kw_only=True)
class TorchParameters(ModelParameters):
    """Parameters of the training, the same for every network.

    Attributes
    ----------
    epochs_max : int
        Passes over the training part; an upper bound where an evaluation set is given.
    patience : int
        Epochs without a better watched loss before the fit stops and falls back to the best epoch.
    batch_size : int
        Most windows a step.
    learning_rate : float
        Of AdamW; constant, so that a shorter fit is the beginning of a longer one.
    weight_decay : float
        Decoupled decay of all weights a step, in units of the learning rate.
    gradient_norm_max : float
        Longest gradient; longer ones are shortened to it.
    class_weighted : bool
        Whether classes weigh alike in both losses, the probabilities being corrected back afterwards.
    """

    epochs_max: int = parameter(60, low=1, high=10_000)
    patience: int = parameter(10, low=1)
    batch_size: int = parameter(256, low=1, high=65_536)
    learning_rate: float = parameter(1e-3, low=1e-6, high=1.0)
    weight_decay: float = parameter(0.01, low=0.0, high=1.0)
    gradient_norm_max: float = parameter(1.0, low=1e-6, high=1e6)
    class_weighted: bool = parameter(True)


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What a fit ends with.

    Attributes
    ----------
    tensors : mapping of str to Tensor
        The best epoch's weights, on the CPU.
    best_epoch : int
        Epoch of the smallest watched loss, from 1; the last one where nothing was watched.
    curves : mapping of str to list of float
        ``train_loss`` (mean while the epoch ran, with dropout) and, where watched, ``watched_loss``; weighted both.
    resumed_epochs : int
        Epochs taken over from a checkpoint.
    """

    tensors: "Mapping[str, torch.Tensor]"
    best_epoch: int
    curves: Mapping[str, list[float]]
    resumed_epochs: int


def train(
    network: "torch.nn.Module",
    samples: WindowBatches,
    watched: WindowBatches | None,
    params: TorchParameters,
    *,
    runtime: Runtime,
    checkpoints: Checkpoints | None,
    what: str,
) -> Trained:
    """Train a network whose weights are set; call within :func:`isolated_fit`.

    Shuffles and dropout of an epoch follow from (seed, epoch) and nothing depends on ``epochs_max``: a fit that stops,
    one that is bounded there, and one that was killed on the way and resumed are the same, bit for bit.

    Raises
    ------
    FitError
        A loss or weights that are not finite.
    """
    import torch

    optimizer = torch.optim.AdamW(
        network.parameters(), lr=params.learning_rate, weight_decay=params.weight_decay, fused=True
    )
    curves: dict[str, list[float]] = {name: [] for name in ("train_loss", "watched_loss")[: 2 if watched else 1]}
    best = _weights(network)
    found = checkpoints.read(_checkpoint_tensors(network, optimizer, best)) if checkpoints else None
    if found is not None:
        curves = {name: list(found.curves[name]) for name in curves}
        best = _restored(network, optimizer, found)
    resumed = len(curves["train_loss"])
    while len(curves["train_loss"]) < params.epochs_max and not _is_stale(curves, params.patience):
        epoch = len(curves["train_loss"]) + 1
        curves["train_loss"].append(_train_epoch(network, optimizer, samples, params, epoch, runtime))
        if watched is not None:
            curves["watched_loss"].append(_mean_loss(network, watched, runtime))
        _refuse_not_finite(network, curves, params, what)
        if _best_epoch(curves) == epoch:
            best = _weights(network)
        if checkpoints is not None:
            checkpoints.write(Checkpoint(curves=curves, tensors=_checkpoint_tensors(network, optimizer, best)))
    weights = {name: tensor.cpu() for name, tensor in best.items()}
    return Trained(tensors=weights, best_epoch=_best_epoch(curves), curves=curves, resumed_epochs=resumed)


def derived_seed(seed: int, epoch: int) -> int:
    """Seed of everything random in one epoch; epoch 0 is the initialisation."""
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0] >> 1)


def _train_epoch(
    network: "torch.nn.Module",
    optimizer: "torch.optim.Optimizer",
    samples: WindowBatches,
    params: TorchParameters,
    epoch: int,
    runtime: Runtime,
) -> float:
    import torch

    seed = derived_seed(params.seed, epoch)
    torch.manual_seed(seed)
    order = np.random.default_rng(seed).permutation(len(samples))
    network.train()
    total = torch.zeros((), dtype=torch.float64, device=samples.rows.device)
    for windows, target, weight in samples.batches(order, params.batch_size):
        optimizer.zero_grad(set_to_none=True)
        loss = _losses(network, windows, target, weight, runtime).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), params.gradient_norm_max)
        optimizer.step()
        total += loss.detach() * len(target)
    return float(total) / len(samples)


def _mean_loss(network: "torch.nn.Module", samples: WindowBatches, runtime: Runtime) -> float:
    import torch

    network.eval()
    total = torch.zeros((), dtype=torch.float64, device=samples.rows.device)
    with torch.no_grad():
        for windows, target, weight in samples.batches(np.arange(len(samples)), _WATCHED_BATCH):
            total += _losses(network, windows, target, weight, runtime).double().sum()
    return float(total) / len(samples)


def _losses(
    network: "torch.nn.Module",
    windows: "torch.Tensor",
    target: "torch.Tensor",
    weight: "torch.Tensor",
    runtime: Runtime,
) -> "torch.Tensor":
    """Weighted cross entropy of each window: the one loss, in training and in watching."""
    from torch.nn.functional import cross_entropy

    with _precision(runtime):
        logits = network(windows)
    return cross_entropy(logits.float(), target, reduction="none") * weight


def _precision(runtime: Runtime) -> AbstractContextManager[None]:
    import torch

    context: AbstractContextManager[None] = torch.autocast(runtime.device, dtype=torch.bfloat16, enabled=runtime.bf16)
    return context


def _best_epoch(curves: Mapping[str, list[float]]) -> int:
    """Epoch of the smallest watched loss, the earlier one where two are equal; the last where nothing is watched."""
    if "watched_loss" in curves:
        return int(np.argmin(curves["watched_loss"])) + 1
    return len(curves["train_loss"])


def _is_stale(curves: Mapping[str, list[float]], patience: int) -> bool:
    watched = curves.get("watched_loss")
    return bool(watched) and len(watched or ()) - _best_epoch(curves) >= patience


def _refuse_not_finite(
    network: "torch.nn.Module", curves: Mapping[str, list[float]], params: TorchParameters, what: str
) -> None:
    import torch

    wrong = {name: losses[-1] for name, losses in curves.items() if not math.isfinite(losses[-1])}
    if not wrong and all(bool(torch.isfinite(tensor).all()) for tensor in network.parameters()):
        return
    raise FitError(
        f"{what}: epoch {len(curves['train_loss'])} ended with {wrong or 'weights'} not finite, expected finite losses "
        f"and weights; lower learning_rate (now {params.learning_rate}), scale and clip the features, or look for "
        "sample weights of very different size"
    )


def _weights(network: "torch.nn.Module") -> "dict[str, torch.Tensor]":
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}


def _checkpoint_tensors(
    network: "torch.nn.Module", optimizer: "torch.optim.Optimizer", best: "Mapping[str, torch.Tensor]"
) -> "dict[str, torch.Tensor]":
    import torch

    tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    tensors |= {f"best.{name}": tensor for name, tensor in best.items()}
    for place, weight in enumerate(network.parameters()):
        moments = optimizer.state.get(weight) or {
            "step": torch.zeros(()),
            "exp_avg": torch.zeros_like(weight),
            "exp_avg_sq": torch.zeros_like(weight),
        }
        tensors |= {f"optimizer.{place}.{kind}": tensor for kind, tensor in moments.items()}
    return tensors


def _restored(
    network: "torch.nn.Module", optimizer: "torch.optim.Optimizer", found: Checkpoint
) -> "dict[str, torch.Tensor]":
    """Set the network and the optimizer to a checkpoint; the best epoch's weights."""
    parts: dict[str, dict[str, torch.Tensor]] = {"network": {}, "best": {}, "optimizer": {}}
    for name, tensor in found.tensors.items():
        part, rest = name.split(".", 1)
        parts[part][rest] = tensor
    network.load_state_dict(parts["network"])
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in parts["optimizer"].items():
        place, kind = name.split(".")
        state.setdefault(int(place), {})[kind] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return parts["best"]
