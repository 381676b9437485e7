"""The model class around the trainer: a subclass builds its network and nothing else."""

import abc
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from factory_assets.models.base import BaseModel
from factory_assets.models.fit_versions import fit_versions, versions_now
from factory_assets.models.neural.batches import WindowBatches
from factory_assets.models.neural.checkpoints import Checkpoints, identity_of_fit
from factory_assets.models.neural.isolation import Runtime, isolated_fit, one_thread
from factory_assets.models.neural.tensors import tensor_bytes, tensors_from
from factory_assets.models.neural.trainer import TorchParameters, derived_seed, train
from factory_assets.models.samples import Samples
from factory_assets.models.softmax import softmax
from factory_assets.vocabulary.errors import IntegrityError
from factory_assets.vocabulary.windows import LazyWindows

if TYPE_CHECKING:
    import torch

_FILE = "network.safetensors"
_LOG_PRIOR = "log_prior"
_WEIGHTS = "network."
_GATHERED_TOGETHER = 512
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class TorchState:
    """A trained network.

    Attributes
    ----------
    tensors : mapping of str to Tensor
        Weights as trained, and ``log_prior``: what prior correction adds to the logits, zeros where classes were not
        weighted.
    network : Module
        The same weights ready to predict with, on the CPU.
    best_epoch, resumed_epochs : int
    curves : mapping of str to list of float
    """

    tensors: "Mapping[str, torch.Tensor]"
    network: "torch.nn.Module"
    best_epoch: int = 0
    resumed_epochs: int = 0
    curves: Mapping[str, list[float]] = field(default_factory=dict)


class TorchModel(BaseModel[TorchState]):
    """A network on windows, trained by :mod:`factory_assets.models.neural.trainer`.

    With ``class_weighted`` a window of class c counts ``w_i * W / (K * W_c)`` in the training and in the watched loss
    (W_c the class's weight in training, W the total); the network then estimates posteriors under equal priors and
    prediction adds ``log(W_c / W)`` to the logits (:func:`factory_assets.models.multinomial.fit_multinomial` has the
    formula and its sources). Fits run on one CPU thread, or on the GPU when there is one; predictions on one CPU
    thread in float32 always, so a model predicts alike wherever it was trained.
    """

    _runtime: Runtime | None = None

    @abc.abstractmethod
    def _network(self, class_count: int, shape: tuple[int, ...]) -> "torch.nn.Module":
        """Network from windows (B, T, F) of ``shape`` (T, F) to logits (B, K), its weights drawn from torch's seed."""

    def _fit(self, train_samples: Samples, evaluation: Samples | None, class_count: int) -> TorchState:
        import torch

        params = cast(TorchParameters, self.params)
        runtime = self._runtime or Runtime.present()
        shape = train_samples.windows.shape[1:]
        class_weight, log_prior = _class_weights(train_samples, class_count, params.class_weighted)
        with isolated_fit(runtime):
            torch.manual_seed(derived_seed(params.seed, 0))
            network = self._network(class_count, shape).to(runtime.device)
            trained = train(
                network,
                WindowBatches.of(train_samples, class_weight, runtime.device),
                None if evaluation is None else WindowBatches.of(evaluation, class_weight, runtime.device),
                params,
                runtime=runtime,
                checkpoints=self._checkpoints(train_samples, evaluation, class_count, runtime),
                what=f"model {self.entry.name!r}",
            )
            tensors = {f"{_WEIGHTS}{name}": tensor for name, tensor in trained.tensors.items()}
            tensors[_LOG_PRIOR] = torch.from_numpy(log_prior)
            return TorchState(
                tensors=tensors,
                network=self._ready(tensors, class_count, shape),
                best_epoch=trained.best_epoch,
                resumed_epochs=trained.resumed_epochs,
                curves=MappingProxyType(dict(trained.curves)),
            )

    def _predict(self, state: TorchState, features: LazyWindows) -> np.ndarray:
        import torch

        log_prior = state.tensors[_LOG_PRIOR].numpy()
        logits = np.empty((len(features), len(log_prior)))
        with one_thread(), torch.inference_mode():
            for start in range(0, len(features), _GATHERED_TOGETHER):
                windows = features[start : start + _GATHERED_TOGETHER].materialised().astype(np.float32, copy=False)
                # One window a pass, in memory of its own: kernels are chosen by shape and begin where memory is
                # aligned, so that the place of a window in a batch can change its last bits.
                for place, window in enumerate(torch.from_numpy(windows)):
                    logits[start + place] = state.network(window[None].clone()).numpy()[0]
        return softmax(logits + log_prior)

    def _state_files(self, state: TorchState) -> dict[str, bytes]:
        return {_FILE: tensor_bytes(state.tensors)}

    def _state_from(self, files: Mapping[str, bytes], class_count: int, shape: tuple[int, ...]) -> TorchState:
        import torch

        what = f"saved model {self.entry.name!r}"
        if set(files) != {_FILE} or len(shape) != 2 or min(shape) < 1:
            raise IntegrityError(f"{what}: expected {_FILE} and windows (T, F), got {sorted(files)} and {shape}")
        with torch.device("meta"):
            like = {f"{_WEIGHTS}{name}": t for name, t in self._network(class_count, shape).state_dict().items()}
            like[_LOG_PRIOR] = torch.empty(class_count, dtype=torch.float64)
        tensors = tensors_from(files[_FILE], like, what)
        return TorchState(tensors=tensors, network=self._ready(tensors, class_count, shape))

    def _ready(
        self, tensors: "Mapping[str, torch.Tensor]", class_count: int, shape: tuple[int, ...]
    ) -> "torch.nn.Module":
        """The network to predict with: weights set, reparametrised ones (weight norm) computed once for all."""
        import torch
        from torch.nn.utils import parametrize

        with torch.device("meta"):
            network = self._network(class_count, shape)
        weights = {name.removeprefix(_WEIGHTS): t.clone() for name, t in tensors.items() if name.startswith(_WEIGHTS)}
        network.load_state_dict(weights, assign=True)
        for module in [module for module in network.modules() if parametrize.is_parametrized(module)]:
            for name in list(cast(Any, module).parametrizations):
                parametrize.remove_parametrizations(module, name, leave_parametrized=True)
        return network.eval().requires_grad_(False)

    def _report(self, state: TorchState) -> Mapping[str, int]:
        return {"best_iteration": state.best_epoch, "epochs": len(state.curves["train_loss"])}

    def _curves(self, state: TorchState) -> Mapping[str, list[float]]:
        return state.curves

    def _resumed_rounds(self, state: TorchState) -> int:
        return state.resumed_epochs

    def _checkpoints(
        self, train_samples: Samples, evaluation: Samples | None, class_count: int, runtime: Runtime
    ) -> Checkpoints | None:
        import torch

        if self._checkpoint_folder is None:
            return None
        versions = fit_versions(type(self))
        if versions != versions_now(type(self)):
            _log.warning(
                "model %r: code or libraries have changed on the disk since this process loaded them; this fit keeps "
                "no checkpoint and uses none. Start the process again.",
                self.entry.name,
            )
            return None
        described = {
            "model": self.entry.name,
            "parameters": self.params.as_dict(),
            "classes": class_count,
            "versions": versions,
            "torch": torch.__version__,
            "runtime": [runtime.name, runtime.bf16],
        }
        sets = {"train": train_samples, "watched": evaluation}
        return Checkpoints(folder=self._checkpoint_folder, identity=identity_of_fit(described, sets))


def _class_weights(samples: Samples, class_count: int, class_weighted: bool) -> tuple[np.ndarray, np.ndarray]:
    """Weight of each class and what prior correction adds to its logit, float64, shape (K,) both."""
    if not class_weighted:
        return np.ones(class_count), np.zeros(class_count)
    total = np.bincount(samples.target, weights=samples.weight, minlength=class_count)
    share = total / total.sum()
    return 1.0 / (class_count * share), np.log(share)
