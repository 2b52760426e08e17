"""The mechanism whose form is not known: an average over forms, column by column."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import pandas as pd
import torch
from torch import Tensor, nn

from ...data import IncompleteData, Standardiser
from ...data.errors import InputError
from ..distributions.mask import ProbitBernoulli
from .affine import Affine
from .base import Missingness
from .covariate_design import CovariateDesign, Unit
from .dependence import Dependence
from .description import ColumnDescription
from .shown import in_own_units, incomplete
from .starts import score_of_rate
from .table_facts import TableFacts

Form = Literal[
    "completely at random",
    "other columns",
    "latent",
    "own value",
    "own value and other columns",
    "own value and latent",
]
#: the forms that a column's mechanism may take, with the prior probability of each
FORMS: dict[Form, float] = {
    "completely at random": 0.2,
    "other columns": 0.2,
    "latent": 0.2,
    "own value": 0.2,
    "own value and other columns": 0.1,
    "own value and latent": 0.1,
}
#: prior scale of the slopes per standard deviation, on the probit scale: about .7 in log-odds
SLOPE_SCALE = 0.41
#: degrees of freedom of the slopes' prior, whose heavy tails leave room for steep mechanisms
SLOPE_DF = 3.0
#: parameters of the inverse gamma prior of the variance that a latent part adds to the score
LOADING_SHAPE, LOADING_RATE = 2.0, 0.5
#: scale of the half-Cauchy prior of the loadings' spread on a latent that only the mask reads
SHARED_SCALE = 0.5
#: probit slopes times this are about the slopes of log-odds (Amemiya, 1981)
LOGIT = 1.6
#: a score at which nothing is missing, for columns without missing values
ALWAYS_SEEN = 8.0


class AveragedMissingness(Missingness):
    """Phi^-1 P(s_j = 1 | x, z, v) = b_j + g_j^T v + a_j x_j + c_j^T z + o_j^T x, some terms absent.

    It is for tables of which nobody knows why values are missing. v ~ Normal(0, I), site
    ``z_mask``, is a latent that only the mask reads, and explains why columns go missing together
    (drop-out, two-phase designs, blocks) without blaming their values. Every column has one of six
    forms, and which of them is not known. Beside b_j + g_j^T v they have:

    - "completely at random": nothing;
    - "other columns": o_j^T x, in which only columns without missing values count, and covariates;
    - "latent": c_j^T z: what the column shares with all others, observed or not, decides;
    - "own value": a_j x_j: self-masking;
    - "own value and other columns", "own value and latent": two of these.

    Slopes a_j have a Student-t prior with 3 degrees of freedom and scale .41 per standard deviation
    (.7 in log-odds). The loadings c_j are Normal(0, t_j / d), so that t_j is the variance of the
    latent part, with t_j ~ InverseGamma(2, .5), and likewise o_j. The loadings g_jk are
    Normal(0, r_k^2) with r_k ~ HalfCauchy(.5), which is near 0 where columns share nothing and has
    room for columns that all go missing at once. The forms' probabilities are shared by all
    columns, and have a Dirichlet prior around :data:`FORMS`: what most columns do is
    likelier for the others. (George & McCulloch, JASA 1993, for selection by mixture priors;
    Hoeting et al., Statistical Science 1999, for averaging over models.)

    With a linear Gaussian decoder, or a mixture, :func:`absentia.fit` samples forms, coefficients
    and decoder from their posterior (:mod:`absentia.inference.gibbs`). With other decoders the
    parameters are fitted as they stand, shrunk by the priors of the last form, and no form is left
    out. Columns of codes and counts are read by these: x_j is then divided by its ``unit``.

    Args:
        num_columns: the number p of columns.
        latent_dim: the number d of the row's latent dimensions.
        forms: the forms that are considered; all six when left out.
        mask_latent_dim: the number e of dimensions of v; 0 leaves it out.
        units: (p,) one standard deviation of each column in the model's numbers, 1 for standardised
            columns, the default. A unit of 0 is for levels without an order, which are not read.
        unread: the positions of columns that have no slope on their own value, such as levels: of
            two or three of them a table can hardly tell whether they decide themselves.
        complete: the positions of columns without missing values, whose coefficients a fit by
            gradients learns; sampling finds them in the table.
        covariates: the units of the data's covariates
            (:class:`~absentia.models.missingness.covariate_design.CovariateDesign`), which count
            among the other columns: o_j reads them, too.

    Raises:
        ValueError: a form is unknown, or none is given.

    >>> import torch
    >>> from absentia.models import AveragedMissingness
    >>> mechanism = AveragedMissingness(3, 2)
    >>> mechanism(torch.zeros(7, 3), z=torch.zeros(7, 2), z_mask=torch.zeros(7, 1)).batch_shape
    torch.Size([7, 3])
    """

    link = "probit"

    def __init__(
        self,
        num_columns: int,
        latent_dim: int,
        forms: Sequence[Form] | None = None,
        mask_latent_dim: int = 1,
        units: Sequence[float] | None = None,
        complete: Sequence[int] = (),
        unread: Sequence[int] = (),
        covariates: Sequence[Unit | Sequence[float]] = (),
    ) -> None:
        super().__init__()
        if mask_latent_dim < 0:
            raise InputError(f"mask_latent_dim is {mask_latent_dim}; give 0 or more")
        forms = tuple(FORMS) if forms is None else tuple(forms)
        unknown = [form for form in forms if form not in FORMS]
        if unknown or not forms:
            what = f"form {unknown[0]!r} is unknown" if unknown else "forms is empty"
            raise InputError(f"{what}; give some of {', '.join(FORMS)}")
        self.forms = tuple(form for form in FORMS if form in forms)
        self.slope = nn.Parameter(torch.zeros(num_columns))
        self.offset = nn.Parameter(torch.zeros(num_columns))
        self.loading = nn.Parameter(torch.zeros(num_columns, latent_dim))
        self.mask_latent_dim = mask_latent_dim
        self.covariates = CovariateDesign(covariates) if len(covariates) else None
        self.asks = (
            "z",
            *(["z_mask"] if mask_latent_dim else []),
            *(["covariates"] if self.covariates is not None else []),
        )
        # at loadings of zero a guide of v would learn nothing
        start = 0.1 * torch.randn(num_columns, mask_latent_dim)
        self.shared = nn.Parameter(start) if mask_latent_dim else None
        per_unit = [1.0] * num_columns if units is None else [1 / u if u else 0.0 for u in units]
        self.per_unit: Tensor
        self.register_buffer("per_unit", torch.tensor(per_unit), persistent=False)
        own = torch.tensor([0.0 if j in unread else u for j, u in enumerate(per_unit)])
        self.own_unit: Tensor
        self.register_buffer("own_unit", own, persistent=False)
        self.others: Tensor
        #: (p, p) the coefficients of other columns, which only sampling changes
        self.register_buffer("others", torch.zeros(num_columns, num_columns))
        self.complete: Tensor
        self.register_buffer("complete", torch.tensor(complete, dtype=torch.long), persistent=False)
        learnt = nn.Parameter(torch.zeros(num_columns, len(complete)))
        self.of_complete = learnt if len(complete) else None
        self.of_covariates = (
            None
            if self.covariates is None
            else nn.Parameter(torch.zeros(num_columns, self.covariates.size))
        )
        self.slope.requires_grad_(any("own value" in form for form in self.forms))
        self.loading.requires_grad_(any("latent" in form for form in self.forms))

    def forward(
        self, x: Tensor, z: Tensor, z_mask: Tensor | None = None, covariates: Tensor | None = None
    ) -> ProbitBernoulli:
        """Return a Bernoulli with probit link, batch shape (..., n, p)."""
        rest = self._rest(x, z, z_mask, covariates)
        return ProbitBernoulli(rest + self.slope * self.own_unit * x)

    def affine(
        self, x: Tensor, z: Tensor, z_mask: Tensor | None = None, covariates: Tensor | None = None
    ) -> Affine:
        """Return slopes, and offsets by row and particle, of columns that no other one reads."""
        read = self.dependence(x.shape[-1]).sampled
        columns = ~read.to(x.device) if bool(read.any()) else None
        rest = self._rest(x, z, z_mask, covariates)
        return Affine(self.slope * self.own_unit, rest, "probit", columns)

    def _rest(
        self, x: Tensor, z: Tensor, z_mask: Tensor | None, covariates: Tensor | None
    ) -> Tensor:
        """Return the score without the part of the column itself, (..., n, p)."""
        rest = self.offset + z @ self.loading.T
        if self.shared is not None and z_mask is not None:
            rest = rest + z_mask @ self.shared.T
        if self.of_complete is not None:
            given = x[..., self.complete] * self.per_unit[self.complete]
            rest = rest + given @ self.of_complete.T
        if self.covariates is not None and self.of_covariates is not None:
            rest = rest + self.covariates(covariates) @ self.of_covariates.T
        return rest + x @ self.others.T if bool(self.others.any()) else rest

    def dependence(self, num_columns: int) -> Dependence:
        """Each column's absence depends on its own value, and on those it has coefficients for."""
        complete = () if self.of_complete is None else tuple(self.complete.tolist())
        if not bool(self.others.any()):
            return _of_own_and(complete, num_columns)
        reads = _of_own_and(complete, num_columns).reads | (self.others != 0).cpu()
        reads[list(complete)] = torch.eye(num_columns, dtype=torch.bool)[list(complete)]
        return Dependence(reads, torch.zeros(num_columns, dtype=torch.bool))

    @torch.no_grad()
    def initialise(self, observed_rate: Tensor) -> None:
        """Start the offsets from the observed rates."""
        start = score_of_rate(observed_rate, "probit")
        self.offset.copy_(start.masked_fill(observed_rate.to(start) >= 1, ALWAYS_SEEN))

    def log_prior(self) -> Tensor | None:
        """Return the log-density of the slopes and loadings where no form is left out."""
        total = self.offset.new_zeros(())
        if self.slope.requires_grad:
            total = total + _student(self.slope)
        if self.loading.requires_grad:
            total = total + _normal(self.loading)
        for read in (self.of_complete, self.of_covariates):
            if read is not None:
                total = total + _normal(read)
        if self.shared is not None:
            total = total + _cauchy(self.shared)
        return total

    def known(self, column: int) -> str | None:
        """Return "shrunk": priors draw slopes towards 0."""
        return "shrunk"

    def estimands(self, **sampled: Tensor) -> dict[str, Tensor]:
        """Return slopes and offsets; loadings are known only up to a rotation of the latents."""
        return {"slope": self.slope, "offset": self.offset}

    def shown(self, data: IncompleteData, **sampled: Tensor) -> dict[str, Tensor]:
        """Return slopes and offsets of the score of being missing, in data units."""
        found: dict[str, Tensor] = {}
        for j, _ in incomplete(data):
            slope = self.slope[j] * self.own_unit[j]
            found |= in_own_units(data, j, self.offset[j], [(j, slope)])
        return found

    def describe_column(
        self, column: int, facts: TableFacts, dependence: Dependence
    ) -> ColumnDescription:
        """Describe what is known of a column's form: its odds, where the fit has sampled them."""
        found = super().describe_column(column, facts, dependence)
        if column in self.complete:
            return ColumnDescription(found.column, "never missing")
        if facts.odds is None:
            return replace(found, reason=self.in_words(column)) if found.reason else found
        if found.column not in facts.odds.index:
            return ColumnDescription(found.column, "never missing")
        return replace(found, identified=None, reason=sentence(facts.odds.T[found.column]))

    @torch.no_grad()
    def in_words(self, column: int) -> str:
        """Say what the fitted slope on the own value is, where no forms were sampled."""
        if not bool(self.own_unit[column]):
            return (
                "other columns; its own value is taken not to decide, as for levels, or where many "
                "rows share one value"
            )
        common = self.slope.new_zeros(()) if self.shared is None else self.shared[column]
        slope = -LOGIT * float(self.slope[column] / (1 + common.square().sum()).sqrt())
        if not bool(self.slope.any()):
            return "not known before the fit; its forms are averaged over"
        which = f"{'high' if slope > 0 else 'low'} values missing" if abs(slope) >= _SMALL else ""
        which = which or "hardly its own value"
        return f"{which} (slope {slope:.2g} a sd, shrunk towards 0, beside other columns)"

    def equation(self, column: int, names: Sequence[str], scaler: Standardiser | None) -> str:
        """Write the score of being missing, in which all but the intercept may be absent."""
        name = names[column]
        if scaler is not None and scaler.warps[column] is not None:
            name = f"{scaler.warps[column].kind}({name})"  # type: ignore[union-attr]
        terms = f"b + g' mask_latent + a {name} + c' latent + o' others"
        return f"probit P({names[column]} missing) = {terms}"


#: fitted slopes of less than this in log-odds are said to be small
_SMALL = 0.5
#: whether the own value matters is said where it is this probable, else the data do not say
_SAID = 0.7
#: that columns go missing together is said where their own latent has this share in the score
_TOGETHER = 0.5


# Every step asks for these sums of log-densities. A distribution would make tensors of its numbers
# and subtract its constant cell by cell, ten operations more for each.


def _student(value: Tensor) -> Tensor:
    """Return the log-density of slopes under their Student-t prior, summed."""
    terms = (value / SLOPE_SCALE).square().div(SLOPE_DF).log1p().sum()
    return -0.5 * (SLOPE_DF + 1) * terms - value.numel() * _LOG_STUDENT


def _normal(value: Tensor) -> Tensor:
    """Return the log-density of loadings (p, d) at their prior's typical variance, summed."""
    if not value.numel():
        return value.sum()
    variance = LOADING_RATE / (LOADING_SHAPE + 1) / value.shape[1]
    constant = 0.5 * math.log(2 * math.pi * variance)
    return -(value.square() / (2 * variance)).sum() - value.numel() * constant


def _cauchy(value: Tensor) -> Tensor:
    """Return the log-density of shared loadings under their Cauchy prior, summed."""
    terms = (value / SHARED_SCALE).square().log1p().sum()
    return -terms - value.numel() * math.log(math.pi * SHARED_SCALE)


@functools.lru_cache(maxsize=64)  # every step of a fit asks for it several times
def _of_own_and(complete: tuple[int, ...], num_columns: int) -> Dependence:
    """Each column but the complete ones depends on its own value, and on the complete columns."""
    if not complete:
        return Dependence.of_own_value(num_columns)
    with torch.inference_mode(False):
        own = torch.eye(num_columns, dtype=torch.bool)
        reads = own.clone()
        reads[:, complete] = True
        reads[list(complete)] = own[list(complete)]
        return Dependence(reads, torch.zeros(num_columns, dtype=torch.bool))


#: minus the constant of the Student-t prior's log-density
_LOG_STUDENT = (
    math.log(SLOPE_SCALE)
    + 0.5 * math.log(SLOPE_DF * math.pi)
    + math.lgamma(SLOPE_DF / 2)
    - math.lgamma((SLOPE_DF + 1) / 2)
)


def sentence(row: pd.Series[float]) -> str:
    """Write in words which form a column's mechanism has.

    Args:
        row: the probabilities of the forms; ``slope``, ``slope_low`` and ``slope_high``: what one
            standard deviation of the own value adds to the log-odds of being missing; and
            ``together``: the share that a latent of the mask alone has in what else decides.

    >>> odds = [0.02, 0.01, 0.01, 0.9, 0.03, 0.03, 1.4, 0.9, 1.9, 0.1]
    >>> names = [*FORMS, "slope", "slope_low", "slope_high", "together"]
    >>> sentence(pd.Series(odds, index=names))
    '0.96 its own value, high values missing (slope 1.4 a sd, 0.9 to 1.9)'
    >>> odds = [0.7, 0.15, 0.05, 0.1, 0.0, 0.0, 0.1, -0.3, 0.4, 0.9]
    >>> sentence(pd.Series(odds, index=names))
    '0.90 not its own value: 0.70 together with others, 0.15 other columns that are complete'
    >>> odds = [0.0, 0.26, 0.22, 0.21, 0.15, 0.16, 0.9, -0.4, 1.9, 0.0]
    >>> sentence(pd.Series(odds, index=names))
    'the data do not say: 0.52 its own value (then slope 0.9 a sd, -0.4 to 1.9); imputed under both'
    """
    own = sum(row[form] for form in FORMS if "own value" in form)
    together = row["together"] >= _TOGETHER
    slopes = f"slope {row['slope']:.2g} a sd, {row['slope_low']:.2g} to {row['slope_high']:.2g}"
    if own >= _SAID:
        text = f"{own:.2f} its own value"
        if row["slope_low"] > 0 or row["slope_high"] < 0:
            text += f", {'high' if row['slope'] > 0 else 'low'} values missing"
        return f"{text} ({slopes}){', and together with others' if together else ''}"
    if own <= 1 - _SAID:
        parts = {
            "completely at random": "together with others" if together else "completely at random",
            "other columns": "other columns that are complete",
            "latent": "what it shares with other columns (latent)",
        }
        said = [f"{row[form]:.2f} {text}" for form, text in parts.items() if row[form] >= 0.1]
        return f"{1 - own:.2f} not its own value: {', '.join(said)}"
    return f"the data do not say: {own:.2f} its own value (then {slopes}); imputed under both"
