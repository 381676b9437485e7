"""The network of :mod:`factory_assets.models.neural.tcn`, computing only the steps its last output depends on.

Belongs here: torch modules; imported when a network is built, never before.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.parametrizations import weight_norm

KERNEL = 3


@dataclass(frozen=True, kw_only=True)
class LevelPlan:
    """Steps a level computes; those before the window's first step are zeros and not computed.

    Attributes
    ----------
    dilation : int
        Distance in window steps of the level's inputs, 1, 2, 4, ...
    middle : int
        Outputs of the first convolution, ``dilation`` steps apart, the last one at the newest step.
    out : int
        Outputs of the level, 2 x ``dilation`` steps apart, the last one at the newest step.
    """

    dilation: int
    middle: int
    out: int


def receptive_field(levels: int) -> int:
    """Steps the newest output sees: two convolutions a level, each reaching back (kernel - 1) x dilation."""
    return 1 + 2 * (KERNEL - 1) * (2**levels - 1)


def level_plans(steps: int) -> tuple[LevelPlan, ...]:
    """Levels whose receptive field covers a window of ``steps``, the fewest, and what each has to compute.

    The newest output of the last level needs every (2 x dilation)-th step of the level before, and so on down: a level
    computes its steps as a dense convolution over inputs that lie ``dilation`` apart already.
    """
    levels = 1
    while receptive_field(levels) < steps:
        levels += 1
    plans, wanted = [], 1
    for level in reversed(range(levels)):
        dilation = 2**level
        middle = 2 * (wanted - 1) + KERNEL
        plans.append(
            LevelPlan(
                dilation=dilation,
                middle=min(middle, (steps - 1) // dilation + 1),
                out=min(wanted, (steps - 1) // (2 * dilation) + 1),
            )
        )
        wanted = middle + KERNEL - 1
    return tuple(reversed(plans))


class TcnNetwork(nn.Module):
    """Windows (B, T, F) to logits (B, K).

    Parameters
    ----------
    steps, features : int
        T and F.
    channels : int
        Width of every level.
    dropout : float
        Chance that a channel is zeroed, for all steps of a window at once.
    classes : int
        K.
    """

    def __init__(self, *, steps: int, features: int, channels: int, dropout: float, classes: int) -> None:
        super().__init__()
        plans = level_plans(steps)
        assert receptive_field(len(plans)) >= steps, "the newest output has to see the whole window"
        self.levels = nn.ModuleList(
            TcnLevel(plan=plan, inputs=features if place == 0 else channels, channels=channels, dropout=dropout)
            for place, plan in enumerate(plans)
        )
        self.head = nn.Linear(channels, classes)

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        """Logits of the newest step."""
        values = windows
        for level in self.levels:
            values = level(values)
        logits: torch.Tensor = self.head(values[:, -1])
        return logits


class TcnLevel(nn.Module):
    """Two weight-normalised convolutions with ReLU and channel dropout, plus the level's input.

    The input passes a linear map (a convolution of kernel 1) where its width differs.

    Parameters
    ----------
    plan : LevelPlan
        Steps to compute.
    inputs, channels : int
        Widths.
    dropout : float
        Chance that a channel is zeroed.
    """

    def __init__(self, *, plan: LevelPlan, inputs: int, channels: int, dropout: float) -> None:
        super().__init__()
        self.plan, self.dropout = plan, dropout
        self.first = _convolution(inputs, channels, stride=1)
        self.second = _convolution(channels, channels, stride=2)
        self.shortcut = nn.Identity() if inputs == channels else nn.Linear(inputs, channels)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Steps ``dilation`` apart, (B, n, C_in), to steps 2 x ``dilation`` apart, (B, m, C)."""
        middle = self._convolved(self.first, _newest(values, self.plan.middle + KERNEL - 1))
        deep = self._convolved(self.second, _newest(middle, 2 * (self.plan.out - 1) + KERNEL))
        same = _newest(values, 2 * self.plan.out - 1)[:, ::2]
        return functional.relu(deep + self.shortcut(same))

    def _convolved(self, convolution: nn.Module, values: torch.Tensor) -> torch.Tensor:
        # (B, C, 1, n) in channels-last memory is (B, n, C) itself: the fast layout, and nothing is copied.
        out = functional.relu(convolution(values.unsqueeze(1).permute(0, 3, 1, 2)))
        out = functional.dropout2d(out, self.dropout, self.training)
        return out.permute(0, 2, 3, 1).squeeze(1)


def _convolution(inputs: int, channels: int, *, stride: int) -> nn.Module:
    convolution = nn.Conv2d(inputs, channels, (1, KERNEL), stride=(1, stride))
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    assert convolution.bias is not None
    nn.init.zeros_(convolution.bias)
    return weight_norm(convolution)


def _newest(values: torch.Tensor, steps: int) -> torch.Tensor:
    """The newest ``steps``; zeros stand before a window's first step, in every layer."""
    missing = steps - values.shape[1]
    if missing > 0:
        return functional.pad(values, (0, 0, missing, 0))
    return values if missing == 0 else values[:, -steps:]
