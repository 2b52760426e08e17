"""Several chains of the sampler side by side: one sweep of all of them."""

from __future__ import annotations

import torch
from torch import Tensor

from .mechanism import propose
from .random import normal
from .state import State
from .truncated_normal import of_known_sign

#: one column's mechanism is sampled as a whole in one of so many sweeps
_RARELY = 5


class Chains(State):
    """K chains over one table, whose state each sweep draws anew, block by block."""

    def sweep(self, bend: bool) -> None:
        """Sample every block once, and the bends where these are still free."""
        decoder, forms, columns = self.decoder, self.forms, self.columns
        number = _RARELY * len(columns)
        place = int(torch.randint(number, (1,), generator=self.generator, device=self.u.device))
        if place < len(columns):
            propose(self, place, adapt=bend)
        self.z = self._latents()
        predicted = decoder.predicted(self.of_rows)
        score = self._missing_values(predicted)
        given = predicted, decoder.noise, self.u - score, forms.slope, columns
        if bend:
            self.bends.move(*given, True, self.generator, times=2)
            self.y = torch.where(self.bends.known, self.bends.y, self.y)
        self.y = self.bends.in_heaps(*given, self.y, self.generator)
        decoder.step(self.y, self.of_rows, self.generator)
        self.mixture.step(self.of_rows, self.generator)
        own, shared = self.z.tensor_split([decoder.weight.shape[-1]], -1)
        self.shared.step(shared, self.generator)
        self.u = forms.step(self.y[..., columns], self.z, self.u, self.generator)
        residual = self.u - forms.slope.unsqueeze(1) * self.y[..., columns] - forms.score(self.z)
        shared = self.shared.exchange(shared, forms, residual, self.generator)
        self.z = torch.cat([own, shared], -1)

    def _latents(self) -> Tensor:
        """Sample components and z given observed values and utilities, without missing values.

        A missing x_j with u_j = b_j + a_j x_j + c_j^T z + e informs z by
        u_j ~ Normal(b_j + a_j mu_j + (a_j w_j + c_j)^T z, 1 + a_j^2 sigma_j^2), and an observed one
        by u_j - a_j x_j ~ Normal(b_j + c_j^T z, 1), beside its density under the decoder.
        """
        information, shift = self.of_row()
        self.mixture.choose(information, self.pattern, shift, self.generator)
        return self.mixture.latents(information, self.pattern, shift, self.generator)

    def _missing_values(self, predicted: Tensor) -> Tensor:
        """Sample utilities with missing values integrated out, and then the missing values.

        Returns:
            The score without the part of the column itself, (K, n, q).
        """
        forms, columns, missing = self.forms, self.columns, self.missing
        slope, noise = forms.slope.unsqueeze(1), self.decoder.noise[:, columns].unsqueeze(1)
        score, mean = forms.score(self.z), predicted[..., columns]
        centre, sd = self._utilities(score, predicted)
        self.u = of_known_sign(centre, sd, missing, self.generator)
        precision = 1 / noise + slope.square()
        mean = (mean / noise + slope * (self.u - score)) / precision
        drawn = mean + normal(mean.shape, mean, self.generator) / precision.sqrt()
        self.y = self.y.index_copy(2, columns, torch.where(missing, drawn, self.y[..., columns]))
        return score

    def _utilities(self, score: Tensor, predicted: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and sd of u given z and x_o, with missing values integrated out, (K, n, q).

        Args:
            score: (K, n, q) the score without the part of the column itself.
            predicted: (K, n, p) the decoder's means.
        """
        slope, columns = self.forms.slope.unsqueeze(1), self.columns
        noise = self.decoder.noise[:, columns].unsqueeze(1)
        values = torch.where(self.missing, predicted[..., columns], self.y[..., columns])
        variance = torch.where(self.missing, 1 + slope.square() * noise, 1.0)
        return score + slope * values, variance.sqrt()
