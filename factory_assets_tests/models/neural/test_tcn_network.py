"""The network against the paper's drawing, known counts, causality and the reach of its newest step."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from factory_assets.models.neural.isolation import one_thread
from factory_assets.models.neural.tcn_network import LevelPlan, level_plans, receptive_field
from factory_assets_tests.models.neural.textbook_tcn import TextbookTcn, random_network


@given(st.integers(1, 70), st.integers(1, 9), st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_newest_step_is_the_textbook_one_in_value_and_gradient(steps, features, seed):
    network = random_network(steps=steps, features=features, seed=seed).double()
    generator = torch.Generator().manual_seed(seed)
    windows = torch.randn(4, steps, features, generator=generator, dtype=torch.float64)
    target = torch.tensor([0, 1, 2, 0])
    gradients = []
    with one_thread():
        for logits in (network(windows), TextbookTcn(network)(windows)[:, -1]):
            network.zero_grad()
            torch.nn.functional.cross_entropy(logits, target).backward()
            gradients.append([logits.detach()] + [weight.grad.clone() for weight in network.parameters()])
    for ours, textbook in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, textbook, rtol=1e-9, atol=1e-11)


def test_sixty_steps_take_four_levels_and_compute_what_is_listed_by_hand():
    # newest step 59; level 4 (8 apart) needs 59, 51, 43 in the middle and 59 ... 27 of level 3, and so on down
    assert level_plans(60) == (
        LevelPlan(dilation=1, middle=59, out=29),  # 1 ... 59, then 3, 5 ... 59
        LevelPlan(dilation=2, middle=27, out=13),  # 7, 9 ... 59, then 11, 15 ... 59
        LevelPlan(dilation=4, middle=11, out=5),  # 19, 23 ... 59, then 27, 35 ... 59
        LevelPlan(dilation=8, middle=3, out=1),
    )


def test_receptive_field_by_hand_and_fewest_levels():
    assert [receptive_field(levels) for levels in (1, 2, 3, 4, 5)] == [5, 13, 29, 61, 125]
    assert [len(level_plans(steps)) for steps in (1, 5, 6, 13, 14, 29, 30, 60, 61, 62, 120)] == [
        1, 1, 2, 2, 3, 3, 4, 4, 4, 5, 5,
    ]  # fmt: skip


@pytest.mark.parametrize("steps", [1, 5, 12, 13, 29, 60, 61])
def test_newest_output_sees_every_step_the_first_one_too(steps):
    network = random_network(steps=steps, channels=16)
    windows = torch.randn(8, steps, 5, generator=torch.Generator().manual_seed(1), requires_grad=True)
    network(windows).square().sum().backward()
    seen = windows.grad.abs().amax(dim=(0, 2))
    assert (seen > 0).all()


def test_one_step_more_than_the_reach_is_not_seen_by_fewer_levels():
    network = random_network(steps=61)
    windows = torch.randn(2, 70, 5, requires_grad=True)
    network(windows).sum().backward()
    assert (windows.grad[:, : 70 - 61] == 0).all()
    assert (windows.grad[:, 70 - 61] != 0).any()


@pytest.mark.parametrize("changed", [0, 1, 17, 40, 58, 59])
def test_changing_a_step_leaves_every_earlier_output_of_every_level(changed):
    steps = 60
    network = random_network(steps=steps)
    windows = torch.randn(1, steps, 5, generator=torch.Generator().manual_seed(2))
    other = windows.clone()
    other[:, changed] += 10.0
    for place, level in enumerate(network.levels):
        windows, other = level(windows), level(other)
        apart = 2 ** (place + 1)
        at = torch.arange(steps - 1, -1, -apart)[: windows.shape[1]].flip(0)
        assert torch.equal(windows[:, at < changed], other[:, at < changed])
    assert not torch.equal(windows[:, -1], other[:, -1])


def test_number_of_parameters_by_hand():
    # a convolution of kernel 3: directions C x C_in x 3, magnitudes C, biases C
    first = (32 * 150 * 3 + 32 + 32) + (32 * 32 * 3 + 64) + (150 * 32 + 32)
    later = 2 * (32 * 32 * 3 + 64)
    network = random_network(steps=60, features=150, channels=32)
    assert sum(weight.numel() for weight in network.parameters()) == first + 3 * later + (32 * 3 + 3) == 41_347


def test_level_without_a_change_of_width_passes_its_input_on():
    network = random_network(steps=5, features=7, channels=7)
    level = network.levels[0]
    with torch.no_grad():
        level.second.parametrizations.weight.original0.zero_()  # magnitude 0: the convolutions add nothing
        level.second.bias.zero_()
    windows = torch.rand(3, 5, 7)
    assert torch.equal(level(windows), windows[:, -1:])


def test_dropout_zeroes_whole_channels_in_training_only():
    network = random_network(steps=60, channels=64)
    level = network.levels[0].train()
    values = level._convolved(level.first, torch.rand(16, 61, 5) + 1.0)
    dead = (values == 0).all(dim=1)
    assert 0.2 < dead.float().mean() < 0.95
    windows = torch.randn(2, 60, 5)
    assert not torch.equal(network.train()(windows), network(windows))
    assert torch.equal(network.eval()(windows), network(windows))
