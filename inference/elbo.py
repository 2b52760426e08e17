"""The importance-weighted bound on the log-likelihood, as a Pyro ELBO."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch
from pyro.infer.elbo import ELBO
from torch import Tensor, nn

from ..data.arguments import checked_and_renamed
from ..data.errors import InputError
from ..data.renamed import INTEGRATION_MODE
from ..models.sites import MAX_PLATE_NESTING, ROWS
from .importance import Site, Weighted
from .integrator import Marginal, Unobserved, owner_of
from .vimco import has_scores, score_terms

Gradient = Literal["auto", "dreg", "iwae", "stl"]


class ImportanceWeightedELBO(ELBO):
    """L_K = scale * sum_i E[log (1/K) sum_k w_ik] + E[log p(g) - log q(g)] <= log p(x_o, s).

    w_ik are the importance weights of row i, and g the latent sites outside the rows plate (Burda,
    Grosse & Salakhutdinov, ICLR 2016; with missing values Ipsen et al., ICLR 2021, eq. 8).
    The scale N/B of a minibatch stands *outside* the logarithm, so that minibatches average to
    the value of the whole table; ``pyro.infer.RenyiELBO`` has it inside, where it tempers the
    weights. Sites outside the rows plate are sampled once for all particles.

    Args:
        num_particles: K, the number of importance samples per row, by the name that Pyro gives it.
        gradient: the gradient estimator. ``"iwae"`` differentiates the bound as it stands.
            ``"stl"`` (Roeder et al., 2017) leaves out the encoder's score (the gradient of log q by
            its parameters at fixed samples), which has less variance and is biased for K > 1.
            ``"dreg"`` (Tucker et al., ICLR 2019) leaves it out, too, and weighs the rest of the
            encoder's gradient by the squared weights, without bias. ``"auto"`` is dreg from K = 5
            on, else iwae. DReG and STL need guide sites that are reparameterised and independent
            given the data.
        unobserved: what happens to the missing values: ``"integrate"`` integrates them out, and
            raises an error where that is impossible; ``"sample"`` samples them; ``"auto"``
            integrates them out where possible and samples them elsewhere.
        row_plate: the name of the plate of the rows.
        max_plate_nesting: the number of plate dimensions; particles stand in the one left of them.

    It is used like any other ELBO of Pyro, with ``SVI`` or as a module:

    >>> import torch
    >>> import absentia as ab
    >>> x = torch.tensor([[1.0, 2.0], [3.0, float("nan")], [0.0, 1.0]])
    >>> data = ab.IncompleteData.from_torch(x)
    >>> model = ab.NotMIWAE(data, latent_dim=1, hidden=[8])
    >>> loss = ab.ImportanceWeightedELBO(num_particles=20)(model.model, model.guide)
    >>> optimiser = torch.optim.Adam(loss.parameters(), 1e-3)
    >>> loss(data.x, data.s).backward(); optimiser.step()

    Raises:
        ValueError: an option is unknown, or a site does not have the gradient that is asked for;
            the message names the site.
    """

    @checked_and_renamed(INTEGRATION_MODE)
    def __init__(
        self,
        num_particles: int = 20,
        gradient: Gradient = "auto",
        unobserved: Unobserved = "auto",
        row_plate: str = ROWS,
        max_plate_nesting: int = MAX_PLATE_NESTING,
    ) -> None:
        if num_particles < 1:
            raise InputError(f"num_particles is {num_particles}; give at least 1")
        if gradient not in ("auto", "dreg", "iwae", "stl"):
            raise InputError(f"gradient is {gradient!r}; give auto, dreg, iwae or stl")
        super().__init__(num_particles=num_particles, max_plate_nesting=max_plate_nesting)
        self.gradient = (
            ("dreg" if num_particles >= 5 else "iwae") if gradient == "auto" else gradient
        )
        #: whether a model whose samples have no gradient may be fitted by "iwae" instead
        self._may_change = gradient == "auto"
        self.marginal = Marginal(unobserved)
        self.row_plate = row_plate
        #: models that sample discrete values, whose gradient needs score terms
        self._scored: weakref.WeakSet[Any] = weakref.WeakSet()
        #: per model, the names of guide sites that were found not to depend on each other
        self._independent: weakref.WeakKeyDictionary[Any, tuple[str, ...]] = (
            weakref.WeakKeyDictionary()
        )

    def __call__(self, model: Any, guide: Any) -> ELBOWithParameters:
        """Return a module that computes the loss and holds the model's and guide's parameters."""
        return ELBOWithParameters(model, guide, self)

    def __getstate__(self) -> dict[str, Any]:
        """Drop the per-model caches; they are rebuilt on use."""
        return {**self.__dict__, "_scored": None, "_independent": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the state with empty per-model caches."""
        self.__dict__.update(state)
        self._scored = weakref.WeakSet()
        self._independent = weakref.WeakKeyDictionary()

    def found(self, model: Any) -> dict[str, Any]:
        """Return what earlier runs found out about a model, to be kept in a checkpoint.

        ``scored`` says whether it samples discrete values, ``drawn`` which missing values are
        sampled (see :meth:`Marginal.found`). A resumed run must not find this out again: that
        would use random numbers, and its minibatches might not show it.
        """
        scored = owner_of(model) in self._scored
        return {"scored": scored, "drawn": self.marginal.found(model)}

    def take_as_found(
        self, model: Any, found: Mapping[str, Any], device: torch.device | str = "cpu"
    ) -> None:
        """Continue with what :meth:`found` returned in an earlier run."""
        if found["scored"]:
            self._scored.add(owner_of(model))
        drawn = found["drawn"]
        drawn = drawn.to(device) if isinstance(drawn, Tensor) else drawn
        self.marginal.take_as_found(model, drawn)

    def weighted(
        self, model: Callable[..., Any], guide: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Weighted:
        """Return importance weights under this ELBO's options, with their plain gradient."""
        return self._run(model, guide, args, kwargs, path_only=False)

    def bound(self, model: Any, guide: Any, *args: Any, **kwargs: Any) -> Tensor:
        """Return the bound per row, (n,), unscaled, without global terms or gradients."""
        with torch.no_grad():
            return log_mean_exp(self.weighted(model, guide, *args, **kwargs).log_weight)

    def loss(self, model: Any, guide: Any, *args: Any, **kwargs: Any) -> float:
        """Return minus the bound, as a number."""
        with torch.no_grad():
            return float(self._value(self.weighted(model, guide, *args, **kwargs)))

    def differentiable_loss(self, model: Any, guide: Any, *args: Any, **kwargs: Any) -> Tensor:
        """Return minus the bound, whose gradient is the estimator that was asked for."""
        owner = owner_of(model)
        gradient = "iwae" if owner in self._scored else self.gradient
        run = self._run(model, guide, args, kwargs, path_only=gradient != "iwae")
        _refuse_without_gradient(run)
        scored = has_scores(run)
        if scored and gradient != "iwae":
            if not self._may_change:
                raise InputError(
                    f"gradient={gradient!r} needs reparameterised samples, and this model samples "
                    f"discrete values; give gradient='iwae' or 'auto'"
                )
            self._scored.add(owner)
            return self.differentiable_loss(model, guide, *args, **kwargs)
        if gradient == "dreg":
            samples = _samples_with_gradient(run)
            if self._independent.get(owner) != tuple(samples):  # a program's sites do not change
                _refuse_dependent(samples)
                self._independent[owner] = tuple(samples)
            _weigh_gradients(samples, torch.softmax(run.log_weight.detach(), 0))
        # all three estimators start from the gradient of log mean_k w_k by log w_k, which is the
        # normalised weight w~_k
        value = self._value(run)
        return value - run.scale * score_terms(run).sum() if scored else value

    def loss_and_grads(self, model: Any, guide: Any, *args: Any, **kwargs: Any) -> float:
        """Return minus the bound as a number, and add to the gradients of the parameters."""
        loss = self.differentiable_loss(model, guide, *args, **kwargs)
        if loss.requires_grad:
            loss.backward()
        return loss.item()

    def _get_trace(self, model: Any, guide: Any, args: Any, kwargs: Any) -> Any:
        raise NotImplementedError(
            "this bound is computed without traces; use weighted() for the importance weights"
        )

    @staticmethod
    def _value(run: Weighted) -> Tensor:
        return -run.scale * log_mean_exp(run.log_weight).sum() - run.log_global

    def _run(self, model: Any, guide: Any, args: Any, kwargs: Any, path_only: bool) -> Weighted:
        return self.marginal.run(
            model,
            guide,
            *args,
            num_particles=self.num_particles,
            path_only=path_only,
            row_plate=self.row_plate,
            max_plate_nesting=self.max_plate_nesting,
            **kwargs,
        )[0]


class ELBOWithParameters(nn.Module):
    """The loss of a model and guide, as a module for torch optimisers.

    ``model`` and ``guide`` may be modules or methods of modules; the parameters are those of these
    modules.
    """

    def __init__(self, model: Any, guide: Any, elbo: ImportanceWeightedELBO) -> None:
        super().__init__()
        # a program may be a method, which torch does not register; its owner is registered below
        self.__dict__["programs"] = (model, guide)
        owners = [owner_of(program) for program in (model, guide)]
        self.owners = nn.ModuleList(dict.fromkeys(o for o in owners if isinstance(o, nn.Module)))
        self.elbo = elbo

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        """Return minus the bound, which is differentiable."""
        model, guide = self.__dict__["programs"]
        return self.elbo.differentiable_loss(model, guide, *args, **kwargs)


def log_mean_exp(log_weight: Tensor) -> Tensor:
    """Return log (1/K) sum_k w_ik: (K, n) -> (n,).

    >>> import torch
    >>> from absentia.inference.elbo import log_mean_exp
    >>> log_mean_exp(torch.zeros(5, 2))
    tensor([0., 0.])
    """
    return log_weight.logsumexp(0) - math.log(len(log_weight))


def _refuse_without_gradient(run: Weighted) -> None:
    """Refuse discrete sites that no gradient estimator of this module serves."""
    for name, site in {**run.sites, **run.globals}.items():
        proposed = site.in_guide or site.row_dim is None
        if site.is_observed or site.fn.has_rsample or not proposed:
            continue
        raise InputError(
            f"site '{name}' ({type(site.fn).__name__}) cannot be fitted: discrete sites of the "
            f"guide, and discrete sites outside the plate of the rows, have no reparameterised "
            f"gradient; sum over the site's values in the model instead of sampling them"
        )


def _samples_with_gradient(run: Weighted) -> dict[str, Site]:
    """Return the sites that the guide samples, where a gradient reaches the samples, by name."""
    return {
        name: site
        for name, site in run.sites.items()
        if site.in_guide and not site.is_observed and site.value.requires_grad
    }


def _refuse_dependent(samples: Mapping[str, Site]) -> None:
    """Refuse guide sites that depend on each other, which the DReG gradient does not support."""
    sites = list(samples.items())
    for later in range(1, len(sites)):
        name, site = sites[later]
        for earlier_name, earlier in sites[:later]:
            if _depends(site.value, earlier.value):
                raise InputError(
                    f"guide site '{name}' depends on guide site '{earlier_name}', which the DReG "
                    f"gradient does not support; give gradient='iwae'"
                )


def _weigh_gradients(samples: Mapping[str, Site], share: Tensor) -> None:
    """Multiply the gradient that reaches the guide's samples by the normalised weights w~.

    The gradient of the loss has a factor w~ already, so that DReG's w~^2 results.

    Args:
        samples: the sites whose samples get the factor.
        share: (K, n) the normalised weights.
    """
    for site in samples.values():
        assert site.row_dim is not None
        shape = [1] * site.value.dim()
        shape[0], shape[site.row_dim - site.fn.event_dim] = share.shape
        weight = share.reshape(shape)
        site.value.register_hook(lambda grad, weight=weight: grad * weight)


def _depends(value: Tensor, earlier: Tensor) -> bool:
    """Whether a gradient flows from ``value`` to ``earlier``."""
    (grad,) = torch.autograd.grad(value.sum(), earlier, retain_graph=True, allow_unused=True)
    return grad is not None
