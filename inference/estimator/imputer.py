"""The scikit-learn imputer for values that are missing because of what they are."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.validation import check_is_fitted

from ...data import IncompleteData, Schema
from ...data.columns.types import column_names
from ...data.errors import AbsentiaWarning, InputError
from ...models import Missingness
from ...models.missingness.description import Description
from ...models.programs.base import RowModel
from ...models.zoo.mechanism_names import USUAL
from ..fitting.loop import fit
from ..fitting.result import FitResult
from ..fitting.usual import usual_settings
from ..held_out import held_out_bound, mask_left_out
from ..imputing.imputation import Imputation
from ..imputing.tables import impute
from .completing import as_numbers, filled, indicator_names, with_indicators
from .learning import model_of, training_data
from .options import check_parameters, check_whole, fit_options, kind_of, model_options
from .reading import Given, given_names, given_table, seen_by_model, without_unseen_levels
from .sampling import new_rows
from .storage import load_imputer, save_imputer

#: importance samples per row of ``score`` where their number is not given
_SCORED_WITH = 500

NOTHING_MISSING = (
    "no value of the table is missing, so that nothing can be learnt about why values go missing; "
    "if gaps are coded (-99, '?'), name the codes in missing_values"
)


class MNARImputer(TransformerMixin, BaseEstimator):
    """Impute values that are missing not at random, under a learnt missingness mechanism.

    ``transform`` fills in posterior means of numbers, medians of ordered and the most probable of
    other levels. It is deterministic, and a row's values do not depend on the rows beside it.

    Arrays and tables of numbers come back as arrays (or as ``set_output`` says); tables with
    other columns (booleans, categories, text, dates, nullable types, whole numbers that a float
    would change) as tables of their dtypes. Observed cells are as they were given. Tables of
    polars and other libraries are read, masked arrays and arrays of objects too.

    Args:
        model: ``"not-miwae-mixture"`` (a mixture of Normals), ``"not-miwae-ppca"`` (linear) and
            ``"not-miwae"`` (a network) learn why values are missing; ``"ppca"`` and ``"miwae"``
            assume that they are missing at random. ``"auto"`` is the mixture where the posterior of
            its parameters can be sampled (all columns are numbers, some values are missing, and
            ``missingness`` is ``"auto"``), else the linear one.
        missingness: why values are absent. ``"auto"`` assumes nothing: it averages over forms of
            the mechanism, column by column, and :attr:`why_missing_` says what the table tells of
            them. Otherwise a name (``"self-masking"``), a formula, formulas by column, what
            :func:`absentia.missing` returns, or a mechanism; see :func:`absentia.NotMIWAE`. What
            is given by column (here, in ``sign`` and ``schema``) for a column without any value is
            left out with the column.
        sign: ``"+"`` where high values go missing, ``"-"`` where low ones do; it stands for
            self-masking where no mechanism is given.
        latent_dim: the number of latent dimensions; None for the model's default.
        model_options: further arguments of the model, such as ``{"hidden": (64,)}``.
        schema: the kinds of the columns, as for :meth:`absentia.IncompleteData.from_frame`; all
            categories of a categorical dtype are levels.
        covariates: names of columns that are given and not modelled; they pass through.
        missing_values: what stands for a missing value, beside NaN, None and pd.NA: a value,
            several (``[-9, -8]``), or either by column (``{"age": -9}``). 0 is not False, nor
            ``"0"``.
        keep_empty_features: whether columns without any value in ``fit`` are kept, with zeros for
            missing numbers, or dropped.
        add_indicator: whether to append the mask of features that had missing values in ``fit``.
        unseen_levels: what a level of new rows is that ``fit`` did not see: an ``"error"``, or
            ``"missing"`` for the model (it comes back as it was given).
        particles: importance samples per row in ``transform`` and ``score``; ``"auto"`` takes as
            many as each row needs in ``transform`` (:func:`absentia.impute`), and 500 in ``score``.
        steps, learning_rate, fit_options: arguments of :func:`absentia.fit`; steps are sweeps where
            the posterior is sampled. Where neither steps nor a rate is given, other linear models
            are fitted by L-BFGS until nothing more is gained, and networks by Adam until the bound
            on held-out rows is flat; the rate is then 1e-2 for linear models and 2e-3 for networks.
        random_state: an integer for reproducible results.
        verbose: 1 shows progress.

    Attributes: ``result_`` (the :class:`~absentia.inference.FitResult`), ``model_``,
    ``mechanism_``, ``why_missing_``, ``schema_``, ``n_features_in_``, ``feature_names_in_``,
    ``n_iter_``.

    >>> import numpy as np
    >>> import absentia as ab
    >>> rng = np.random.default_rng(0)
    >>> X = rng.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], size=200)
    >>> X[X[:, 0] > 0.5, 0] = np.nan
    >>> imputer = ab.MNARImputer(steps=60, particles=100, random_state=0)  # a quick look
    >>> imputer.fit_transform(X).shape
    (200, 2)
    >>> list(imputer.why_missing_)
    ['x0']
    """

    def __init__(
        self,
        model: str = "auto",
        missingness: Any = USUAL,
        *,
        sign: Any = None,
        latent_dim: int | None = None,
        model_options: Mapping[str, Any] | None = None,
        schema: Any = None,
        covariates: Sequence[str] = (),
        missing_values: Any = np.nan,
        keep_empty_features: bool = False,
        add_indicator: bool = False,
        unseen_levels: str = "error",
        particles: int | Literal["auto"] = "auto",
        steps: int | None = None,
        learning_rate: float | None = None,
        fit_options: Mapping[str, Any] | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.model = model
        self.missingness = missingness
        self.sign = sign
        self.latent_dim = latent_dim
        self.model_options = model_options
        self.schema = schema
        self.covariates = covariates
        self.missing_values = missing_values
        self.keep_empty_features = keep_empty_features
        self.add_indicator = add_indicator
        self.unseen_levels = unseen_levels
        self.particles = particles
        self.steps = steps
        self.learning_rate = learning_rate
        self.fit_options = fit_options
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None) -> MNARImputer:
        """Fit model and mechanism to a table (n, p) with missing values; ``y`` is ignored.

        Raises:
            ValueError: for an unknown model, or what the table or the mechanism refuses.
        """
        # learnt by a copy and taken over at the end, so that a fit that fails changes nothing
        fresh = copy.copy(self)
        fresh._learn(X)
        for name in vars(self).keys() - vars(fresh).keys():
            delattr(self, name)
        self.__dict__.update(vars(fresh))
        return self

    def _learn(self, X: Any) -> None:
        check_parameters(self)
        settings = fit_options(self.fit_options)
        frame = given_table(self, X, reset=True).frame
        self._seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        self._names = column_names(frame.columns)
        missing = frame.isna().to_numpy()
        self._gaps: np.ndarray = np.any(missing, axis=0)
        self._empty: np.ndarray = np.all(missing, axis=0)
        kept = frame.loc[:, ~self._empty]
        if kept.shape[1] == 0:
            raise InputError("no feature has an observed value; there is nothing to learn from")
        self._template = kept.iloc[:0].copy()
        data = training_data(self, kept)
        kind = kind_of(self, data)
        model = model_of(self, kind, data, model_options(self.model_options, kind))
        if bool(data.s.all()):
            warnings.warn(NOTHING_MISSING, AbsentiaWarning, stacklevel=3)
        self.result_: FitResult = fit(
            model.float(),  # sums over rows and particles need no more digits than that
            data,
            seed=self._seed % 2**16,
            progress=bool(self.verbose),
            **usual_settings(model, data, self.steps, self.learning_rate, settings),
            **settings,
        )
        self.result_.model.double()  # numbers go in and come out in double precision
        self._mask = mask_left_out(self.result_, data)
        self.n_iter_ = int(self.result_.history["step"].iloc[-1])

    @property
    def model_(self) -> RowModel:
        """The fitted model, a Pyro program."""
        return self.result_.model

    @property
    def mechanism_(self) -> Missingness:
        """The fitted missingness mechanism of the model."""
        found: Missingness = self.result_.model.missingness
        return found

    @property
    def why_missing_(self) -> dict[str, str]:
        """Why the values of each incomplete column are missing, in words, as far as it is known."""
        return self.result_.why_missing()

    @property
    def schema_(self) -> Schema:
        """The schema of the modelled columns."""
        assert self.result_.schema is not None  # every fit of from_frame's data has one
        return self.result_.schema

    def describe(self) -> Description:
        """Describe the mechanism in words, see :meth:`absentia.Missingness.describe`."""
        check_is_fitted(self, "result_")
        return self.mechanism_.describe(self.result_)

    def transform(self, X: Any) -> Any:
        """Return the table with its missing values filled in and observed ones unchanged."""
        given, data = self._data(X)
        values = None if data is None else self._imputed(data, independent_rows=True).point
        completed = self._completed(given.frame, values)
        if self.add_indicator:
            completed = with_indicators(completed, given.frame, self._gaps)
        # a container that set_output asks for keeps the dtypes of the columns
        asked = _get_output_config("transform", self)["dense"] != "default"
        return completed if asked else as_numbers(completed, given.array)

    def multiple_impute(self, X: Any, m: int = 20) -> pd.DataFrame:
        """Return m completed tables, stacked and numbered by index level "imputation" from 1."""
        check_whole("m", m)
        given, data = self._data(X)
        several = [None] * m if data is None else self._imputed(data, draws=m).draws(m)
        tables = [self._completed(given.frame, values) for values in several]
        return pd.concat(tables, keys=range(1, m + 1), names=["imputation"])

    def _imputed(self, data: IncompleteData, draws: int = 0, **options: Any) -> Imputation:
        return impute(
            self.result_,
            data,
            self.particles,
            refine=draws > 0,
            draws=draws,
            seed=self._seed % 2**16,
            progress=bool(self.verbose),
            **options,
        )

    def _completed(self, frame: pd.DataFrame, values: Any) -> pd.DataFrame:
        return filled(frame, self.schema_, self._empty, self.keep_empty_features, values)

    def sample(self, n: int = 1) -> pd.DataFrame:
        """Sample n new complete rows of the modelled columns from p(x), in the table's dtypes."""
        check_is_fitted(self, "result_")
        if n < 1:
            raise InputError(f"n is {n}; give at least 1")
        return new_rows(self, n)

    def score(self, X: Any, y: Any = None) -> float:
        """Return the mean bound on log p(x_o, s) of the rows, in nats, to choose settings by.

        Values count in the table's own units and the whole mask counts under every model, so that
        missing at random can be compared with not at random, and logarithms with raw values. A
        mechanism that leaves masks out (``"ignorable"``, columns without a formula) has no density
        of its own for them; they count by a logistic regression on what is observed, fitted with
        the model. See :func:`absentia.check.held_out_bound`.
        """
        check_is_fitted(self, "result_")
        data = self._read(given_table(self, X, reset=False).frame)
        seed = self._seed % 2**16
        particles = _SCORED_WITH if self.particles == "auto" else self.particles
        bound = held_out_bound(self.result_, data, particles, seed=seed, mask=self._mask)
        return float(bound.mean())

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the columns that ``transform`` returns."""
        check_is_fitted(self, "result_")
        names = given_names(self, input_features)
        whole = np.zeros_like(self._empty) if self.keep_empty_features else self._empty
        kept = [name for name, left_out in zip(names, whole, strict=True) if not left_out]
        if self.add_indicator:
            kept += indicator_names(names, self._gaps)
        return np.asarray(kept, dtype=object)

    def save(self, path: str | Path) -> None:
        """Write the fitted imputer to a folder, without pickle; :meth:`load` reads it.

        Raises:
            FormatError: for a mechanism that is not made of plain data (a function).
        """
        save_imputer(self, path)

    @classmethod
    def load(cls, path: str | Path) -> MNARImputer:
        """Read what :meth:`save` wrote.

        Raises:
            FormatError: if the folder holds no fitted model.
        """
        return load_imputer(cls, path)

    def __sklearn_tags__(self) -> Any:
        """Declare that the input may contain NaN."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _data(self, X: Any) -> tuple[Given, IncompleteData | None]:
        """Return the table as given and as model data; None where no value is missing."""
        check_is_fitted(self, "result_")
        given = given_table(self, X, reset=False)
        data = self._read(given.frame)
        places = [self._names.index(name) for name in data.columns]
        gaps = given.frame.iloc[:, places].isna().to_numpy()
        return given, data if gaps.any() else None

    def _read(self, frame: pd.DataFrame) -> IncompleteData:
        kept = seen_by_model(frame.loc[:, ~self._empty])
        if self.unseen_levels == "missing":
            kept = without_unseen_levels(kept, self.schema_)
        return IncompleteData.from_frame(kept, like=self.result_, dtype=torch.float64)
