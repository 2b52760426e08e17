"""By what calibrated intervals are stretched: rules compared on simulated tables.

Run with ``python -m absentia.experiments.bench.stretches``. A complete column w and an incomplete
one x; the model is a small version of the default, in NumPy for many tables at once: a regression
of x on w with Normal errors, a probit mask that reads both, and a slope on x that is either next to
nothing or Normal(0, .7), all sampled. Errors of x are Normal or not, and values go missing by a
coin, by w, or by x itself. Every rule is given the same scores and the same draws of the odds.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit, log_ndtr, ndtr, ndtri

from ...inference.imputing import conformal
from ...inference.imputing.left_out import evened

_RATE, _CORRELATION = 0.3, 0.6
_SWEEPS, _WARM_UP, _DRAWS, _EACH = 700, 200, 50, 4
#: standard deviations of the slope on the column itself: next to nothing, and something
_SPIKE, _SLAB = 0.02, 0.7
_LEVELS = (0.9, 0.95)
_NONE = np.zeros(0)

Rule = Callable[[np.ndarray, np.ndarray, float], float]


def _shapes(w: np.ndarray, e: np.ndarray) -> dict[str, np.ndarray]:
    """Return columns by the shape that the model does not know; e are Normal errors."""
    straight = _CORRELATION * w + e
    return {
        "Normal": straight,
        "skewed": np.exp(0.25 * straight),
        "heavy tails": np.sinh(0.6 * straight),
        "errors grow": _CORRELATION * w + e * np.exp(0.4 * w),
        "curved": _CORRELATION * (w + 0.4 * (w**2 - 1)) + e,
    }


#: what the logit of being missing is, but for a constant
MECHANISMS: Mapping[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "MCAR": lambda w, x: 0 * x,
    "MAR": lambda w, x: 2 * w,
    "self +1": lambda w, x: x,
    "self +2": lambda w, x: 2 * x,
    "self -2": lambda w, x: -2 * x,
}


def _of_draws(share: float) -> Rule:
    """Return the rule that takes a quantile of the stretches of all draws of the odds."""

    def found(scores: np.ndarray, odds: np.ndarray, level: float) -> float:
        each = [conformal.tail_stretch(scores, one, level) for one in odds]
        return max(float(np.sort(each)[int(np.ceil(share * len(each) - 1e-9)) - 1]), 1.0)

    return found


def _of_mean(scores: np.ndarray, odds: np.ndarray, level: float) -> float:
    found = conformal.stretch(scores, odds.mean(0), level)
    return found if np.isfinite(found) else 1.0


RULES: Mapping[str, Rule] = {
    "none": lambda scores, odds, level: 1.0,
    "mean odds": _of_mean,
    "mean odds, at least 1": lambda scores, odds, level: max(_of_mean(scores, odds, level), 1.0),
    "mean odds, tail, at least 1": lambda scores, odds, level: max(
        conformal.tail_stretch(scores, odds.mean(0), level), 1.0
    ),
    "each draw, tail, median, at least 1": _of_draws(0.5),
    "each draw, tail, 75 %, at least 1": _of_draws(0.75),
    "each draw, tail, 90 %, at least 1": conformal.upper_stretch,
}


class _Tables(NamedTuple):
    """Tables (T, n): the complete column, the other one, and whether its values are missing."""

    w: np.ndarray
    x: np.ndarray
    missing: np.ndarray


def _simulated(
    shape: str, mechanism: str, size: tuple[int, int], rng: np.random.Generator
) -> _Tables:
    w = rng.normal(size=size)
    x = _shapes(w, np.sqrt(1 - _CORRELATION**2) * rng.normal(size=size))[shape]
    x = (x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True)
    logit = MECHANISMS[mechanism](w, x)
    offset = np.zeros((size[0], 1))
    for _ in range(60):  # until the expected rate is right
        chance = expit(logit + offset)
        slope = np.maximum((chance * (1 - chance)).mean(1, keepdims=True), 0.02)
        offset -= (chance.mean(1, keepdims=True) - _RATE) / slope
    gone = rng.random(size) < expit(logit + offset)
    of = np.ma.array(x, mask=gone)  # standardised by what is seen, as users must
    mean, sd = of.mean(1).data[:, None], of.std(1).data[:, None]
    return _Tables(w, (x - mean) / sd, gone)


class _Draw(NamedTuple):
    """A draw of the parameters of all tables."""

    coefficient: np.ndarray
    variance: np.ndarray
    mask: np.ndarray


def _truncated(
    mean: np.ndarray, sd: np.ndarray, positive: bool, rng: np.random.Generator
) -> np.ndarray:
    """Sample a Normal variable, truncated to either side of 0."""
    below, u = ndtr(-mean / sd), rng.random(mean.shape)
    at = below + u * (1 - below) if positive else u * below
    found = mean + sd * ndtri(np.clip(at, 1e-300, 1 - 1e-12))
    return np.maximum(found, 1e-12) if positive else np.minimum(found, -1e-12)


def _values(
    tables: _Tables, draw: _Draw, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Sample values of x, were they missing, and the utilities behind that, both (T, n)."""
    mean = draw.coefficient[:, :1] + draw.coefficient[:, 1:] * tables.w
    slope = draw.mask[:, 1:2]
    centre = draw.mask[:, :1] + draw.mask[:, 2:] * tables.w + slope * mean
    variance = 1 + slope**2 * draw.variance
    utility = _truncated(centre, np.sqrt(variance) * np.ones_like(centre), True, rng)
    spread = np.sqrt(draw.variance / variance) * rng.normal(size=mean.shape)
    return mean + slope * draw.variance / variance * (utility - centre) + spread, utility


def _regressed(
    features: np.ndarray, target: np.ndarray, precision: np.ndarray, variance: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:  # fmt: skip
    """Sample coefficients (T, q) of a regression with Normal prior and given noise."""
    inverse = precision + np.einsum("tni,tnj->tij", features, features) / variance[:, None, None]
    right = np.einsum("tni,tn->ti", features, target) / variance[:, None]
    mean = np.linalg.solve(inverse, right[..., None])
    root = np.linalg.cholesky(inverse).transpose(0, 2, 1)
    found: np.ndarray = mean + np.linalg.solve(root, rng.normal(size=mean.shape))
    return found[..., 0]


def _sampled(tables: _Tables, rng: np.random.Generator) -> list[_Draw]:
    """Sample the parameters of all tables by data augmentation."""
    w, gone = tables.w, tables.missing
    number, n = w.shape
    seen = np.where(gone, 0.0, tables.x)
    read = np.stack([np.ones_like(w), w], -1)
    draw = _Draw(np.zeros((number, 2)), np.ones((number, 1)), np.zeros((number, 3)))
    kept = []
    for sweep in range(_SWEEPS):
        sampled, above = _values(tables, draw, rng)
        centre = draw.mask[:, :1] + draw.mask[:, 2:] * w + draw.mask[:, 1:2] * seen
        below = _truncated(centre, np.ones_like(centre), False, rng)
        x, utility = np.where(gone, sampled, seen), np.where(gone, above, below)
        coefficient = _regressed(read, x, 0.01 * np.eye(2), draw.variance[:, 0], rng)
        left = x - np.einsum("tni,ti->tn", read, coefficient)
        variance = (0.5 + 0.5 * (left**2).sum(1)) / rng.gamma(0.5 + n / 2, size=number)
        ratio = np.log(_SLAB / _SPIKE) + 0.5 * draw.mask[:, 1] ** 2 * (_SLAB**-2 - _SPIKE**-2)
        nothing = (rng.random(number) < expit(ratio)) & (sweep >= _WARM_UP / 2)
        precision = np.zeros((number, 3, 3))
        precision[:, 0, 0], precision[:, 2, 2] = 0.25, _SLAB**-2
        precision[:, 1, 1] = np.where(nothing, _SPIKE, _SLAB) ** -2.0
        features = np.stack([np.ones_like(x), x, w], -1)
        mask = _regressed(features, utility, precision, np.ones(number), rng)
        draw = _Draw(coefficient, variance[:, None], mask)
        if sweep >= _WARM_UP and (sweep - _WARM_UP) % ((_SWEEPS - _WARM_UP) // _DRAWS) == 0:
            kept.append(draw)
    return kept


def _predicted(
    tables: _Tables, draws: list[_Draw], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return draws (D, T, n) of x as if missing, odds (M, T, n), and weights without the cell."""
    values, odds, ratio = [], [], []
    for draw in draws:
        values += [_values(tables, draw, rng)[0] for _ in range(_EACH)]
        mean = draw.coefficient[:, :1] + draw.coefficient[:, 1:] * tables.w
        slope, rest = draw.mask[:, 1:2], draw.mask[:, :1] + draw.mask[:, 2:] * tables.w
        logit = rest + slope * tables.x
        odds.append(np.exp(log_ndtr(logit) - log_ndtr(-logit)))
        without = log_ndtr((rest + slope * mean) / np.sqrt(1 + slope**2 * draw.variance))
        error = (tables.x - mean) ** 2 / draw.variance
        ratio.append(without + 0.5 * np.log(draw.variance) + 0.5 * error - log_ndtr(-logit))
    weight = np.exp(np.stack(ratio) - np.max(ratio, axis=0))
    weight = np.minimum(weight, weight.mean(0) * np.sqrt(len(weight)))
    return np.stack(values), np.stack(odds), np.repeat(weight / weight.sum(0), _EACH, axis=0)


def _scored(
    shape: str, mechanism: str, size: tuple[int, int], seed: int
) -> Iterator[tuple[object, ...]]:
    rng = np.random.default_rng(
        [seed, list(MECHANISMS).index(mechanism), list(_shapes(_NONE, _NONE)).index(shape)]
    )
    tables = _simulated(shape, mechanism, size, rng)
    values, odds, weight = _predicted(tables, _sampled(tables, rng), rng)
    for t, gone in enumerate(tables.missing):
        seen, truth = ~gone, tables.x[t, gone]
        left = evened(values[:, t, seen], weight[:, t, seen])
        for level in _LEVELS:
            tails = [(1 - level) / 2, 0.5, (1 + level) / 2]
            low, middle, high = np.quantile(left, tails, axis=0)
            least = np.full(int(seen.sum()), 1e-9)
            scores = conformal.scores(tables.x[t, seen], low, middle, high, least)
            low, middle, high = np.quantile(values[:, t, gone], tails, axis=0)
            for name, rule in RULES.items():
                q = rule(scores, odds[:, t, seen], level)
                lower, upper = middle - q * (middle - low), middle + q * (high - middle)
                beyond = np.maximum(lower - truth, 0) + np.maximum(truth - upper, 0)
                wide = upper - lower
                yield (
                    level, name, mechanism, float((beyond == 0).mean()), float(wide.mean()),
                    float((wide + 2 / (1 - level) * beyond).mean()),
                )  # fmt: skip


def compared(tables: int, rows: int, seed: int) -> pd.DataFrame:
    """Tabulate coverage by level, rule and mechanism, with mean width and interval score.

    Args:
        tables: the number of tables of each shape under each mechanism.
        rows: their rows.
        seed: the seed of the random numbers.
    """
    shapes = list(_shapes(_NONE, _NONE))
    found = [
        one
        for mechanism in MECHANISMS
        for shape in shapes
        for one in _scored(shape, mechanism, (tables, rows), seed)
    ]
    names = ["level", "rule", "mechanism", "covered", "width", "interval score"]
    each = pd.DataFrame(found, columns=names)
    keys = ["level", "rule"]
    table = each.pivot_table(index=keys, columns="mechanism", values="covered", sort=False)
    table["mean"] = table.mean(axis="columns")
    means = each.groupby(keys, sort=False)[["width", "interval score"]].mean()
    return table.join(means)


def main() -> None:
    """Print coverage and width of all rules."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=int, default=40)
    parser.add_argument("--rows", type=int, default=150)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    found = compared(given.tables, given.rows, given.seed)
    print(found.round(3).to_string())


if __name__ == "__main__":
    main()
