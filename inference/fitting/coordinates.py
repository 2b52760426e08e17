"""Coordinates of a model's parameters in which its bound is about equally curved everywhere."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...data import IncompleteData
from ...data.system.process import seeded
from ...models.missingness import Missingness
from ...models.networks.decoders import LinearGaussianDecoder
from ...models.networks.residual import linear_part
from ...models.programs.base import RowModel

#: how many rows are sampled to measure the mechanism's information
_SAMPLED_ROWS = 256
#: more coefficients than that keep their own scale
_MOST_COEFFICIENTS = 512
#: by how much a coefficient is changed to measure its gradient
_DIFFERENCE = 1e-2
#: the least information per row about a coefficient, so that no direction becomes infinitely long
_LEAST = 1e-4
#: the least curvature that is believed
_LEAST_CURVATURE = 1e-3


class Coordinates:
    """Coordinates v of the parameters theta = T v, for models with a linear decoder.

    The information about theta that complete rows (x, z, s) would have, which the model itself
    gives, is about the identity in these coordinates. The bound's curvature is then between one and
    the share of the information that is left with values missing. L-BFGS in v, which is a
    quasi-Newton acceleration of EM (Jamshidian & Jennrich, JRSS B 1997), takes tens of iterations
    where columns that are nearly collinear, or a steep mechanism, ask for thousands in theta.

    The weights W and means of a linear Gaussian decoder are L times their coordinates, where
    L L^T = W W^T + sigma^2 I is the columns' covariance. The mechanism's parameters are T times
    theirs, where T T^T is the inverse of their Fisher information in rows sampled from the model.
    All other parameters are their own coordinates.

    Args:
        model: the model, whose present parameters determine T.
        data: the rows, from which the mechanism's other inputs are taken.
        seed: the seed of the sampled rows.
    """

    def __init__(self, model: RowModel, data: IncompleteData, seed: int) -> None:
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self._decoder, factors = [], {}
        linear = linear_part(model.decoder)
        if linear is not None:
            self._decoder = _positions(self.parameters, linear.mean.parameters())
            factors["decoder"] = _factor(linear.covariance())
        self._mechanism = _positions(self.parameters, model.missingness.parameters())
        information = _information(model, data, seed) if self._mechanism else None
        if information is not None:
            factors["mechanism"] = _factor(information).T.inverse()
        like = self.parameters[0]
        inverses = {name: factor.inverse().to(like.dtype) for name, factor in factors.items()}
        self.factors = {name: factor.to(like.dtype) for name, factor in factors.items()}
        #: S of :meth:`equalise`
        self.equal: Tensor | None = None
        self.values = [
            value.clone().requires_grad_()
            for value in self._mapped([p.detach() for p in self.parameters], inverses)
        ]

    def _mapped(self, tensors: list[Tensor], factors: dict[str, Tensor]) -> list[Tensor]:
        """Multiply the decoder's tensors and the mechanism's by a matrix each."""
        found = list(tensors)
        for k in self._decoder:
            found[k] = factors["decoder"] @ tensors[k]
        if "mechanism" in factors:
            own = _times(factors["mechanism"], [tensors[k] for k in self._mechanism])
            for k, piece in zip(self._mechanism, own, strict=True):
                found[k] = piece
        return found

    @torch.no_grad()
    def to_parameters(self) -> None:
        """Set the model's parameters to theta = T v."""
        mapped = self._mapped(self.inside(), self.factors)
        for parameter, value in zip(self.parameters, mapped, strict=True):
            parameter.copy_(value)

    @torch.no_grad()
    def take_gradients(self) -> None:
        """Set the gradients by v to T^T times those by theta, which the parameters hold."""
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.parameters]
        transposed = {name: factor.T for name, factor in self.factors.items()}
        mapped = self._mapped(gradients, transposed)
        if self.equal is not None:
            mapped = _times(self.equal.T, mapped)
        for value, gradient in zip(self.values, mapped, strict=True):
            value.grad = gradient.contiguous()

    def inside(self) -> list[Tensor]:
        """Return the coordinates v."""
        own = [value.detach() for value in self.values]
        return own if self.equal is None else _times(self.equal, own)

    @torch.no_grad()
    def equalise(self, curvature: Tensor) -> None:
        """Go on to coordinates u with v = S u, where S S^T is the inverse of a curvature.

        Args:
            curvature: (q, q) the second derivatives of the loss by all v in turn. Directions of
                less than a thousandth, which the data say nothing about, are taken to have that.
        """
        values, vectors = torch.linalg.eigh(curvature.double())
        root = values.clamp_min(_LEAST_CURVATURE).sqrt()
        like = self.values[0]
        start = _times((vectors * root).T.to(like), [v.detach() for v in self.values])
        self.equal = (vectors / root).to(like)
        for value, own in zip(self.values, start, strict=True):
            value.copy_(own)

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        values = [v.detach() for v in self.values]
        return {"factors": self.factors, "equal": self.equal, "values": values}

    @torch.no_grad()
    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a state that :meth:`state` returned."""
        self.factors, self.equal = dict(state["factors"]), state["equal"]
        for value, kept in zip(self.values, state["values"], strict=True):
            value.copy_(kept)


def _times(matrix: Tensor, tensors: list[Tensor]) -> list[Tensor]:
    """Multiply tensors, strung together, by a matrix."""
    together = matrix @ torch.cat([t.flatten() for t in tensors])
    pieces = together.split([t.numel() for t in tensors])
    return [piece.view_as(t) for piece, t in zip(pieces, tensors, strict=True)]


def _positions(parameters: list[Any], own: Any) -> list[int]:
    """Return where the parameters of a part stand among all."""
    theirs = {id(p) for p in own}
    return [k for k, parameter in enumerate(parameters) if id(parameter) in theirs]


def _factor(matrix: Tensor) -> Tensor:
    """Return L with L L^T = matrix, in double precision; the identity if there is none."""
    lower, failed = torch.linalg.cholesky_ex(matrix.double())
    if bool(failed) or not bool(lower.isfinite().all()):
        return torch.eye(len(matrix), dtype=torch.float64, device=matrix.device)
    return lower


@torch.no_grad()
def _information(model: RowModel, data: IncompleteData, seed: int) -> Tensor | None:
    """Return the Fisher information (q, q) per complete row about the mechanism's q parameters.

    It is the mean over sampled rows of the sum over columns of g g^T P / (1 - P), with P the
    probability that the value is observed and g the gradient of log P, by differences. None is
    returned where so many parameters would make this long.
    """
    mechanism = model.missingness
    learnt = {name: p.detach() for name, p in mechanism.named_parameters() if p.requires_grad}
    sizes = [p.numel() for p in learnt.values()]
    flat = torch.cat([p.flatten() for p in learnt.values()])
    if len(flat) > _MOST_COEFFICIENTS:
        return None
    rows = min(len(data), _SAMPLED_ROWS)
    x, context = _sampled(model, data, rows, seed)

    def log_observed(flat: Tensor) -> Tensor:
        pieces = flat.split(sizes)
        own = {n: v.view_as(learnt[n]) for n, v in zip(learnt, pieces, strict=True)}
        mask = torch.func.functional_call(mechanism, own, (x,), context)
        log_prob: Tensor = mask.log_prob(torch.ones_like(x))
        return log_prob.double()

    log_prob = log_observed(flat)
    gradient = []
    for k in range(len(flat)):
        moved = flat.clone()
        moved[k] += _DIFFERENCE
        gradient.append((log_observed(moved) - log_prob) / _DIFFERENCE)
    # a column that is never observed, or always, has no information: there the odds mean nothing
    odds = log_prob.exp() / -torch.expm1(log_prob.clamp(max=-1e-6))
    weighted = (torch.stack(gradient) * odds.sqrt()).flatten(1).nan_to_num(0.0, 0.0, 0.0)
    eye = torch.eye(len(flat), dtype=weighted.dtype, device=x.device)
    return weighted @ weighted.T / rows + _LEAST * eye


def _sampled(
    model: RowModel, data: IncompleteData, rows: int, seed: int
) -> tuple[Tensor, dict[str, Any]]:
    """Sample complete rows from the model, and return them with the mechanism's other inputs."""
    generator = torch.Generator().manual_seed(seed)
    like, p = data.x, len(data.columns)
    z = torch.randn(rows, model.prior.latent_dim, generator=generator).to(like)
    x_given_z = model.decoder(z)
    if isinstance(model.decoder, LinearGaussianDecoder):
        x = x_given_z.mean + x_given_z.stddev * torch.randn(rows, p, generator=generator).to(like)
    else:
        with seeded(seed):
            x = x_given_z.sample()
    mechanism: Missingness = model.missingness
    return x, mechanism.context(
        z=z, z_mask=None, covariates=data.extras(slice(rows)).get("covariates"), s=data.s[:rows]
    )
