"""The uncertainty of a mechanism: its coefficients with standard errors and intervals."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pandas as pd
import torch

from ...data import IncompleteData
from ...data.arguments import checked_and_renamed
from ...data.errors import AbsentiaWarning, InputError
from ...data.renamed import INTEGRATION_MODE
from ..evaluating import computing, learning
from ..prepare import Fitted
from .laplace import Maximum, Target
from .parameters import maximum_of, target_of

#: all three are in standard errors. Up to this distance from the fit to the maximum, the guide can
#: be trusted
_FAR = 5.0
#: a score beyond this shows that the given direction holds a coefficient at zero
_HELD_BACK = 1.0
#: an estimate that is farther from its maximum gets a warning
_MOVING = 0.5


@checked_and_renamed(INTEGRATION_MODE)
def coefficient_posterior(
    fitted: Fitted,
    data: IncompleteData,
    *,
    decoder: str = "joint",
    particles: int = 25,
    polish: int = 3,
    unobserved: str = "auto",
    level: float = 0.9,
    seed: int = 0,
) -> pd.DataFrame:
    """Return estimates, standard errors and intervals of the mechanism's coefficients.

    This is a Laplace approximation: a Normal around the fit, whose covariance is the inverse of
    the observed information of log p(x_o, s). Decoder and mechanism are taken together, so that
    the uncertainty about p(x) counts (intervals that hold the decoder fixed are too narrow under
    MNAR). log p(x_o, s) is the importance-weighted bound with the same random numbers throughout,
    and its second derivatives are differences of gradients. Priors of coefficients are part of it;
    scales of random effects are held at their estimates. Where a direction is declared, intervals
    end at zero.

    A warning is given where the fit is at no maximum, and where a declared direction decides an
    interval.

    >>> import numpy as np
    >>> import absentia as ab
    >>> rng = np.random.default_rng(0)
    >>> rows = rng.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], size=300)
    >>> rows[rng.random(300) < 1 / (1 + np.exp(-2 * rows[:, 1])), 0] = np.nan
    >>> data = ab.IncompleteData.from_numpy(rows, columns=["a", "b"])
    >>> fitted = ab.fit(ab.NotMIWAEPPCA(data, "a ~ b"), data, steps=300, progress=False)
    >>> table = ab.inference.coefficient_posterior(fitted, data)
    >>> bool(table.loc["a ~ b", "lower"] < 2 < table.loc["a ~ b", "upper"])
    True

    Args:
        fitted: a fit, or a model.
        data: the table that it was fitted to.
        level: the probability that the intervals contain.
        particles: importance samples per row.
        polish: the number of Newton steps towards the maximum with one information matrix; where
            they lead far, as many again follow with a new matrix. A stochastic fit ends near its
            maximum.
        decoder: ``"joint"``, or ``"fixed"`` to take p(x | z) as known (for networks).
        unobserved: as for :class:`absentia.ImportanceWeightedELBO`.
        seed: the seed of the random numbers.

    Returns:
        One row per coefficient, with ``estimate``, ``sd``, ``lower`` and ``upper``, for the
        log-odds of being **missing** in the data's own units. Rows are named like
        ``"income ~ age"``; parameters of networks and of a mechanism of your own are reported as
        they are.

    Raises:
        ValueError: the mechanism has nothing to estimate, or the model has more than 600 parameters
            and ``decoder`` is ``"joint"``.
    """
    if not 0 < level < 1:
        raise InputError(f"level is {level}; give a probability such as 0.9")
    target = target_of(fitted, data, decoder, particles, unobserved, seed)
    if not target.mechanism_size:
        raise InputError(
            f"a {type(target.model.missingness).__name__} has no coefficient to estimate, since "
            f"all are given; declare a mechanism with a coefficient that is learnt"
        )
    found = maximum_of(target, polish, target.digest(polish))
    with computing(target.model), learning():
        return _table(target, found, level)


def _table(target: Target, found: Maximum, level: float) -> pd.DataFrame:
    """Tabulate the estimands by the delta method."""
    from scipy.stats import norm  # takes half a second to import

    quantile = float(norm.ppf((1 + level) / 2))
    rows, moving, far = {}, [], []
    directions = target.model.missingness.shown_directions(target.data)
    target.put(found.at)
    for label, name, k, estimate, j in _slopes(target):
        sd = math.sqrt(max(float(j @ found.covariance @ j), 0.0))
        if sd == 0.0:
            continue  # the coefficient is given and not estimated
        low, high = estimate - quantile * sd, estimate + quantile * sd
        declared = name in directions and directions[name].reshape(-1)[k] != 0
        if declared and (low < 0 < high or _held_back(target, found, name, k, j)):
            low, high = (0.0, high) if estimate > 0 else (low, 0.0)
            _warn(
                f"the interval of '{label}' reaches zero, where its declared direction cuts it "
                f"off: the data say little about it or contradict the direction, and a Normal "
                f"approximation is poor there; compare the bound of a fit without the direction"
            )
        if abs(j @ found.rest) > _MOVING * sd:
            moving.append(label)
        if abs(j @ found.way) > _FAR * sd:
            far.append(label)
        rows[label] = (estimate, sd, low, high)
    if found.rising:
        _warn(
            f"the fit is not at a maximum of the likelihood, which still rises in {found.rising} "
            f"directions, and standard errors are unreliable; fit with more steps, or raise polish"
        )
    elif moving:
        _warn(
            f"the maximum of the likelihood was not reached for {', '.join(moving)}, and standard "
            f"errors are unreliable; fit with more steps, or raise polish (if that does not help, "
            f"there may be no maximum: the slope of a mechanism that hides every value beyond a "
            f"limit is infinite)"
        )
    elif far:
        _warn(
            f"the maximum of the likelihood is more than {_FAR:g} standard errors away from the "
            f"fit for {', '.join(far)}, where the guide was not trained; fit with more steps or "
            f"particles"
        )
    columns = ["estimate", "sd", "lower", "upper"]
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    frame.index.name = "coefficient"
    return frame


def _slopes(target: Target) -> list[tuple[str, str, int, float, np.ndarray]]:
    """Return each estimand's label, name, position, value, and derivative (q,)."""
    complete = target.data.s.all(0).tolist()
    result = []
    for name, values in target.estimands().items():
        if not values.requires_grad:
            continue  # the coefficient is given and not estimated
        for k, value in enumerate(values.reshape(-1)):
            if values.shape[-1:] == (len(complete),) and complete[k % len(complete)]:
                continue  # a complete column tells nothing about its mechanism
            slope = torch.autograd.grad(
                value, target.tensors, retain_graph=True, allow_unused=True, materialize_grads=True
            )
            j = np.concatenate([s.detach().cpu().numpy().ravel() for s in slope])
            many = values.numel() > 1
            label = f"{name}[{_place(k, values.shape, target.model.columns)}]" if many else name
            result.append((label, name, k, float(value.detach()), j))
    return result


def _held_back(target: Target, found: Maximum, name: str, k: int, j: np.ndarray) -> bool:
    """Whether the likelihood rises beyond zero, judged by the score where the search ended.

    A coefficient c = softplus(r) that its direction holds at zero gets a small estimate with a
    small standard error. The score dL/dc, in its own standard errors, distinguishes it from a
    coefficient that is small.
    """
    step = 1e-3
    q = int(np.abs(j).argmax())
    c, g = [], []  # the coefficient, and the gradient of minus the log-likelihood by r
    for shift in (-step, 0.0, step):
        g.append(float(target(found.at + shift * np.eye(len(j))[q])[1][q]))
        c.append(float(target.estimands()[name].reshape(-1)[k].detach()))
    target.put(found.at)
    slope, bend = (c[2] - c[0]) / (2 * step), (c[2] - 2 * c[1] + c[0]) / step**2
    score = -g[1] / slope
    information = ((g[2] - g[0]) / (2 * step) + score * bend) / slope**2
    return bool(score * c[1] < 0 and score**2 > _HELD_BACK**2 * max(information, 0.0))


def _warn(text: str) -> None:
    warnings.warn(text, AbsentiaWarning, stacklevel=5)  # the caller of coefficient_posterior


def _place(k: int, shape: torch.Size, columns: tuple[str, ...]) -> str:
    """Locate element k by its column, and by its row if there are rows."""
    if shape[-1] != len(columns):
        return str(k)
    row, column = divmod(k, len(columns))
    return columns[column] if len(shape) == 1 else f"{row}, {columns[column]}"
