"""Draws of all parameters of a model from their posterior, and what they say of the mechanism."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ...data import Standardiser
from ...models.missingness.averaged import FORMS, LOGIT
from ...models.programs.base import RowModel

#: what the form of a column without missing values is
NO_FORM = -1


@dataclass(frozen=True)
class Posterior:
    """M equally weighted draws from p(parameters, forms | x_o, s).

    Attributes:
        tensors: the parameters by their names in the model's ``state_dict``, each (M, ...).
        forms: (M, p) the form of each column, by its position in
            :data:`~absentia.models.missingness.averaged.FORMS`, -1 where nothing is missing.
        odds: (p, F) the posterior probabilities of the forms, 0 where nothing is missing.
        scaler: the standardisation of the model's columns under which the draws were made.
    """

    tensors: Mapping[str, Tensor]
    forms: Tensor
    odds: Tensor
    scaler: Standardiser

    def __len__(self) -> int:
        return len(self.forms)

    def __repr__(self) -> str:
        """Show the number of draws and of parameters."""
        size = sum(value[0].numel() for value in self.tensors.values())
        return f"Posterior({len(self)} draws of {size} parameters)"

    def chosen(self, count: int) -> list[int]:
        """Return the positions of ``count`` draws, evenly spread over all of them."""
        return np.linspace(0, len(self) - 1, count).round().astype(int).tolist()

    @torch.no_grad()
    def put(self, model: RowModel, draw: int) -> RowModel:
        """Give a model the parameters of one draw, in place, and return it."""
        state = model.state_dict()
        for name, values in self.tensors.items():
            state[name].copy_(values[draw])
        return model

    def table(self, columns: Sequence[str]) -> pd.DataFrame:
        """Tabulate, for every column with missing values, the probabilities of the forms.

        Beside them stand the mean and a 90 % interval of ``slope``: how much one standard deviation
        of the column's own value adds to the log-odds of being missing, averaged over the mask's
        own latent, in draws in which the own value matters; and ``together``, the share of what
        else decides that the column has in common with others through that latent.

        Args:
            columns: the names of the model's columns.
        """
        slopes = -LOGIT * self.tensors["missingness.slope"].double()
        shared = self.tensors.get("missingness.shared", slopes.new_zeros(*slopes.shape, 0))
        common = shared.double().square().sum(-1)  # beside noise of variance 1
        averaged = (slopes / (1 + common).sqrt()).cpu().numpy()
        together = (common / (1 + common)).mean(0).tolist()
        own = torch.tensor(["own value" in form for form in FORMS] + [False])[self.forms.cpu()]
        rows = {}
        for j, name in enumerate(columns):
            if not bool(self.odds[j].any()):
                continue
            drawn = averaged[own[:, j].numpy(), j]
            found = (np.nan, np.nan, np.nan)
            if len(drawn):
                low, high = np.quantile(drawn, [0.05, 0.95])
                found = (float(drawn.mean()), float(low), float(high))
            rows[name] = (*self.odds[j].tolist(), *found, together[j])
        names = [*FORMS, "slope", "slope_low", "slope_high", "together"]
        table = pd.DataFrame.from_dict(rows, orient="index", columns=names)
        table.index.name = "column"
        return table


#: how the tensors of a posterior are named in a saved fit, beside those of the model
_PREFIX = "posterior/"


def tensors_of_posterior(posterior: Posterior | None) -> dict[str, Tensor]:
    """Return the tensors of a posterior by the names under which a saved fit keeps them."""
    if posterior is None:
        return {}
    parts = {"forms": posterior.forms, "odds": posterior.odds}
    return {f"{_PREFIX}{name}": value for name, value in {**posterior.tensors, **parts}.items()}


def posterior_of_tensors(
    tensors: Mapping[str, Tensor], document: Mapping[str, Any]
) -> tuple[Posterior | None, dict[str, Tensor]]:
    """Return the posterior of a saved fit, None where there is none, and all other tensors."""
    found = {k.removeprefix(_PREFIX): v for k, v in tensors.items() if k.startswith(_PREFIX)}
    others = {k: v for k, v in tensors.items() if not k.startswith(_PREFIX)}
    if not found:
        return None, others
    forms, odds = found.pop("forms"), found.pop("odds")
    found.pop("chains", None)  # the weights of the chains, which did not always count alike
    scaler = Standardiser.from_dict(document["posterior_scaler"])
    return Posterior(found, forms, odds, scaler), others
