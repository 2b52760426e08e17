"""An oracle: imputation by a Gaussian fitted to the *complete* table, with the true mechanism.

No method that sees only the incomplete table can be expected to do better, except by a better model
of the margins. The difference from it is what a Gaussian method could still gain.
"""

from __future__ import annotations

import numpy as np
import torch

from ..data.system.process import seeded
from ..inference.integration.truncated import truncated_above


def truncated_gaussian(
    complete: np.ndarray,
    missing: np.ndarray,
    sweeps: int = 400,
    burn_in: int = 100,
    seed: int = 0,
) -> np.ndarray:
    """Estimate E[x_m | x_o, missing values above their column's mean], (n, p), by Gibbs sampling.

    Mean and covariance are those of the complete table, and the mechanism is
    ``amputation.above_mean``. Each sweep samples every missing cell from its normal conditional
    given the rest of the row, truncated to values above the mean of the column.

    Args:
        complete: (n, p) complete table.
        missing: (n, p) missing mask.
        sweeps: number of sweeps that are averaged.
        burn_in: number of sweeps before those.
        seed: seed of all random numbers.

    >>> import numpy as np
    >>> from absentia.experiments.oracle import truncated_gaussian
    >>> x = np.random.default_rng(0).normal(size=(200, 3))
    >>> missing = x > np.where(np.arange(3) == 0, x.mean(0), np.inf)
    >>> bool((truncated_gaussian(x, missing, 20, 5)[missing] > x[:, 0].mean()).all())
    True
    """
    centre, sd = complete.mean(0), complete.std(0)
    x = torch.as_tensor((complete - centre) / sd)
    hidden = torch.as_tensor(missing)
    precision = torch.linalg.inv(torch.as_tensor(np.cov(((complete - centre) / sd).T, ddof=0)))
    sds = precision.diagonal().rsqrt()
    columns = hidden.any(0).nonzero().flatten().tolist()
    state = torch.where(hidden, 0.8, x)
    total = torch.zeros_like(x)
    with seeded(seed):
        for sweep in range(sweeps + burn_in):
            for j in columns:
                rows = hidden[:, j]
                given = state[rows] @ precision[:, j] - state[rows, j] * precision[j, j]
                mean = -given * sds[j] ** 2
                state[rows, j] = mean + sds[j] * truncated_above(-mean / sds[j])
            if sweep >= burn_in:
                total += state
    filled = np.where(missing, (total / sweeps).numpy(), x.numpy())
    return np.asarray(np.where(missing, centre + sd * filled, complete))
