"""Importance weights, by running the guide and then the model; no other module computes them.

The log-weight of row i and particle k, one of K samples of the latents, is

    log w_ik = log p(x_o, s, z_k, ...) - log q(z_k, ...).

A latent site that the guide does not sample is proposed from the model itself, so that it cancels.
One Pyro handler is active while the guide and then the model run; it adds up log-densities site by
site, and keeps no trace.

Shapes at a site with rows at dim -2 and columns at dim -1 (K particles, n rows, p columns):

    fn.batch_shape   sampled by      value        log_prob     summed to
    1.  (n, p)       rsample((K,))   (K, n, p)    (K, n, p)    (K, n)
    2.  (K, n, p)    rsample(())     (K, n, p)    (K, n, p)    (K, n)
    3.  (n, p)       observed        (n, p)       (n, p)       (n,), broadcast
    4.  outside the rows plate: global, sampled once for all particles, summed separately
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from pyro.poutine.messenger import Messenger
from pyro.poutine.subsample_messenger import _Subsample
from torch import Tensor

from ..data.errors import InputError
from ..data.system.process import one_at_a_time
from ..models.sites import MAX_PLATE_NESTING, ROWS
from .densities import log_density, log_prob_without_score, summed_log_density
from .randomness.noise import Noise


class WeightError(InputError):
    """Model and guide define no importance weights per row; the message names the site."""


class Site(NamedTuple):
    """The record of one sample site after a run."""

    fn: Any
    value: Tensor
    mask: Tensor | bool | None
    in_guide: bool
    is_observed: bool
    row_dim: int | None


class Weighted(NamedTuple):
    """The importance weights of one run.

    Attributes:
        log_weight: (K, n) log-weights per particle and row.
        scale: the factor N/B of a minibatch of B of N rows, times those of ``poutine.scale``. It
            multiplies the logarithm of the mean weight and is in no weight itself.
        sites: the sites of model and guide inside the rows plate, by name.
        globals: the sites outside the rows plate, by name.
        log_global: log p - log q of the sites outside the rows plate, summed and scaled.
    """

    log_weight: Tensor
    scale: Tensor | float
    sites: dict[str, Site]
    globals: dict[str, Site]
    log_global: Tensor


def weights(
    model: Callable[..., Any],
    guide: Callable[..., Any],
    *args: Any,
    num_particles: int,
    path_only: bool = False,
    row_plate: str = ROWS,
    max_plate_nesting: int = MAX_PLATE_NESTING,
    noise: Noise | None = None,
    **kwargs: Any,
) -> Weighted:
    """Run ``guide`` and ``model`` once with K particles and return the importance weights.

    Args:
        model: the generative program.
        guide: the program that proposes its latent sites.
        args: positional arguments of both programs.
        num_particles: K.
        path_only: leave the guide's score (the gradient of log q by its parameters at fixed
            samples) out, so that gradients reach these parameters only through the samples; the
            gradient estimators DReG and STL need that.
        row_plate: the name of the plate of the rows.
        max_plate_nesting: the number of plate dimensions; particles stand in the one left of them.
        noise: the source of the rows' random numbers, such as quasi-random points; when left out,
            each site's own distribution samples them.
        kwargs: arguments of both programs by name.

    Raises:
        WeightError: the guide has a site that the model does not have, sites of the rows have
            different scales, or a plate stands in the dimension of the particles.

    >>> import torch
    >>> import absentia as ab
    >>> x = torch.tensor([[1.0, 2.0], [3.0, float("nan")], [0.0, 1.0]])
    >>> data = ab.IncompleteData.from_torch(x)
    >>> model = ab.NotMIWAE(data, latent_dim=1, hidden=[8])
    >>> run = ab.inference.weights(model.model, model.guide, data.x, data.s, num_particles=5)
    >>> run.log_weight.shape
    torch.Size([5, 3])
    """
    handler = _Weigher(num_particles, path_only, row_plate, max_plate_nesting, noise)
    if noise is not None:
        noise.start(num_particles)
    with one_at_a_time(), handler:
        guide(*args, **kwargs)
        handler.start_model()
        model(*args, **kwargs)
    return handler.finish()


class _Weigher(Messenger):
    """The handler that samples latents for all particles and adds up log-densities per row."""

    def __init__(
        self,
        num_particles: int,
        path_only: bool,
        row_plate: str,
        max_plate_nesting: int,
        noise: Noise | None = None,
    ) -> None:
        super().__init__()
        self.noise = noise
        self.num_particles = num_particles
        self.path_only = path_only
        self.row_plate = row_plate
        self.nesting = max_plate_nesting
        self.in_guide = True
        self.log_weight: Tensor | None = None
        self.log_global: Tensor | None = None
        self.scale: Tensor | float | None = None
        self.rows = 0
        self.sites: dict[str, Site] = {}
        self.globals: dict[str, Site] = {}
        #: sites of the guide that the model has not replayed yet
        self.guided: dict[str, Site] = {}
        #: the rows of a minibatch by plate, which guide and model share
        self.subsamples: dict[str, Any] = {}
        #: sites of the guide that the model need not have
        self.auxiliary: set[str] = set()

    def start_model(self) -> None:
        """Switch from the guide to the model, which replays the guide's sites."""
        self.in_guide = False
        self.guided = {**self.sites, **self.globals}

    def finish(self) -> Weighted:
        """Return the weights, once both programs have run."""
        unused = [name for name in self.guided if name not in self.auxiliary]
        if unused:
            raise WeightError(
                f"the guide samples site '{unused[0]}', which the model does not have; give it the "
                f"name of a site of the model, or mark it with infer={{'is_auxiliary': True}}"
            )
        if self.log_weight is None:
            raise WeightError(
                f"no sample site stands in a plate named '{self.row_plate}'; put the rows' sites "
                f"into one, or name the plate that they stand in by row_plate="
            )
        log_weight = self.log_weight.expand(self.num_particles, self.rows)
        log_global = log_weight.new_zeros(()) if self.log_global is None else self.log_global
        scale = 1.0 if self.scale is None else self.scale
        return Weighted(log_weight, scale, self.sites, self.globals, log_global)

    def _pyro_sample(self, msg: Any) -> None:
        fn = msg["fn"]
        if type(fn) is _Subsample:
            self._subsample(msg)
            return
        if msg["infer"] and msg["infer"].get("_deterministic"):
            return
        row_dim = None
        for frame in msg["cond_indep_stack"]:
            if frame.name == self.row_plate:
                row_dim = frame.dim
                self.rows = frame.size
            if frame.dim is not None and frame.dim < -self.nesting:
                raise WeightError(
                    f"site '{msg['name']}' stands in plate '{frame.name}' at dim {frame.dim}, "
                    f"which is the dimension of the particles; give max_plate_nesting={-frame.dim}"
                )
        name = msg["name"]
        if not msg["is_observed"] and msg["infer"].get("was_observed"):
            raise WeightError(
                f"the observation of site '{name}' was taken away by poutine.uncondition, and "
                f"there are no weights without it; leave out poutine.uncondition"
            )
        replayed = self.guided.pop(name, None)
        if replayed is not None:
            msg["value"] = replayed.value
            msg["done"] = True
        elif not msg["is_observed"] and msg["value"] is None:
            msg["value"] = self._draw(name, fn, row_dim)
            msg["done"] = True
        self._add(msg, row_dim, proposed=replayed is not None)

    def _subsample(self, msg: Any) -> None:
        """Make the model's plates use the guide's subsample."""
        name = msg["name"]
        if msg["value"] is None:
            msg["value"] = self.subsamples.get(name)
        if msg["value"] is None:
            msg["value"] = msg["fn"]()
        msg["done"] = True
        self.subsamples[name] = msg["value"]

    def _draw(self, name: str, fn: Any, row_dim: int | None) -> Tensor:
        """Sample a site, for each particle if it stands in the rows plate."""
        sample = fn.rsample if fn.has_rsample else fn.sample
        if row_dim is None:
            value: Tensor = sample()  # global: sampled once for all particles
            return value
        if self.noise is not None:
            return self.noise.draw(name, fn)
        missing_dims = self.nesting - len(fn.batch_shape)
        if missing_dims >= 0:
            value = sample((self.num_particles,) + (1,) * missing_dims)
            return value
        if missing_dims == -1 and fn.batch_shape[0] in (1, self.num_particles):
            if fn.batch_shape[0] != self.num_particles:
                fn = fn.expand((self.num_particles, *fn.batch_shape[1:]))
                sample = fn.rsample if fn.has_rsample else fn.sample
            value = sample()
            return value
        raise WeightError(
            f"site '{name}' has batch shape {tuple(fn.batch_shape)}; at most "
            f"{self.nesting} plate dimensions fit right of the particles"
        )

    def _add(self, msg: Any, row_dim: int | None, proposed: bool) -> None:
        """Add the site's log-density per row, or subtract it in the guide."""
        name, fn, value, mask = msg["name"], msg["fn"], msg["value"], msg["mask"]
        observed = msg["is_observed"]
        site = Site(fn, value, mask, self.in_guide or proposed, observed, row_dim)
        (self.sites if row_dim is not None else self.globals)[name] = site
        if self.in_guide and msg["infer"].get("is_auxiliary"):
            self.auxiliary.add(name)
        # a latent site that only the model samples is its own proposal: it cancels
        counts = self.in_guide or proposed or observed
        if not counts or mask is False:
            return
        score = not (self.in_guide and self.path_only and not observed)
        if row_dim == -2 and self.nesting == 2 and 2 <= max(value.dim(), len(fn.batch_shape)) <= 3:
            total = summed_log_density(fn, value, mask, score)
            if total is not None:
                self._add_to_rows(name, total, msg["scale"])
                return
        log_prob = log_density(fn, value) if score else log_prob_without_score(fn, value)
        if isinstance(mask, Tensor):
            log_prob = log_prob.masked_fill(~mask, 0.0)
        if row_dim is None:
            plates = max((-f.dim for f in msg["cond_indep_stack"] if f.dim is not None), default=0)
            if log_prob.dim() > plates:
                raise WeightError(
                    f"site '{name}' has batch dimensions that no plate declares; put it into plate "
                    f"'{self.row_plate}' if it differs between rows, else call to_event() on its "
                    f"distribution"
                )
            term = log_prob.sum() * msg["scale"]
            term = -term if self.in_guide else term
            self.log_global = term if self.log_global is None else self.log_global + term
            return
        self._add_to_rows(name, self._per_row(name, log_prob, row_dim), msg["scale"])

    def _add_to_rows(self, name: str, row_term: Tensor, scale: Any) -> None:
        self._check_scale(name, scale)
        if self.log_weight is None:
            self.log_weight = -row_term if self.in_guide else row_term
        elif self.in_guide:
            self.log_weight = self.log_weight - row_term
        else:
            self.log_weight = self.log_weight + row_term

    def _check_scale(self, name: str, scale: Any) -> None:
        if isinstance(scale, Tensor) and scale.dim() > 0:
            raise WeightError(
                f"site '{name}' has a scale of shape {tuple(scale.shape)}; give one number, since "
                f"the scale stands outside the logarithm"
            )
        if self.scale is None:
            self.scale = scale
        elif scale is not self.scale and not _same(scale, self.scale):
            raise WeightError(
                f"site '{name}' has scale {float(scale):g} and another site of the same rows has "
                f"{float(self.scale):g}; give both the same scale, since it stands outside the "
                f"logarithm (to temper one density, write it as a distribution of its own)"
            )

    def _per_row(self, name: str, log_prob: Tensor, row_dim: int) -> Tensor:
        """Sum a site's log-densities over all plate dimensions but that of the rows."""
        dims = log_prob.dim()
        if dims > self.nesting + 1:
            raise WeightError(
                f"site '{name}' has log-densities of shape {tuple(log_prob.shape)}; at most "
                f"{self.nesting} plate dimensions fit right of the particles"
            )
        others = [d for d in range(-1, -self.nesting - 1, -1) if d != row_dim and -d <= dims]
        return log_prob.sum(others) if others else log_prob


def _same(a: Any, b: Any) -> bool:
    return float(a) == float(b)
