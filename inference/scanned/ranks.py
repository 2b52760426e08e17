"""Processes that fit one model together, each to parts of its own (torch.distributed)."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from ...data.errors import InputError


@dataclass(frozen=True)
class Ranks:
    """This process among those of a fit; by itself where there is one only.

    All processes take the same steps: gradients are averaged over them, so that a step is one of a
    minibatch that is as many times as large.

    Attributes:
        rank: the number of this process, from 0.
        world: the number of processes.
    """

    rank: int = 0
    world: int = 1

    @classmethod
    def of(cls, distributed: str | None) -> Ranks:
        """Join the processes that ``torchrun`` has started.

        Raises:
            ValueError: the argument is unknown, or the process was not started by ``torchrun``.
        """
        if distributed is None:
            return cls()
        if distributed != "ddp":
            raise InputError(f"distributed is {distributed!r}; give 'ddp', or leave it out")
        if not dist.is_available():
            raise InputError("this torch was built without torch.distributed; leave it out")
        if not dist.is_initialized():
            if "RANK" not in os.environ:
                raise InputError(
                    "distributed='ddp' is for processes that torchrun starts: "
                    "torchrun --nproc-per-node 2 script.py"
                )
            dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
        return cls(dist.get_rank(), dist.get_world_size())

    @property
    def first(self) -> bool:
        """Whether this process writes files and shows what is done."""
        return self.rank == 0

    def total(self, value: Tensor) -> Tensor:
        """Return the sum of a tensor over all processes, which is the same to the bit in each."""
        if self.world == 1:
            return value
        total = value.detach().clone()
        dist.all_reduce(total)
        return total

    def mean(self, value: Tensor) -> Tensor:
        """Return the mean of a tensor over all processes."""
        return value if self.world == 1 else self.total(value) / self.world

    def average(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Replace the gradients by their means over all processes, by one message.

        They are, to the bit, those of torch's ``DistributedDataParallel`` around the module of the
        bound (a test compares them), which took 4 to 11 % longer for a step here: its messages
        overlap with the backward pass, but a model of this kind has a few kilobytes of gradients.
        A parameter that some process did not use counts with a gradient of zero there; torch's
        wrapper raises an error, or must be told to look for such parameters in every step.
        """
        if self.world == 1:
            return
        learnt = [p for p in parameters if p.requires_grad]
        for p in learnt:
            if p.grad is None:
                p.grad = torch.zeros_like(p)
        gradients = [p.grad for p in learnt if p.grad is not None]
        mean = self.mean(torch.cat([g.flatten() for g in gradients]))
        for gradient, part in zip(
            gradients, mean.split([g.numel() for g in gradients]), strict=True
        ):
            gradient.copy_(part.view_as(gradient))

    def same_start(self, module: torch.nn.Module) -> None:
        """Give all processes the parameters and buffers of the first one."""
        if self.world > 1:
            for value in module.state_dict().values():
                dist.broadcast(value, 0)

    def wait(self) -> None:
        """Wait until all processes have come here."""
        if self.world > 1:
            dist.barrier()


#: one process by itself
ALONE = Ranks()
