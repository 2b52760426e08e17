"""The export of a fit to ArviZ: as InferenceData, or as DataTree from ArviZ 1.0 on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr

from ...data import IncompleteData
from ...data.system.process import seeded
from ...models.programs.base import RowModel
from ...models.sites import Z
from ..evaluating import computing
from ..fitting.result import FitResult
from ..importance import Weighted
from ..imputing.tables import imputed
from ..integration.conditionals import Tilted
from ..integrator import Marginal
from ..prepare import Programs, prepared, programs_of
from ..replicate import replicates
from ..uncertainty.sources import Parameters, sources
from .labels import row_coordinates, variable_name

_ROWS_AT_ONCE = 256
_NOTE = (
    "Draws are independent, resampled by importance weight: there is one chain, and R-hat says "
    "nothing about them; look at khat and ess in sample_stats."
)


def to_arviz(
    fitted: FitResult,
    data: IncompleteData,
    *,
    draws: int = 200,
    parameters: Parameters = "auto",
    particles: int = 500,
    z: bool = False,
    seed: int = 0,
) -> Any:
    """Export a fit in ArviZ's groups, for its plots, summaries and leave-one-out validation.

    - ``posterior``: ``x`` of the missing cells (with their row and column as coordinates), the
      mechanism's coefficients as variables, and the latents ``z`` on request.
    - ``posterior_predictive``: ``x`` and ``s`` of whole replicated tables.
    - ``observed_data``: ``x`` (NaN where missing) and ``s``.
    - ``constant_data``: centres and scales of the columns, covariates.
    - ``log_likelihood``: ``row``, log p(x_o, s) of each row at each draw of the parameters, with
      densities in the data's own units.
    - ``sample_stats``: ``log_weight`` of every row and particle under the fitted parameters, their
      effective sample size ``ess`` and Pareto k-hat ``khat``.

    Weighted particles are resampled, so draws are equally weighted and independent; all stand in
    one chain.

    Args:
        fitted: the fit.
        data: the table.
        draws: the number of posterior draws.
        parameters: where each draw's parameters come from, as for
            :func:`absentia.multiple_imputation`; if from refits, there is a refit for each draw.
        particles: importance samples per row.
        z: whether to export the latents.
        seed: the seed of the draws.

    Returns:
        InferenceData under ArviZ 0.23, DataTree from 1.0 on.

    Raises:
        ValueError: as for :func:`absentia.multiple_imputation`.

    >>> import numpy as np
    >>> import absentia as ab
    >>> data = ab.IncompleteData.from_numpy(np.array([[1.0, 2.0], [3.0, np.nan], [0.0, 1.0]]))
    >>> fitted = ab.fit(ab.PPCA(data, latent_dim=1), data, steps=50, progress=False)
    >>> tree = ab.to_arviz(fitted, data, draws=20, parameters="fixed", particles=50)
    >>> tree["posterior"]["x"].dims, tree["observed_data"]["s"].shape
    (('chain', 'draw', 'cell'), (3, 2))
    """
    from .compat import from_datasets

    model, data = prepared(fitted, data)
    collected = _Draws(data, particles, z, seed)
    fits = sources(fitted, data, draws, parameters, seed=seed).models
    for k, (one, coefficients) in enumerate(fits):
        collected.add(one, coefficients, seed + k)
    groups = collected.datasets()
    groups["sample_stats"] = _weights(model, data, particles, seed)
    groups["observed_data"] = _observed(data)
    groups["constant_data"] = _constant(data)
    for group in groups.values():
        group.attrs["note"] = _NOTE
    return from_datasets(groups)


class _Draws:
    """The posterior draws, collected one by one: parameters, cells, replicates, log-likelihoods."""

    def __init__(self, data: IncompleteData, particles: int, z: bool, seed: int) -> None:
        self.data, self.particles, self.with_z = data, particles, z
        self.missing = np.nonzero(~data.s.cpu().numpy())
        self.values: dict[str, list[np.ndarray]] = {}

    def add(self, model: RowModel, coefficients: Any, seed: int) -> None:
        """Add a draw under the parameters of a model, with coefficients that were sampled."""
        parameter = next(model.parameters(), self.data.x)
        data = self.data.to(device=parameter.device, dtype=parameter.dtype)
        programs = programs_of(model, coefficients)
        found = imputed(model, data, programs, self.particles, draws=1, seed=seed)
        x, s = replicates(model, data, coefficients, seed)
        kept = {
            "x": found.draws(1)[0][self.missing],
            "log_likelihood": found.log_evidence + data.log_slope(),
            "x_replicated": x,
            "s_replicated": s,
        }
        for name, value in _estimands(model, data, coefficients).items():
            kept[f"coefficient {name}"] = value
        if self.with_z:
            kept["z"] = _latents(model, programs, data, self.particles, seed)
        for name, value in kept.items():
            self.values.setdefault(name, []).append(np.asarray(value))

    def datasets(self) -> dict[str, xr.Dataset]:
        """Return the groups that have a dimension of draws."""
        stacked = {name: np.stack(several)[None] for name, several in self.values.items()}
        rows, names = row_coordinates(self.data.index), list(self.data.columns)
        table = ("chain", "draw", "row", "column")
        posterior: dict[str, Any] = {"x": (("chain", "draw", "cell"), stacked.pop("x"))}
        replicated = {
            "x": (table, stacked.pop("x_replicated")),
            "s": (table, stacked.pop("s_replicated")),
        }
        likelihood = {"row": (("chain", "draw", "unit"), stacked.pop("log_likelihood"))}
        if "z" in stacked:
            posterior["z"] = (("chain", "draw", "row", "latent"), stacked.pop("z"))
        for name, value in stacked.items():
            given = name.removeprefix("coefficient ")
            label = variable_name(given)
            dims = _dims(label, value.shape, len(names))
            posterior[label] = (dims, value, {"long_name": given})
        of_rows = rows["row"][1].astype(object)
        cells = {
            "row_of": ("cell", np.array([str(of_rows[i]) for i in self.missing[0]], dtype=object)),
            "column_of": ("cell", np.asarray(names)[self.missing[1]]),
        }
        grid = {**rows, "column": names}
        of_units = row_coordinates(self.data.index, "unit")
        own = xr.Dataset(posterior).assign_coords(cells)
        if "row" in own.dims:
            own = own.assign_coords(rows)
        if "column" in own.dims:
            own = own.assign_coords({"column": names})
        return {
            "posterior": own,
            "posterior_predictive": xr.Dataset(replicated, coords=grid),
            "log_likelihood": xr.Dataset(likelihood, coords=of_units),
        }


def _dims(label: str, shape: Sequence[int], columns: int) -> tuple[str, ...]:
    """Name a coefficient's dimensions; one of them is ``column`` if it has a value per column."""
    inner = tuple(
        "column" if size == columns and k == len(shape) - 3 else f"{label} {k}"
        for k, size in enumerate(shape[2:])
    )
    return ("chain", "draw", *inner)


@torch.no_grad()
def _estimands(model: RowModel, data: IncompleteData, coefficients: Any) -> dict[str, np.ndarray]:
    """Return the mechanism's coefficients by name, in the form that tables show."""
    mechanism = model.missingness
    if mechanism.ignorable:
        return {}
    found = mechanism.shown(data, **(coefficients or {}))
    return {name: value.detach().double().cpu().numpy() for name, value in found.items()}


@torch.no_grad()
def _latents(
    model: RowModel, programs: Programs, data: IncompleteData, particles: int, seed: int
) -> np.ndarray:
    """Sample each row's latents (n, d): those of one of its particles, chosen by weight."""
    parts = []
    with computing(model), seeded(seed, data.x.device):
        for rows in torch.arange(len(data), device=data.x.device).split(_ROWS_AT_ONCE):
            run, _ = _run(programs, data, rows, particles)
            chosen = torch.distributions.Categorical(logits=run.log_weight.T).sample()
            value = run.sites[Z].value
            value = value.expand(particles, *value.shape[-2:])
            parts.append(value[chosen, torch.arange(len(rows), device=rows.device)])
    return torch.cat(parts).double().cpu().numpy()


def _run(
    programs: Programs, data: IncompleteData, rows: torch.Tensor, particles: int
) -> tuple[Weighted, Tilted | None]:
    return Marginal("auto").run(
        programs.model,
        programs.guide,
        data.x[rows],
        data.s[rows],
        num_particles=particles,
        **data.extras(rows),
    )


@torch.no_grad()
def _weights(model: RowModel, data: IncompleteData, particles: int, seed: int) -> xr.Dataset:
    """Return log-weights under the fitted parameters, normalised per row, with diagnostics."""
    from ..diagnostics import effective_sample_size, pareto_khat

    programs, parts = programs_of(model), []
    with computing(model), seeded(seed, data.x.device):
        for rows in torch.arange(len(data), device=data.x.device).split(_ROWS_AT_ONCE):
            parts.append(_run(programs, data, rows, particles)[0].log_weight)
    log_weight = torch.cat(parts, 1)
    normalised = (log_weight - log_weight.logsumexp(0)).double().cpu().numpy()
    ess = effective_sample_size(log_weight).double().cpu().numpy()
    return xr.Dataset(
        {
            "log_weight": (("particle", "row"), normalised),
            "ess": ("row", ess),
            "khat": ("row", pareto_khat(log_weight).cpu().numpy()),
        },
        coords=row_coordinates(data.index),
    )


def _observed(data: IncompleteData) -> xr.Dataset:
    grid = {**row_coordinates(data.index), "column": list(data.columns)}
    s = data.s.cpu().numpy()
    return xr.Dataset(
        {"x": (("row", "column"), data.values), "s": (("row", "column"), s)}, coords=grid
    )


def _constant(data: IncompleteData) -> xr.Dataset:
    found: dict[str, Any] = {
        "center": ("column", data.scaler.center),
        "scale": ("column", data.scaler.scale),
    }
    coords: dict[str, Any] = {"column": list(data.columns)}
    if data.covariates is not None:
        found["covariates"] = (("row", "covariate"), data.covariates.cpu().numpy())
        coords |= row_coordinates(data.index)
    return xr.Dataset(found, coords=coords)
