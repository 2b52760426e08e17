"""Errors under every mechanism, as ratios to the best method that assumes missing at random."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

#: (method, heading "table, scenario", result) of a cell
Cells = Sequence[tuple[str, str, Mapping[str, Any]]]
#: kinds of method that assume missing at random and are not ours, and other libraries that do
PEERS = ("mean", "knn", "mice", "missforest")
LIBRARIES = ("gcimpute", "knn", "mean", "mice", "miceforest", "missforest")


class Ratio(NamedTuple):
    """The errors of a method under a mechanism, relative to the best peer on each table.

    Attributes:
        method: the name of the method.
        scenario: the name of the mechanism.
        mean: the geometric mean over the tables.
        error: the standard error of ``mean`` over the seeds; None for a single one.
        worst: the highest ratio of a table.
        at: the name of that table.
        tables: how many tables there are.
    """

    method: str
    scenario: str
    mean: float
    error: float | None
    worst: float
    at: str
    tables: int


def ratios(cells: Cells, score: str = "rmse") -> list[Ratio]:
    """Compare every method with the best peer of each table and mechanism, seed by seed.

    The best peer has the lowest mean over the seeds, and is chosen with the hidden values in view,
    which no method could do. Tables count where the method and a peer have results, and seeds that
    both have; the mean over tables is geometric.
    """
    found: dict[tuple[str, str, str], dict[int, float]] = {}
    peers: set[str] = set()
    for method, heading, result in cells:
        table, scenario = heading.split(", ", 1)
        if _assumes_at_random(result["configuration"]):
            peers.add(method)
        value = result["metrics"].get(score)
        if value is not None:
            seed = int(result["configuration"]["seed"])
            found.setdefault((method, scenario, table), {})[seed] = float(value)
    methods = list(dict.fromkeys(method for method, _, _ in cells))
    scenarios = list(dict.fromkeys(heading.split(", ", 1)[1] for _, heading, _ in cells))
    tables = list(dict.fromkeys(heading.split(", ", 1)[0] for _, heading, _ in cells))
    best = {}
    for scenario in scenarios:
        for table in tables:
            own = [found[key] for m in sorted(peers) if (key := (m, scenario, table)) in found]
            most = max(map(len, own), default=0)  # a peer that has run fewer seeds does not compete
            full = [one for one in own if len(one) == most]
            if full:
                best[scenario, table] = min(full, key=lambda one: float(np.mean([*one.values()])))
    return [
        one
        for scenario in scenarios
        for method in methods
        if (one := _ratio(method, scenario, tables, found, best)) is not None
    ]


def _is_told(result: Mapping[str, Any]) -> bool:
    return str(result["configuration"]["kind"]).startswith("told")


def _assumes_at_random(configuration: Mapping[str, Any]) -> bool:
    kind = configuration["kind"]
    return kind in PEERS or (kind == "peer" and configuration["model"]["name"] in LIBRARIES)


def _ratio(
    method: str,
    scenario: str,
    tables: Sequence[str],
    found: Mapping[tuple[str, str, str], Mapping[int, float]],
    best: Mapping[tuple[str, str], Mapping[int, float]],
) -> Ratio | None:
    logs: dict[str, dict[int, float]] = {}
    for table in tables:
        own, other = found.get((method, scenario, table), {}), best.get((scenario, table), {})
        both = {s: float(np.log(own[s] / other[s])) for s in own if s in other and own[s] > 0}
        if both:
            logs[table] = both
    if not logs:
        return None
    of_table = {table: float(np.mean([*own.values()])) for table, own in logs.items()}
    at = max(of_table, key=lambda table: of_table[table])
    mean = float(np.exp(np.mean([*of_table.values()])))
    seeds = set.intersection(*(set(own) for own in logs.values()))
    error = None
    if len(seeds) > 1:
        by_seed = [np.mean([own[s] for own in logs.values()]) for s in sorted(seeds)]
        error = float(mean * np.std(by_seed, ddof=1) / len(by_seed) ** 0.5)
    return Ratio(method, scenario, mean, error, float(np.exp(of_table[at])), at, len(logs))


def shares_of_gain(cells: Cells, told: str) -> dict[tuple[str, str], float]:
    """Return the share of the gain of a method that is told the mechanism which each method has.

    The gain is 1 - ratio, with the ratios of :func:`ratios` over the tables and seeds that both
    methods have. A share above 1 means that a method errs less than the one that is told.

    Args:
        cells: the cells.
        told: the name of the method that is told the mechanism.

    Returns:
        The shares by mechanism and method, where the method that is told has a gain.
    """
    at_random = {m for m, _, result in cells if _assumes_at_random(result["configuration"])}
    found = {}
    for method in dict.fromkeys(method for method, _, _ in cells):
        if method in at_random or method == told:
            continue
        runs = [
            {(heading, result["configuration"]["seed"]) for m, heading, result in cells if m == own}
            for own in (method, told)
        ]
        both = runs[0] & runs[1]
        compared = [
            (m, heading, result)
            for m, heading, result in cells
            if m in at_random
            or (m in (method, told) and (heading, result["configuration"]["seed"]) in both)
        ]
        mean = {(one.scenario, one.method): one.mean for one in ratios(compared)}
        for (scenario, name), own in mean.items():
            if name == method and mean[scenario, told] < 1:
                found[scenario, method] = (1 - own) / (1 - mean[scenario, told])
    return found


def mechanisms_table(cells: Cells) -> list[list[str]]:
    """Tabulate the ratios, a row for each mechanism and a column for each method.

    Below the mean ratio and its standard error stands the worst table, and then, for each method
    that is told the mechanism, the share of its gain that the others have. Further rows give the
    means of further scores over the cells that a method has.
    """
    methods = list(dict.fromkeys(method for method, _, _ in cells))
    entries = {(one.scenario, one.method): one for one in ratios(cells)}
    told = [m for m in methods if any(own == m and _is_told(result) for own, _, result in cells)]
    gains = {one: shares_of_gain(cells, one) for one in told}
    rows = [["mechanism", "", *methods]]
    for scenario in dict.fromkeys(heading.split(", ", 1)[1] for _, heading, _ in cells):
        own = [entries.get((scenario, method)) for method in methods]
        rows.append([scenario, "ratio", *map(_mean, own)])
        rows.append([scenario, "worst", *("" if one is None else _worst(one) for one in own)])
        for one in told:
            share = [gains[one].get((scenario, method)) for method in methods]
            if any(value is not None for value in share):
                shown = ["" if value is None else f"{value:.2f}" for value in share]
                rows.append([scenario, f"share of the gain of '{one}'", *shown])
    for score, digits in _OTHERS.items():
        values = [
            [
                float(result["metrics"][score])
                for method, _, result in cells
                if method == name and result["metrics"].get(score) is not None
            ]
            for name in methods
        ]
        shown = [f"{np.mean(own):.{digits}f}" if own else "" for own in values]
        rows.append(["own cells", score, *shown])
    return rows


_OTHERS = {
    "rmse": 3, "bias": 3, "crps": 3, "coverage_90": 3, "coverage_mean": 3, "coverage_slope": 3,
    "cpu_seconds": 1,
}  # fmt: skip


def _mean(one: Ratio | None) -> str:
    if one is None:
        return ""
    error = "" if one.error is None else f" ({one.error:.3f})".replace("(0.", "(.")
    return f"{one.mean:.3f}{error}"


def _worst(one: Ratio) -> str:
    return f"{one.worst:.2f} {one.at}"
