"""The moving average of what is learned: the weights that a run gives away."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


class WeightAverage(AveragedModel):
    """Exponential moving average of some parameters, each on its own device; frozen ones beside them are not copied.

    parameters: followed in the order given. most: the decay in [0,1) in the long run; after n steps it is at most
    n / (9 + n), so that a young average forgets where the run began.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], most: float):
        followed = nn.ParameterList(parameters)

        def lerp(averages: list[Tensor], now: list[Tensor], count: Tensor) -> None:
            steps = int(count)
            torch._foreach_lerp_(averages, now, 1 - min(most, steps / (9 + steps)))

        super().__init__(followed, multi_avg_fn=lerp)
        self.followed = [followed]  # in a list, so that they are no parameters of the average
        self.goes_on_after(0)

    def goes_on_after(self, steps: int) -> None:
        """After so many steps; an average of none starts as what it follows, which counts as one."""
        self.n_averaged.fill_(1 + steps)

    def follow(self) -> None:
        """One step; call it after the optimisers'."""
        self.update_parameters(self.followed[0])

    @property
    def values(self) -> list[Tensor]:
        """The averages, in the order and shapes of the parameters: the tensors themselves, to read or to set."""
        return [value.detach() for value in self.module]
