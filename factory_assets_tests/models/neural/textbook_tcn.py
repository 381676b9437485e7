"""The network as the paper draws it: every step of every level, zeros on the left, nothing left out."""

import torch
from torch import nn
from torch.nn import functional


class TextbookTcn(nn.Module):
    """Logits of every step, (B, T, F) to (B, T, K), with the weights of a network of the factory."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, windows):
        values = windows.transpose(1, 2)
        for place, level in enumerate(self.network.levels):
            dilation = 2**place
            deep = values
            for convolution in (level.first, level.second):
                padded = functional.pad(deep, (2 * dilation, 0))
                weight = convolution.weight[:, :, 0]
                deep = functional.relu(functional.conv1d(padded, weight, convolution.bias, dilation=dilation))
            same = values
            if not isinstance(level.shortcut, nn.Identity):
                same = functional.conv1d(values, level.shortcut.weight[:, :, None], level.shortcut.bias)
            values = functional.relu(deep + same)
        return self.network.head(values.transpose(1, 2))


def random_network(*, steps, features=5, channels=7, classes=3, seed=0):
    """A network whose every weight, biases too, is drawn."""
    from factory_assets.models.neural.tcn_network import TcnNetwork

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = TcnNetwork(steps=steps, features=features, channels=channels, dropout=0.3, classes=classes)
        with torch.no_grad():
            for weight in network.parameters():
                weight.add_(0.3 * torch.randn_like(weight))
    return network.eval()
