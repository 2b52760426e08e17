"""Imputation of tables: means over importance samples, weighted to sum to 1, with diagnostics."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, overload

import numpy as np

from ...data import IncompleteData
from ...data.arguments import checked_and_renamed
from ...data.errors import InputError
from ...data.renamed import DRAWS, INTEGRATION_MODE
from ...data.scan import Scan
from ...data.system.memory import asked_for, check_memory
from ...models.programs.base import RowModel
from ..evaluating import computing, evaluating
from ..identification import MOST_COLUMNS, identification_table, warn_of
from ..integrator import Unobserved
from ..prepare import Fitted, Programs, check_was_fitted, fit_of, prepared, programs_of
from .beside import warn_outside
from .blocks import Blocks
from .by_draws import Divided, divided, imputed_by_draws, imputed_by_models
from .by_rows import adaptive, fixed
from .calibrated import Calibrated
from .imputation import Imputation
from .settings import TOLERANCE, ImputeParameters, ImputeSettings, Particles, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..fitting.result import FitResult
    from ..scanned.imputed import FilledFolder
    from ..uncertainty.sources import Source

#: draws of the parameters of small models, and refits of others, where a fit has no draws
_DRAWS_OF_SMALL, _REFITS = 20, 10

_log = logging.getLogger(__name__)


@overload
def impute(
    fitted: Fitted,
    data: IncompleteData,
    particles: Particles = "auto",
    *,
    parameters: ImputeParameters = "auto",
    draws: int = 200,
    tolerance: float | None = None,
    rule: Rule = "posterior",
    refine: bool = True,
    unobserved: Unobserved = "auto",
    independent_rows: bool = False,
    seed: int = 0,
    progress: bool = False,
    check: bool = True,
    unfitted: bool = False,
) -> Imputation: ...


@overload
def impute(
    fitted: Fitted,
    data: Scan,
    particles: Particles = "auto",
    *,
    out: str | Path,
    draws: int = 200,
    m: int = 0,
    interval: float | None = None,
    jobs: int = 1,
    backend: str | None = None,
    rows_per_file: int = 65_536,
    tolerance: float | None = None,
    rule: Rule = "posterior",
    refine: bool = True,
    unobserved: Unobserved = "auto",
    independent_rows: bool = False,
    seed: int = 0,
    progress: bool = False,
    check: bool = True,
    unfitted: bool = False,
) -> FilledFolder: ...


@checked_and_renamed({**INTEGRATION_MODE, **DRAWS})
def impute(
    fitted: Fitted,
    data: IncompleteData | Scan,
    particles: Particles = "auto",
    *,
    parameters: ImputeParameters = "auto",
    draws: int = 200,
    tolerance: float | None = None,
    rule: Rule = "posterior",
    refine: bool = True,
    unobserved: Unobserved = "auto",
    independent_rows: bool = False,
    out: str | Path | None = None,
    m: int = 0,
    interval: float | None = None,
    jobs: int = 1,
    backend: str | None = None,
    rows_per_file: int = 65_536,
    seed: int = 0,
    progress: bool = False,
    check: bool = True,
    unfitted: bool = False,
) -> Imputation | FilledFolder:
    """Impute the missing cells of ``data``: E[h(x_m) | x_o, s] ~ sum_k w~_k h_k.

    x_m are a row's missing values, x_o the observed ones, s the mask, and w~_k the weights of the
    row's particles, normalised to sum to 1; h gives means, variances, probabilities and so on.
    Where the missing values are integrated out, h_k is the moment of the
    distribution given missing, such as E[x_j | z_k, s_j = 0]; where they are sampled, it is h of
    the sample x_jk. ``rule="decoder-mean"``
    averages E[x_j | z_k] instead, as the published code does (Ipsen et al., 2021, eq. 17), and
    samples x_j | z_k. Under MNAR that is biased towards the observed values; it serves to reproduce
    published tables. Coefficients that have priors are held at their posterior medians. A fit that
    averaged over forms of the mechanism (``missingness="auto"``) has draws of all parameters, and
    the imputation averages over 50 of them, among which the particles are divided; no row is
    refined then.

    Args:
        fitted: the result of :func:`absentia.fit` or :func:`absentia.load`, or a model.
        data: the rows to impute, with the columns that the model was made for. If they were read
            without ``like=``, the fit's schema decides about codes of levels, origins of dates and
            scales. A :func:`absentia.scan`, which is larger than memory, is imputed part by part
            into the folder ``out``, and the result names the folders. A run that was killed goes on
            with the parts that are missing. Rows are imputed in blocks of 4,096 by their position
            in the whole table, by one thread each, so that the files hold the same bits however
            the rows are spread over files, whatever ``jobs`` is and however often the run was
            killed. With ``scan(key=...)`` random numbers belong to rows by their keys instead, so
            that a row has the same means, draws and diagnostics, up to rounding, wherever it lies
            and whichever rows are imputed with it; refined rows are then refined one by one, which
            takes longer.
        particles: the number L of importance samples per row, or ``"auto"``, which chooses it row
            by row from 128 to 4,096: evenly spread samples (randomised quasi-Monte Carlo) until the
            error of the row's means is below ``tolerance``, and more only for hard rows. Under a
            network and with ``refine=False``, rows that need many get a proposal around the mode
            of their latents, where a trial run finds that it needs fewer. See
            ``row_particles`` and ``mcse`` of the result.
        tolerance: for ``particles="auto"``, the share of the posterior standard deviation that the
            Monte-Carlo standard error of an imputed mean may have, on average over the row; 0.03
            when left out, with which mean squared errors are at most .1 % above those of exact
            means. A hundredth takes up to nine times as many samples.
        rule: ``"posterior"`` or ``"decoder-mean"``, see above.
        refine: give rows with a Pareto k-hat above one half, or with an ESS below a twentieth of
            the particles, a proposal of their own and four times the particles (as many as they
            need under ``"auto"``). Which rows these
            are is decided by a pilot run and not by the weights that are then used, since weights
            that are kept because they happen to be even would bias log p(x_o, s) downwards. See
            ``refined`` and ``khat_before`` of the result.
        parameters: what becomes of the uncertainty about the parameters: ``"posterior"`` averages
            over draws of them, from the fit where it has draws, else from 20 of a Normal
            approximation of small models, and from 10 bootstrap refits of others, each of which
            takes a quarter of the fit's steps (see :func:`absentia.multiple_imputation`);
            ``"fixed"`` holds them at those of the fit, as if they were known; ``"auto"`` averages
            where the fit has draws. Without draws in the fit, ``"posterior"`` needs the table that
            was fitted.
        draws: the number of posterior draws of every missing cell to keep, for quantiles,
            intervals and completed tables; of a scan, those that ``interval`` is made from.
        unobserved: what happens to the missing values: ``"integrate"`` integrates them out
            and raises an error where that is impossible, ``"sample"`` samples them, ``"auto"``
            integrates where possible and samples elsewhere.
        independent_rows: make each row's means independent of the rows beside it and of their
            order, by (quasi-)random numbers that all rows share. Rows cannot be refined then.
        out: of a scan, the folder of the completed table, in Parquet files with the columns, types
            and order of the rows that were given; observed values are left untouched. Diagnostics
            of the rows are written into the folder ``out``-rows beside it.
        m: of a scan, the number of completed tables, drawn from the posterior, to write into the
            folder ``out``-draws, block by block under each other and numbered.
        interval: of a scan, the level of intervals of the missing values, such as 0.9, which are
            written into the folder ``out``-intervals; none when left out.
        jobs: of a scan, the number of processes that work on parts at once.
        backend: of a scan, whose processes these are: ``"loky"`` (this machine's), ``"dask"``,
            ``"ray"`` or a name that was registered with joblib; those of
            ``joblib.parallel_config`` when left out. All of them must see the files.
        rows_per_file: of a scan, the number of rows of each file; rounded up to whole blocks.
        seed: the same seed gives the same imputation.
        progress: show a progress bar.
        check: warn of columns whose imputed values lie, on average, outside the observed range
            (:class:`absentia.inference.OutsideRangeWarning`) and, if the fit did not check it, of
            slopes that nothing identifies (:class:`absentia.inference.IdentificationWarning`). Of
            a scan a sample of 1,000 rows is checked, before any other work.
        unfitted: allow a model that still has its initial parameters. A model that you trained by
            a loop of your own counts as fitted.

    Raises:
        ValueError: the data have other columns than the model, an argument is out of range, or the
            model was never fitted.
        MemoryError: this machine cannot hold so many draws.

    >>> import numpy as np
    >>> import absentia as ab
    >>> data = ab.IncompleteData.from_numpy(np.array([[1.0, 2.0], [3.0, np.nan], [0.0, 1.0]]))
    >>> fitted = ab.fit(ab.PPCA(data, latent_dim=1), data, steps=20, progress=False)
    >>> imputation = ab.impute(fitted, data, particles=100)
    >>> imputation.mean.shape, imputation.khat.shape
    ((3, 2), (3,))
    """
    if isinstance(data, Scan):  # no draw is kept in vain
        draws = max(m, 0 if interval is None else draws)
    settings = ImputeSettings(
        particles=particles,
        draws=draws,
        tolerance=tolerance,
        rule=rule,
        refine=refine,
        unobserved=unobserved,
        independent_rows=independent_rows,
        seed=seed,
    )
    if parameters not in get_args(ImputeParameters):
        raise InputError(f"parameters is {parameters!r}; give auto, posterior or fixed")
    if isinstance(data, Scan):
        if parameters != "auto":
            raise InputError(
                f"parameters is {parameters!r}, which belongs to a table in memory; drop it for a "
                f"scan"
            )
        from ..scanned.imputed import impute_scan  # which imputes each block by this function

        return impute_scan(
            fitted,
            data,
            out,
            settings,
            m=m,
            interval=interval,
            jobs=jobs,
            backend=backend,
            rows_per_file=rows_per_file,
            progress=progress,
            check=check,
            unfitted=unfitted,
        )
    of_a_scan = {"out": out, "interval": interval, "m": m or None, "backend": backend}
    name = next((name for name, value in of_a_scan.items() if value is not None), None)
    if name is not None:
        raise InputError(
            f"{name} belongs to a scan, and the table is in memory; drop it: the result has "
            "to_frame(), interval() and frames(m)"
        )
    return impute_rows(
        fitted,
        data,
        settings,
        parameters=parameters,
        progress=progress,
        check=check,
        unfitted=unfitted,
    )


def impute_rows(
    fitted: Fitted,
    data: IncompleteData,
    settings: ImputeSettings,
    *,
    parameters: ImputeParameters = "auto",
    keys: np.ndarray | None = None,
    progress: bool = False,
    check: bool = True,
    unfitted: bool = False,
) -> Imputation:
    """Impute a table in memory, as :func:`impute` does.

    Args:
        fitted: as there, and so are settings, parameters, progress, check and unfitted.
        data: the rows.
        keys: (n,) whole numbers of 64 bits that stand for the rows' keys, by which all random
            numbers then belong to rows; those of the order of rows when left out.
    """
    given = data
    model, data = prepared(fitted, data)
    if not unfitted:
        check_was_fitted(fitted)
    cells = int((~data.s).sum())
    check_memory(
        float(data.x.element_size()) * settings.draws * cells,
        f"{settings.draws} draws of {cells} missing cells",
        "lower draws",
    )
    fit = fit_of(fitted)
    own = fit if fit is not None and fit.rows == len(data) else None
    posterior = None if fit is None or parameters == "fixed" else fit.posterior
    by_row = ("refine", "tolerance")  # neither is done where particles are divided among draws
    asked = {name: value for name, value in settings.to_dict().items() if name not in by_row}
    options: dict[str, Any] = {"progress": progress, "keys": keys}
    if posterior is not None:
        found = imputed_by_draws(model, data, posterior, **options, **asked)
    elif parameters == "posterior":
        plan, models = _sources(own, data, settings)
        del asked["particles"]
        found = imputed_by_models(model, data, models, plan, **options, **asked)
    else:
        found = imputed(model, data, programs_of(model), **options, **settings.to_dict())
    if posterior is not None or parameters != "posterior":
        found.calibrated = Calibrated(model, data, posterior, settings.to_dict(), own)
    _log.info("refined %d of %d rows", found.refined.sum(), len(data))
    if check:
        with computing(model):
            _check(fitted, model, found)
    return found if tuple(given.columns) == tuple(data.columns) else found.beside_constants()


def _sources(
    fit: FitResult | None, data: IncompleteData, settings: ImputeSettings
) -> tuple[Divided, Iterator[Source]]:
    """Return models with parameters of their own, where the fit has no draws of them."""
    from ..uncertainty.sources import is_small, sources  # which imputes, too

    if fit is None:
        raise InputError(
            "parameters='posterior' needs a fit, and the table that was fitted, from which the "
            "uncertainty about the parameters comes; impute that table, or give parameters='fixed'"
        )
    asked = _DRAWS_OF_SMALL if is_small(fit.model) else _REFITS
    plan = divided(asked, settings.particles, settings.draws)
    return plan, sources(fit, data, plan.sets, "auto", seed=settings.seed).models


def _check(fitted: Fitted, model: RowModel, found: Imputation) -> None:
    """Warn of slopes that nothing identifies, and of imputed means outside the observed range."""
    fit = fit_of(fitted)
    found.identification = None if fit is None else fit.identification
    few_columns = len(model.columns) <= MOST_COLUMNS
    averaged = fit is not None and fit.posterior is not None  # its odds say what is known
    if found.identification is None and found.num_draws and few_columns and not averaged:
        found.identification = identification_table(model, found.data, found.draws(1)[0])
        warn_of(found.identification, stacklevel=5)
    if not few_columns or model.missingness.ignorable:
        return
    table = found.by_column()
    given = [name for j, name in enumerate(found.data.columns)
             if model.missingness.known(j) == "given"]  # fmt: skip
    warn_outside(table.drop(index=given, errors="ignore"), found.data.schema, stacklevel=5)


def imputed(
    model: RowModel,
    data: IncompleteData,
    programs: Programs,
    particles: Particles,
    *,
    draws: int = 0,
    tolerance: float | None = None,
    rule: Rule = "posterior",
    refine: bool = False,
    unobserved: str = "auto",
    independent_rows: bool = False,
    seed: int = 0,
    progress: bool = False,
    keys: np.ndarray | None = None,
) -> Imputation:
    """Impute :func:`prepared` data by the given programs of the model, as :func:`impute` does."""
    number = None if particles == "auto" else particles
    asked = asked_for("impute", particles=number, draws=draws)
    with asked, evaluating(model, seed, data.x.device):
        blocks = Blocks(
            programs, data, draws, unobserved, rule, seed, independent_rows, progress, keys
        )
        if number is None:
            done = adaptive(blocks, TOLERANCE if tolerance is None else tolerance, refine)
        else:
            done = fixed(blocks, number, refine)
    return Imputation(
        data, done.estimates, number, rule, done.khat_before, done.refined, done.row_particles
    )
