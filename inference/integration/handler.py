"""The handler that integrates the missing values out of a model.

Where s_j depends on the missing part of x only through x_j itself,

    p(s | x_o, z) = prod_{j observed} pi_j(x_j) * prod_{j missing} P_j(s_j = 0 | z),

a product of one-dimensional integrals. By Jensen the integrated bound is never below the sampled
one, and the variance of the weights never above.
"""

from __future__ import annotations

from typing import Any

from pyro.distributions import TorchDistribution
from pyro.poutine.messenger import Messenger
from torch import Size, Tensor
from torch.distributions import constraints

from ...data import Standardiser
from ...data.errors import InputError
from ...models.distributions.mask import MaskDistribution
from ...models.distributions.shapes import broadcast
from ...models.sites import S, X
from .conditionals import Tilted
from .dispatch import tilt


class IntegrationError(InputError):
    """The missing values of this model cannot be integrated out; they must be sampled.

    Attributes:
        draw: (p,) booleans, the columns that must be sampled; None for all.
    """

    def __init__(self, message: str, draw: Tensor | None = None) -> None:
        super().__init__(message)
        self.draw = draw


class IntegratedMask(TorchDistribution):
    """p(s | x_o, z) with the missing values integrated out, batch shape (K, n, p).

    It has a density at the observed mask only; :class:`integrate_out` replaces p(s | x) by it.
    """

    support = constraints.boolean
    arg_constraints: dict[str, Any] = {}  # noqa: RUF012

    def __init__(self, given: MaskDistribution, missing: Tensor, cells: Cells) -> None:
        self.given, self.missing, self.cells = given, missing, cells
        shape = broadcast(given.batch_shape, cells.batch_shape)
        super().__init__(shape, Size(), validate_args=False)

    def expand(self, batch_shape: Size, _instance: object = None) -> IntegratedMask:
        """Return the mask itself, whose batch shape is already the model's."""
        if Size(batch_shape) != self.batch_shape:
            raise NotImplementedError("an integrated mask has the batch shape of its model")
        return self

    def sample(self, sample_shape: Size | tuple[int, ...] = ()) -> Tensor:
        """Refuse to sample, since missing values were integrated out given this mask."""
        raise NotImplementedError(
            "a model whose missing values are integrated out gives the density of its mask, not "
            "draws; run it outside of integrate_out()"
        )

    def log_prob(self, value: Tensor) -> Tensor:
        """Return log pi_j(x_j) at observed cells, log P_j(s_j = 0 | z) at missing ones."""
        observed = self.given.log_prob(value).masked_fill(self.missing, 0.0)
        log_missing = self.cells.tilted.log_missing
        if log_missing.dim() == 0:
            return observed.expand(self.batch_shape)
        result = observed.expand(self.batch_shape).clone()
        index = (slice(None),) * (len(self.batch_shape) - 2) + (self.cells.rows, self.cells.columns)
        result[index] = log_missing.reshape(result[index].shape)
        return result

    def summed_log_prob(self, value: Tensor) -> Tensor:
        """Return :meth:`log_prob` summed over the columns, without a table of every particle."""
        total = self.given.summed_log_prob(value, ~self.missing)
        log_missing = self.cells.tilted.log_missing
        total = total.expand(self.batch_shape[:-1])
        if log_missing.dim() == 0:
            return total
        log_missing = log_missing.expand(*self.batch_shape[:-2], len(self.cells.rows))
        return total.scatter_add(-1, self.cells.rows.expand_as(log_missing), log_missing)


class Cells:
    """The missing cells of one run: their positions, and their conditional given missing."""

    def __init__(self, rows: Tensor, columns: Tensor, tilted: Tilted, batch_shape: Size) -> None:
        self.rows, self.columns, self.tilted, self.batch_shape = rows, columns, tilted, batch_shape


class integrate_out(Messenger):
    """Integrate x_unobserved out of the enclosed program, which need not be changed for it.

    After a run, ``handler.cells`` holds the missing cells and their conditional given missing, from
    which imputation takes moments and samples. The site ``x_unobserved`` remains with a
    placeholder and density one, so that the integrated program is still a Pyro program. Its joint
    density is p(x_o, s, z), and NUTS can run on it.

    Args:
        site: the name of x, whose parts are ``x_observed`` and ``x_unobserved``.
        mask_site: the name of the mask.
        draw: (p,) booleans, columns whose missing values are sampled instead, because the absence
            of another column depends on them; the rest is integrated out given these samples.
        units: the scaler of a table with warped columns, whose moments are then computed in the
            data's own units.

    Raises:
        IntegrationError: the decoder has no rule, or columns must be sampled that ``draw`` does not
            name; the error names them in its own ``draw``, which is None if all must be.

    >>> import torch
    >>> import absentia as ab
    >>> from absentia.inference import integrate_out
    >>> x = torch.tensor([[1.0, 2.0], [3.0, float("nan")], [0.0, 1.0]])
    >>> data = ab.IncompleteData.from_torch(x)
    >>> model = ab.NotMIWAE(data, latent_dim=1, hidden=[8])
    >>> with integrate_out() as handler:
    ...     _ = model.model(data.x, data.s)
    >>> handler.cells.tilted.moments()[0].shape
    torch.Size([1])
    """

    def __init__(
        self,
        site: str = X,
        mask_site: str = S,
        draw: Tensor | None = None,
        units: Standardiser | None = None,
    ) -> None:
        super().__init__()
        self.site, self.mask_site = site, mask_site
        self.draw, self.units = draw, units
        self.cells: Cells | None = None
        self._observed: Tensor | None = None
        self._unobserved: tuple[TorchDistribution, Tensor] | None = None
        self._mask_before: Any = None

    def __enter__(self) -> Any:
        """Begin a run, and forget the last one."""
        self.cells = self._observed = self._unobserved = self._mask_before = None
        return super().__enter__()

    def _pyro_sample(self, msg: Any) -> None:
        name = msg["name"]
        if name == f"{self.site}_observed":
            self._observed = msg["value"]
        elif name == f"{self.site}_unobserved" and not msg["is_observed"]:
            if self._observed is None:
                raise IntegrationError(f"site '{name}' has no observed part '{self.site}_observed'")
            self._unobserved = (msg["fn"], msg["mask"])
            if self.draw is not None:
                msg["mask"] = msg["mask"] & self.draw.to(msg["mask"].device)
                return
            # a placeholder that the decoder supports: the value that fills the table's own gaps
            msg["value"] = self._observed
            msg["is_observed"] = True
            msg["mask"] = False
            if self._mask_before is not None:
                self._given_mask()
        elif name == self.mask_site and self._unobserved is None:
            self._mask_before = msg
        elif name == self.mask_site and self._unobserved is not None:
            self._integrate_out(msg)
            self._unobserved = None
        elif msg["infer"].get("reads") == self.site and msg["is_observed"] and self._integrated:
            raise IntegrationError(
                f"site '{name}' reads all of '{self.site}', so '{self.site}_unobserved' cannot "
                f"be integrated out; use unobserved='sample'"
            )

    @property
    def _integrated(self) -> bool:
        return self.cells is not None and len(self.cells.rows) > 0

    def _integrate_out(self, msg: Any) -> None:
        assert self._unobserved is not None
        decoder, missing = self._unobserved
        mask = msg["fn"]
        if not isinstance(mask, MaskDistribution):
            raise IntegrationError(
                f"site '{self.mask_site}' does not come from a Missingness, so '{self.site}_"
                f"unobserved' cannot be integrated out; use unobserved='sample'"
            )
        if not msg["is_observed"]:
            raise IntegrationError(
                f"site '{self.mask_site}' must be observed to integrate the missing values out"
            )
        missing = missing.expand(decoder.batch_shape[-2:])
        self._check_draws(mask.missingness, missing)
        rows, columns = missing.nonzero(as_tuple=True)
        try:
            tilted = tilt(decoder, mask, msg["value"], rows, columns, self.draw, self.units)
        except TypeError as error:
            raise IntegrationError(
                f"site '{self.site}_unobserved': {error}; use unobserved='sample'"
            ) from error
        self.cells = Cells(rows, columns, tilted, decoder.batch_shape)
        if not mask.missingness.ignorable:
            msg["fn"] = IntegratedMask(mask, missing, self.cells)

    def _given_mask(self) -> None:
        """Integrate x where the mask comes first, and p(x_j | z, s_j = 0) is the decoder's own."""
        assert self._unobserved is not None
        fn = self._mask_before["fn"]
        if not isinstance(fn, MaskDistribution) or not fn.missingness.ignorable:
            raise IntegrationError(
                f"site '{self.mask_site}' stands before '{self.site}' and is not ignorable; use "
                f"unobserved='sample'"
            )
        decoder, missing = self._unobserved
        missing = missing.expand(decoder.batch_shape[-2:])
        rows, columns = missing.nonzero(as_tuple=True)
        seen = self._mask_before["value"]
        tilted = tilt(decoder, fn, seen, rows, columns, units=self.units)
        self.cells = Cells(rows, columns, tilted, decoder.batch_shape)
        self._unobserved = self._mask_before = None

    def _check_draws(self, mechanism: Any, missing: Tensor) -> None:
        """Check that the values on which the absence of other columns depends are sampled."""
        read = mechanism.dependence(missing.shape[-1]).sampled
        if not bool(read.any()):
            return
        needed = read & missing.any(0).cpu()
        if self.draw is not None:
            needed = needed & ~self.draw.cpu()
        if not bool(needed.any()):
            return
        partly = not bool(read.all())
        what = f"columns {needed.nonzero().flatten().tolist()}" if partly else "values"
        raise IntegrationError(
            f"site '{self.mask_site}': {type(mechanism).__name__} is not elementwise (a value's "
            f"absence may depend on other missing {what}), so '{self.site}_unobserved' cannot be "
            f"integrated out; use unobserved='sample'"
            + (" or 'auto', which draws these columns only" if partly else ""),
            draw=needed if partly else None,
        )
