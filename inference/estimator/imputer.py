"""The scikit-learn front: an imputer for values that are missing because of what they are."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from ...data import IncompleteData, Schema
from ...data.numeric import column_names
from ...models import MIWAE, PPCA, Missingness, NotMIWAE, NotMIWAEPPCA
from ..fitting.fit import FitResult, fit
from ..held_out import held_out_bound, mask_left_out
from ..imputing.impute import impute
from .options import fit_options, model_options
from .reading import table_of
from .sampling import new_rows
from .storage import load_imputer, save_imputer

MODELS: dict[str, Any] = {
    "not-miwae-ppca": NotMIWAEPPCA,
    "not-miwae": NotMIWAE,
    "ppca": PPCA,
    "miwae": MIWAE,
}


class MNARImputer(TransformerMixin, BaseEstimator):
    """Impute values that are missing not at random, under a learnt missingness mechanism.

    ``transform`` fills in posterior means of numbers, medians of ordered and the most probable of
    other levels. It is deterministic, and a row's values do not depend on the rows beside it.

    Arrays and tables of numbers come back as arrays (or as ``set_output`` says); tables with
    other columns (booleans, categories, text, dates, nullable types) as tables of their dtypes.

    :param model: ``"not-miwae-ppca"``, ``"not-miwae"``, ``"ppca"`` or ``"miwae"``.
    :param missingness: why values are absent: a name, a formula, formulas by column, what
        :func:`absentia.missing` returns, or a mechanism; see :func:`absentia.NotMIWAE`.
    :param sign: for self-masking, ``"+"`` where high values go missing, ``"-"`` where low ones do.
    :param latent_dim: None for the model's default.
    :param model_options: further arguments of the model, such as ``{"hidden": (64,)}``.
    :param schema: what columns are, as for :meth:`absentia.IncompleteData.from_frame`.
    :param covariates: names of columns that are given and not modelled; they pass through.
    :param missing_values: what stands for a missing value, beside NaN and None.
    :param keep_empty_features: columns without any value are kept, as zeros, or dropped.
    :param add_indicator: append the mask of the features that had missing values in ``fit``.
    :param particles: importance samples a row in ``transform`` and ``score``.
    :param steps, learning_rate, fit_options: of :func:`absentia.fit`; None is 1e-2 for the linear
        and 2e-3 for the deep models.
    :param random_state: an integer for reproducible results.
    :param verbose: 1 shows progress.

    Attributes: ``result_`` (the :class:`~absentia.inference.FitResult`), ``model_``,
    ``mechanism_``, ``schema_``, ``n_features_in_``, ``feature_names_in_``, ``n_iter_``.

    >>> import numpy as np
    >>> import absentia as ab
    >>> rng = np.random.default_rng(0)
    >>> X = rng.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], size=200)
    >>> X[X[:, 0] > 0.5, 0] = np.nan
    >>> imputer = ab.MNARImputer(sign="+", steps=50, particles=100, random_state=0)
    >>> imputer.fit_transform(X).shape
    (200, 2)
    """

    def __init__(
        self,
        model: str = "not-miwae-ppca",
        missingness: Any = "self-masking",
        *,
        sign: Any = None,
        latent_dim: int | None = None,
        model_options: Mapping[str, Any] | None = None,
        schema: Any = None,
        covariates: Sequence[str] = (),
        missing_values: Any = np.nan,
        keep_empty_features: bool = False,
        add_indicator: bool = False,
        particles: int = 500,
        steps: int = 3_000,
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
        self.particles = particles
        self.steps = steps
        self.learning_rate = learning_rate
        self.fit_options = fit_options
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None) -> MNARImputer:
        """Fit model and mechanism to a table (n, p) with missing values; ``y`` is not read.

        :raises ValueError: for an unknown model, or what the table or the mechanism refuses.
        """
        # what is learnt is taken over as a whole: a fit that fails leaves the last one as it was
        fresh = copy.copy(self)
        fresh._learn(X)
        for name in vars(self).keys() - vars(fresh).keys():
            delattr(self, name)
        vars(self).update(vars(fresh))
        return self

    def _learn(self, X: Any) -> None:
        if self.model not in MODELS:
            raise ValueError(f"model {self.model!r} is not one of {', '.join(MODELS)}")
        further, settings = model_options(self.model_options), fit_options(self.fit_options)
        frame, self._plain_array = table_of(self, X, reset=True)
        self._seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        self._names = column_names(frame.columns)
        self._empty = frame.isna().all(axis=0).to_numpy()
        self._gaps = frame.isna().any(axis=0).to_numpy()
        kept = frame.loc[:, ~self._empty]
        if kept.shape[1] == 0:
            raise ValueError("no feature has an observed value; there is nothing to learn from")
        data = IncompleteData.from_frame(
            kept, schema=self.schema, covariates=list(self.covariates), dtype=torch.float64
        )
        options: dict[str, Any] = {"latent_dim": self.latent_dim, "seed": self._seed % 2**16}
        if self.model.startswith("not-"):
            what = self.missingness
            # a module is trained where it is: the parameter stays as it was given
            what = copy.deepcopy(what) if isinstance(what, Missingness) else what
            options |= {"missingness": what, "sign": self.sign}
        model = MODELS[self.model](data, **options, **further)
        rate = self.learning_rate
        if rate is None:
            rate = 1e-2 if self.model.endswith("ppca") else 2e-3
        self.result_: FitResult = fit(
            model.double(),
            data,
            steps=self.steps,
            learning_rate=rate,
            seed=self._seed % 2**16,
            progress=bool(self.verbose),
            **settings,
        )
        self._mask = mask_left_out(self.result_, data)
        self._template = kept.iloc[:0].copy()
        self.n_iter_ = self.steps

    @property
    def model_(self) -> Any:
        """The fitted model."""
        return self.result_.model

    @property
    def mechanism_(self) -> Missingness:
        """The fitted mechanism."""
        found: Missingness = self.result_.model.missingness
        return found

    @property
    def schema_(self) -> Schema:
        """What each modelled column is."""
        assert self.result_.schema is not None  # every fit of from_frame's data has one
        return self.result_.schema

    def describe(self) -> Any:
        """The mechanism in words, see :meth:`absentia.Missingness.describe`."""
        check_is_fitted(self, "result_")
        return self.mechanism_.describe(self.result_)

    def transform(self, X: Any) -> Any:
        """The table with its missing values filled in; observed ones are as they were."""
        frame, data = self._data(X)
        found = impute(
            self.result_,
            data,
            self.particles,
            refine=False,
            num_draws=0,
            independent_rows=True,
            seed=self._seed % 2**16,
            progress=bool(self.verbose),
        )
        completed = found.to_frame()
        completed = self._with_empty(completed, frame)
        if self.add_indicator:
            for name, gap in zip(self._names, self._gaps, strict=True):
                if gap:
                    place = self._names.index(name)
                    mask = frame.iloc[:, place].isna()
                    completed[f"missingindicator_{name}"] = mask.to_numpy(dtype=float)
        if _numbers_only(completed):
            return completed.to_numpy(dtype=np.float64)
        return completed

    def multiple_impute(self, X: Any, m: int = 20) -> pd.DataFrame:
        """m completed tables under each other: posterior draws, numbered by index level
        "imputation" from 1.
        """
        if m < 1:
            raise ValueError(f"m is {m}; give at least 1")
        frame, data = self._data(X)
        found = impute(
            self.result_,
            data,
            self.particles,
            num_draws=m,
            seed=self._seed % 2**16,
            progress=bool(self.verbose),
        )
        tables = [self._with_empty(table, frame) for table in found.frames(m)]
        return pd.concat(tables, keys=range(1, m + 1), names=["imputation"])

    def sample(self, n: int = 1) -> pd.DataFrame:
        """n new complete rows of the modelled columns, drawn from p(x) in the table's dtypes."""
        check_is_fitted(self, "result_")
        if n < 1:
            raise ValueError(f"n is {n}; give at least 1")
        return new_rows(self, n)

    def score(self, X: Any, y: Any = None) -> float:
        """The mean bound on log p(x_o, s) of the rows, in nats: what settings are chosen by.

        Values count in the table's own units and the whole mask counts under every model, so that
        missing at random can be compared with not at random, and logarithms with raw values. A
        mechanism that leaves masks out (``"ignorable"``, columns without a formula) has no density
        of its own for them; they count by a logistic regression on what is observed, fitted with
        the model. See :func:`absentia.held_out_bound`.
        """
        _, data = self._data(X)
        seed = self._seed % 2**16
        bound = held_out_bound(self.result_, data, self.particles, seed=seed, mask=self._mask)
        return float(bound.mean())

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the columns that ``transform`` returns."""
        check_is_fitted(self, "result_")
        known = getattr(self, "feature_names_in_", None)
        if input_features is None:
            names = list(known) if known is not None else [f"x{j}" for j in range(len(self._names))]
        else:
            names = list(input_features)
            if len(names) != self.n_features_in_:
                raise ValueError(
                    f"input_features should have length equal to number of features "
                    f"({self.n_features_in_}), got {len(names)}"
                )
            if known is not None and names != list(known):
                raise ValueError("input_features is not equal to feature_names_in_")
        kept = [
            name
            for name, empty in zip(names, self._empty, strict=True)
            if self.keep_empty_features or not empty
        ]
        if self.add_indicator:
            gaps = zip(names, self._gaps, strict=True)
            kept += [f"missingindicator_{name}" for name, gap in gaps if gap]
        return np.asarray(kept, dtype=object)

    def save(self, path: str | Path) -> None:
        """Write the fitted imputer to a folder, without pickle; :meth:`load` reads it.

        :raises FormatError: for a mechanism that is not made of plain data (a function).
        """
        save_imputer(self, path)

    @classmethod
    def load(cls, path: str | Path) -> MNARImputer:
        """Read what :meth:`save` wrote.

        :raises FormatError: if the folder holds no fitted model.
        """
        return load_imputer(cls, path)

    def __sklearn_tags__(self) -> Any:
        """NaN is what it is for."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _data(self, X: Any) -> tuple[pd.DataFrame, IncompleteData]:
        check_is_fitted(self, "result_")
        frame, _ = table_of(self, X, reset=False)
        kept = frame.loc[:, ~self._empty]
        return frame, IncompleteData.from_frame(kept, like=self.result_, dtype=torch.float64)

    def _with_empty(self, completed: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
        """Columns that had no value in ``fit`` put back, as zeros, if they are to be kept."""
        if not self.keep_empty_features or not self._empty.any():
            return completed
        result = completed.copy()
        for place in np.flatnonzero(self._empty):
            result.insert(int(place), frame.columns[int(place)], np.zeros(len(frame)))
        return result


def _numbers_only(frame: pd.DataFrame) -> bool:
    """Whether all columns are of numpy's plain numbers."""
    return all(isinstance(d, np.dtype) and d.kind in "iuf" for d in frame.dtypes)
