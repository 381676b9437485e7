"""Temporal convolutional network: dilated causal convolutions whose last step sees the whole window."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from factory_assets.models.model_entry import SearchRange
from factory_assets.models.neural.torch_model import TorchModel
from factory_assets.models.neural.trainer import TorchParameters
from factory_assets.models.parameters import parameter
from factory_assets.models.registry import register

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class TcnParameters(TorchParameters):
    """Parameters of the network.

    Attributes
    ----------
    channels : int
        Width of every level.
    dropout : float
        Chance that a channel of a window is zeroed after a convolution, in training.
    """

    channels: int = parameter(32, low=1, high=4096)
    dropout: float = parameter(0.2, low=0.0, high=0.95)


@register(
    name="tcn",
    family="neural",
    adapter="sequence",
    primary_minutes=5,
    feature_set="neural_optimal",
    scaling="catalogue",
    window=60,
    defaults=TcnParameters(),
    search_space={
        "channels": SearchRange(low=16, high=128, log=True),
        "dropout": SearchRange(low=0.0, high=0.5),
        "learning_rate": SearchRange(low=1e-4, high=5e-3, log=True),
        "weight_decay": SearchRange(low=1e-4, high=0.1, log=True),
    },
    determinism="bitwise_per_processor",
    file_format="safetensors",
    # Copies are shuffled into steps of their own; weights scale the steps they are in.
    weights_equal_copies=False,
    rounds_parameter="epochs_max",
    own_process=True,
    resumable=True,
    memorising={"dropout": 0.0, "weight_decay": 0.0, "batch_size": 64},
)
class Tcn(TorchModel):
    """Residual levels of two causal convolutions each; a linear layer reads the newest step.

    Dilation doubles from level to level until the newest step's receptive field covers the window (60 bars: 4 levels,
    61 steps). Every step of a window is known at its decision, and each convolution looks back only.

    References
    ----------
    Bai, Kolter & Koltun (2018), An Empirical Evaluation of Generic Convolutional and Recurrent Networks for Sequence
    Modeling, arXiv:1803.01271, section 3 and figure 1.
    """

    def _network(self, class_count: int, shape: tuple[int, ...]) -> "torch.nn.Module":
        from factory_assets.models.neural.tcn_network import TcnNetwork

        params = cast(TcnParameters, self.params)
        steps, features = shape
        return TcnNetwork(
            steps=steps, features=features, channels=params.channels, dropout=params.dropout, classes=class_count
        )
