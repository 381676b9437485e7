"""torch's process-wide switches, set for one fit or prediction and put back: threads, generators, cuDNN's choices."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

_FIT = threading.RLock()
"""Generators and thread counts belong to the process: two fits in two threads would draw from each other's."""


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """Where a fit computes.

    Attributes
    ----------
    device : str
        ``cpu`` or ``cuda``.
    bf16 : bool
        Whether matrix products run in bfloat16 (weights, losses and the optimizer stay float32).
    """

    device: str
    bf16: bool

    @property
    def name(self) -> str:
        """The device, a GPU with its kind: another kind ends in other last bits."""
        import torch

        return f"cuda {torch.cuda.get_device_name()}" if self.device == "cuda" else self.device

    @classmethod
    def present(cls) -> Self:
        """The GPU, in bfloat16 where it supports it, when there is one; else the CPU in float32."""
        import torch

        if not torch.cuda.is_available():
            return cls(device="cpu", bf16=False)
        return cls(device="cuda", bf16=torch.cuda.is_bf16_supported())


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch on one CPU thread: sums split over threads would end in other last bits."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def isolated_fit(runtime: Runtime) -> Iterator[None]:
    """One thread, deterministic kernels, and torch's generators as they were before, whatever the fit draws."""
    import torch

    on_gpu = runtime.device == "cuda"
    devices = [torch.cuda.current_device()] if on_gpu else []
    with (
        _FIT,
        one_thread(),
        torch.random.fork_rng(devices=devices),
        torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False),
    ):
        yield
