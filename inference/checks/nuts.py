"""The posterior of a few rows by NUTS, to compare with importance sampling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import torch
from pyro import poutine
from pyro.infer import MCMC, NUTS
from pyro.ops.stats import effective_sample_size
from torch import Tensor

from ...data import IncompleteData
from ...data.arguments import checked_and_renamed
from ...data.errors import InputError
from ...data.renamed import Renamed
from ...data.system.process import seeded
from ...models.programs.base import RowModel
from ...models.sites import X_UNOBSERVED, Z_MASK, Z
from ..evaluating import computing, learning
from ..imputing.tables import imputed
from ..prepare import Fitted, prepared, programs_of
from ..uncertainty.laplace import exact

_MOST_DIMENSIONS = 500


@checked_and_renamed({"samples": Renamed("draws")})
def cross_check(
    fitted: Fitted,
    data: IncompleteData,
    *,
    rows: Any = 10,
    draws: int = 1000,
    warm_up: int = 500,
    particles: int = 5000,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare posterior means of missing cells by importance sampling and by NUTS.

    NUTS (Hoffman & Gelman, JMLR 2014) samples z and the missing values together from the model
    itself: no guide, no weights, nothing integrated out. Where both are right, differences are a
    few standard errors of both; values beyond 4 are a fault of one of them (a small ``ess`` of NUTS
    says which).

    Args:
        fitted: a fit, or a model.
        data: the table.
        rows: the number of rows with missing values to check, or their positions.
        draws: the number of posterior draws by NUTS, after ``warm_up`` others.
        warm_up: the number of draws in which NUTS adapts, which are not used.
        particles: importance samples per row.
        seed: the seed of the random numbers.

    Returns:
        One row per missing cell: ``row``, ``column``, ``importance`` and ``nuts`` means in the
        data's units, their standard errors ``importance_se`` and ``nuts_se``, NUTS's ``ess``, and
        the ``difference`` in standard errors of both.

    Raises:
        ValueError: a column is not continuous, a row has no missing value, or there are more than
            500 dimensions.

    >>> import numpy as np
    >>> import absentia as ab
    >>> rng = np.random.default_rng(0)
    >>> table = rng.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], size=40)
    >>> table[table[:, 0] > 0.5, 0] = np.nan
    >>> data = ab.IncompleteData.from_numpy(table)
    >>> model = ab.NotMIWAEPPCA(data, sign="+", latent_dim=1)
    >>> found = ab.check.cross_check(model, data, rows=2, draws=100, warm_up=100, particles=500)
    >>> list(found["column"])
    ['x0', 'x0']
    """
    model, data = prepared(fitted, data)
    odd = [column for column in data.schema if column.discrete]
    if odd:
        raise InputError(
            f"column '{odd[0].name}' is {odd[0].kind}, and NUTS moves real numbers only; check a "
            f"model of the continuous columns"
        )
    if model.trunk is not None and model.trunk.stochastic:
        raise InputError(
            "the model has a stochastic trunk, whose samples NUTS does not move; check a model "
            "with a deterministic one"
        )
    incomplete = np.flatnonzero((~data.s.cpu().numpy()).any(1))
    chosen = incomplete[:rows] if isinstance(rows, int) else np.asarray(rows)
    if not len(chosen) or not np.isin(chosen, incomplete).all():
        raise InputError("a row without a missing value was chosen; give incomplete rows only")
    model, few = exact(model, data.rows(chosen))
    programs = programs_of(model)
    potential = _Potential(programs.model, model, few)
    if potential.size > _MOST_DIMENSIONS:
        raise InputError(
            f"these rows have {potential.size} dimensions, more than {_MOST_DIMENSIONS}; give "
            f"fewer rows"
        )
    found = imputed(model, few, programs, particles, refine=True, draws=0, seed=seed)
    with computing(model), learning(), seeded(seed, few.x.device):
        kernel = NUTS(potential_fn=potential)
        start = {name: value.clone() for name, value in potential.start.items()}
        chain = MCMC(
            kernel, draws, warmup_steps=warm_up, initial_params=start, disable_progbar=True
        )
        chain.run()
        values = chain.get_samples()["x"].cpu()
    missing = tuple(part.cpu() for part in potential.cells)
    scale = np.asarray(few.scaler.scale)[missing[1].numpy()]
    ess = effective_sample_size(values[None]).numpy()
    at = few.scaler.invert_cells(values.numpy(), missing[1])
    nuts, nuts_se = at.mean(0), at.std(0) / np.sqrt(ess)
    place = tuple(part.numpy() for part in missing)
    by_weight, weight_se = found.mean[place], np.maximum(found.mcse[place], 1e-12 * scale)
    return pd.DataFrame(
        {
            "row": np.asarray(few.index)[place[0]],
            "column": np.asarray(few.columns)[place[1]],
            "importance": by_weight,
            "importance_se": weight_se,
            "nuts": nuts,
            "nuts_se": nuts_se,
            "ess": ess,
            "difference": (by_weight - nuts) / np.hypot(weight_se, nuts_se),
        }
    )


class _Potential:
    """The potential energy - log p(x_o, x_m, z, s) of some rows, given z and the missing cells."""

    def __init__(self, program: Callable[..., Any], model: RowModel, data: IncompleteData) -> None:
        self.program, self.data = program, data
        self.cells = (~data.s).nonzero(as_tuple=True)
        n, d = len(data), model.prior.latent_dim
        self.start = {
            "z": torch.zeros(n, d, dtype=data.x.dtype),
            "x": torch.zeros(len(self.cells[0]), dtype=data.x.dtype),
        }
        if model.missingness.mask_latent_dim:
            self.start["z_mask"] = torch.zeros(
                n, model.missingness.mask_latent_dim, dtype=data.x.dtype
            )
        self.size = sum(value.numel() for value in self.start.values())

    def __call__(self, at: dict[str, Tensor]) -> Tensor:
        x = self.data.x.clone()
        x[self.cells] = at["x"]
        given = {Z: at["z"], X_UNOBSERVED: x}
        if "z_mask" in at:
            given[Z_MASK] = at["z_mask"]
        program = poutine.condition(self.program, data=given)
        trace = poutine.trace(program).get_trace(self.data.x, self.data.s, **self.data.extras())
        return -trace.log_prob_sum()
