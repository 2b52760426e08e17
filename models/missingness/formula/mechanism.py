"""Mechanisms declared by one formula per column, evaluated on tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import torch
from pyro.distributions import Bernoulli, Normal, TorchDistribution
from torch import Tensor, nn

from ....data import IncompleteData
from ...distributions.affine_mask import AffineMask
from ...distributions.mask import ProbitBernoulli, SequentialMask
from ...distributions.shapes import broadcast
from ...fitted import Fit
from ..affine import Affine, Link
from ..base import Missingness
from ..dependence import Dependence
from ..description import ColumnDescription
from ..equations import equation
from ..identification import identified
from ..starts import score_of_rate
from ..table_facts import TableFacts, shadows_among
from .declaration import Declared
from .grouped import Grouped
from .learned import arguments_for
from .linear_predictor import Learnt, LinearPredictor
from .linearity import smoothness
from .lookup import Names, RowValues
from .reads import Reads


class FormulaMissingness(Missingness):
    """link P(s_j = 0 | row) = b_j + sum_q c_jq f_q(row), with terms f_q of a column's formula.

    :meth:`declared` and the named models make it from what :func:`absentia.missing` returns. Terms
    are evaluated in the data's own units and standardised by the observed values, so a coefficient
    is the change of the log-odds of being **missing** per standard deviation.

    If the formula of a column reads no other missing values than the column's own, these are
    integrated out: in closed form if the formula is affine in the column as the model sees it
    (``log(income)`` for a positive column), and by quadrature or a finite sum otherwise. Columns
    that the formula of another column reads are sampled where they are missing, see
    :meth:`dependence`.

    Args:
        columns: the names of the table's columns, in order.
        units: for every column, ``center``, ``scale`` and ``warp`` of the standardisation.
        entries: for every column with a formula, ``column``, ``design``, and what is known of its
            coefficients: ``intercept``, ``signs``, ``fixed``, ``priors`` and ``units``.
        rates: the share of observed values of every column.
        covariates: the names of the covariates.
        link: ``"logit"`` or ``"probit"``.
        mask_latent_dim: the dimensions of a latent that only the mask depends on, 0 without one.
    """

    def __init__(
        self,
        columns: Sequence[str],
        units: Sequence[Mapping[str, Any]],
        entries: Sequence[Mapping[str, Any]],
        rates: Sequence[float],
        covariates: Sequence[str] = (),
        link: Link = "logit",
        mask_latent_dim: int = 0,
    ) -> None:
        super().__init__()
        self.columns, self.covariates = tuple(columns), tuple(covariates)
        self.num_columns, self.link = len(self.columns), link
        self.rates = tuple(rates)
        self.names = Names(columns, units, covariates)
        parts = [LinearPredictor(entry) for entry in entries]
        self.parts = nn.ModuleList(parts)
        self.learnt = _together(parts)
        position = [self.columns.index(part.column) for part in parts]
        self.part_of = dict(zip(position, parts, strict=True))
        self.background: Tensor
        self.register_buffer("background", score_of_rate(torch.tensor(self.rates)), False)
        self.grouped = Grouped(self.part_of, self.names, self.learnt)
        shrunk = [(k, part.shrinkage) for part in parts for k in part.shrunk()]
        #: the places of the coefficients that are shrunk, and the sds of their priors
        self._shrunk = [k for k, _ in shrunk], [float(spread or 0.0) for _, spread in shrunk]
        self.mask_latent_dim = mask_latent_dim
        self.reads = Reads.of({j: part.design for j, part in self.part_of.items()}, self.columns)
        self.asks = self.reads.asks
        self.modelled = torch.zeros(self.num_columns, dtype=torch.bool)
        self.modelled[position] = True
        self._all_modelled = bool(self.modelled.all())
        self.affine_columns = torch.zeros(self.num_columns, dtype=torch.bool)
        self.affine_columns[position] = torch.tensor([self._is_affine(j) for j in position]).bool()
        self.nodes_per_sd = self._nodes()
        #: whether formulas read their own column alone, so that slopes are the same in all rows
        self.plain = not self.asks and self.dependence(self.num_columns).columnwise

    def _is_affine(self, column: int) -> bool:
        """Whether the formula of a column is affine in the column as the model sees it."""
        part, warp = self.part_of[column], self.names.warps[column]
        through = "identity" if warp is None else warp.kind
        affine = through in ("identity", "log") and part.design.affine_in(part.column, through)
        return affine or part.column not in part.design.reads

    def _nodes(self) -> int:
        """Return how many nodes a standard deviation serve all formulas that need nodes."""
        needed = [
            smoothness(factor.expression) if factor.of is None else 0
            for j, part in self.part_of.items()
            if not bool(self.affine_columns[j])
            for _, factors in part.design.factors()
            for factor in factors
            if part.column in factor.reads()
        ]
        return max(needed, default=0) if all(needed) else 0

    @classmethod
    def declared(
        cls,
        what: Declared,
        data: IncompleteData,
        latent_dim: int = 0,
        mask_latent_dim: int = 1,
    ) -> FormulaMissingness:
        """Make the mechanism for a table from what was declared before the data were seen.

        Args:
            what: the declared formulas.
            data: the table.
            latent_dim: the dimensions of the row's latent, for formulas that read ``latent``.
            mask_latent_dim: the dimensions of ``mask_latent``, where a formula reads it.

        Raises:
            ValueError: for columns that the table does not have, coefficients that a formula does
                not have, and terms that are constant in the table.

        >>> import pandas as pd
        >>> import absentia as ab
        >>> from absentia.models import FormulaMissingness
        >>> frame = pd.DataFrame({"age": [30.0, 50, 40], "income": [1.0, None, 3.0]})
        >>> data = ab.IncompleteData.from_frame(frame)
        >>> declared = ab.missing("income ~ income + age", fixed={"income": 2.0})
        >>> FormulaMissingness.declared(declared, data)(data.x).batch_shape
        torch.Size([3, 2])
        """
        result = cls(**arguments_for(what, data, latent_dim, mask_latent_dim))
        result.initialise(torch.tensor(result.rates))
        return result

    def forward(self, x: Tensor, **context: Any) -> TorchDistribution:
        """Return a Bernoulli (..., n, p); columns without a formula do not enter its density."""
        if "s" not in self.asks and len(self.grouped.columns) == len(self.part_of):
            slope, rest = self.grouped.scores(self.part_of, x, context, -self.background)
            return AffineMask(
                slope,
                rest,
                x,
                self.link,
                None if self._all_modelled else self.modelled,
                self._distribution,
                Affine(-slope, -rest, self.link, self.affine_columns),
            )
        given = self._distribution(self._scores(x, context))
        if "s" not in self.asks:
            return given
        return SequentialMask(
            given,
            self.reads.order,
            lambda s: self._distribution(self._scores(x, {**context, "s": s})),
        )

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *others: Any) -> None:
        """Take what older versions saved, in which each formula had parameters of its own."""
        coefficients, intercepts = [], []
        for i, part in enumerate(self.part_of.values()):
            own = f"{prefix}parts.{i}."
            if f"{own}raw" in state:
                coefficients.append(state.pop(f"{own}raw"))
            if f"{own}intercept" in state:
                found = state.pop(f"{own}intercept")
                if part.free_intercept:
                    intercepts.append(found)
                else:
                    state[f"{own}given_intercept"] = found
        if coefficients:
            state[f"{prefix}learnt.coefficients"] = torch.cat(coefficients)
        if intercepts:
            state[f"{prefix}learnt.intercepts"] = torch.stack(intercepts)
        super()._load_from_state_dict(state, prefix, *others)

    def _distribution(self, missing: Tensor) -> TorchDistribution:
        mask = ProbitBernoulli(-missing) if self.link == "probit" else Bernoulli(logits=-missing)
        if self._all_modelled:
            return mask
        return mask.mask(self.modelled.to(missing.device))

    def _scores(self, x: Tensor, context: Mapping[str, Any]) -> Tensor:
        """Return the linear predictor of being missing, of shape (..., n, p)."""
        slope, rest = self.grouped.scores(self.part_of, x, context, -self.background)
        found = slope * x + rest
        if len(self.grouped.columns) == len(self.part_of):
            return found
        values = RowValues(self.names, x, context)
        scores = list(found.unbind(-1))
        for j, part in self.part_of.items():
            if j not in self.grouped.columns:
                scores[j] = part.score(values, context)
        shape = broadcast(*(score.shape for score in scores))
        return torch.stack([score.expand(shape) for score in scores], -1)

    def dependence(self, num_columns: int) -> Dependence:
        """The values that the formulas read; columns without a formula are ignorable."""
        return Dependence(self.reads.values, ~self.modelled)

    def known(self, column: int) -> str | None:
        """Return what was specified for the terms that read the column itself."""
        part = self.part_of.get(column)
        return None if part is None else part.known

    def affine(self, x: Tensor, **context: Any) -> Affine | None:
        """Return slopes and offsets where a formula is affine, from its values at 0 and 1."""
        if not bool(self.affine_columns.any()):
            return None
        linear, rest = self.grouped.scores(self.part_of, x, context, -self.background)
        others = [j for j in self.part_of if j not in self.grouped.columns]
        if not any(bool(self.affine_columns[j]) for j in others):
            return Affine(-linear, -rest, self.link, self.affine_columns)
        shape = x.shape[:-1] if not self.plain else x.shape[:0]
        zero = x.new_zeros(())
        slope, offset = list((-linear).unbind(-1)), list((-rest).unbind(-1))
        for j in others:
            part = self.part_of[j]
            if not bool(self.affine_columns[j]):
                continue
            at_zero, at_one = (
                part.score(RowValues(self.names, x, context, replaced={part.column: v}), context)
                for v in (zero, zero + 1.0)
            )
            slope[j], offset[j] = at_zero - at_one, -at_zero
        shape = broadcast(*(t.shape for t in (*slope, *offset)), shape)
        return Affine(
            torch.stack([t.expand(shape) for t in slope], -1),
            torch.stack([t.expand(shape) for t in offset], -1),
            self.link,
            self.affine_columns,
        )

    def log_missing(
        self, values: Tensor, rows: Tensor, columns: Tensor, x: Tensor, **context: Any
    ) -> Tensor:
        """Return log P(s_j = 0 | x) at cells, column by column, as in the base class."""
        pieces, places = [], []
        for j in torch.unique(columns).tolist():
            cells = (columns == j).nonzero().flatten()
            part = self.part_of[j]
            here = values.expand(*values.shape[:2], len(rows))[..., cells]
            found = RowValues(self.names, x, context, rows[cells], {part.column: here})
            score = part.score(found, context)
            one = score.new_ones(())
            given = ProbitBernoulli(score) if self.link == "probit" else Bernoulli(logits=score)
            pieces.append(given.log_prob(one))
            places.append(cells)
        if not pieces:
            return values.new_zeros(*values.shape[:2], 0)
        order = torch.cat(places).argsort()
        shape = broadcast(values.shape[:2], *(piece.shape[:-1] for piece in pieces))
        joined = torch.cat(
            [piece.expand(*shape, len(cells)) for piece, cells in zip(pieces, places, strict=True)],
            -1,
        )
        return joined[..., order]

    @torch.no_grad()
    def initialise(self, observed_rate: Tensor) -> None:
        """Start the intercepts from the observed rates."""
        start = score_of_rate(1 - observed_rate, self.link)
        for j, part in self.part_of.items():
            part.initialise(start[j])

    @property
    def has_priors(self) -> bool:
        """Whether some coefficient is a latent site."""
        return any(part.priors for part in self.part_of.values())

    def log_prior(self) -> Tensor | None:
        """Return the log-density of the shrunk coefficients, summed over the columns."""
        if self.learnt.coefficients is None or not self._shrunk[0]:
            return None
        places, spread = self._shrunk
        shrunk = self.learnt.coefficients[places]
        return Normal(0.0, shrunk.new_tensor(spread)).log_prob(shrunk).sum()

    def coefficients(self, features: Any) -> dict[str, Tensor]:
        """Sample one site per coefficient with a prior, named ``"income ~ age"``."""
        sampled: dict[str, Tensor] = {}
        for part in self.part_of.values():
            sampled.update(part.sample())
        return sampled

    def estimands(self, **sampled: Tensor) -> dict[str, Tensor]:
        """Return every coefficient in the data's own units, named ``"income ~ age"``."""
        found: dict[str, Tensor] = {}
        for part in self.part_of.values():
            found.update(part.per_data_unit(sampled))
        return found

    def directions(self) -> dict[str, Tensor]:
        """Return the directions of the coefficients that have one."""
        return {
            f"{part.column} ~ {name}": sign
            for part in self.part_of.values()
            for name, sign in zip(part.names, part.direction, strict=True)
            if name in part.signs
        }

    def coefficient_table(self) -> pd.DataFrame:
        """Tabulate every coefficient, per standard deviation and in the data's own units.

        There is a row for each column and term. ``how`` is "learnt", "given", "direction" or
        "prior". With a prior, the values are the prior's centre; the model's ``coefficient_guide``
        and :func:`absentia.inference.coefficient_posterior` have the posterior. A learnt intercept
        next to terms with priors refers to average values of these, so per unit it is NaN.
        """
        rows = [row for part in self.part_of.values() for row in part.table()]
        frame = pd.DataFrame(rows, columns=["column", "term", "per_sd", "per_unit", "how"])
        return frame.set_index(["column", "term"])

    def facts(self, like: IncompleteData | Fit | None) -> TableFacts:
        """Collect the facts for a description; names and complete columns are known here."""
        complete = tuple(c for c, rate in zip(self.columns, self.rates, strict=True) if rate == 1)
        if isinstance(like, IncompleteData):
            return TableFacts(self.columns, None, complete, shadows_among(complete, like))
        found = None if like is None else like.identification
        return TableFacts(self.columns, None, complete, complete, found)

    def title(self, facts: TableFacts) -> str:
        """Return the first line of the description."""
        return f"{type(self).__name__} (in the data's own units)"

    def describe_column(
        self, column: int, facts: TableFacts, dependence: Dependence
    ) -> ColumnDescription:
        """Describe why the values of one column are missing, by its formula."""
        name = self.columns[column]
        if column not in self.part_of:
            return ColumnDescription(name, "ignorable (missing at random)")
        part = self.part_of[column]
        design = part.design
        others = tuple(c for c in self.covariates if c in design.reads)
        others += ("latent",) * design.reads_latent + ("mask_latent",) * design.reads_mask_latent
        one = ColumnDescription(
            name,
            equation(self.link, name, *part.equation()),
            values=tuple(c for c in self.columns if c in design.reads),
            masks=tuple(c for c in self.columns if c in design.reads_missing),
            others=others,
            integration=self.reads.integration(
                column, self.columns, bool(self.affine_columns[column])
            ),
        )
        return identified(one, part.known, facts)

    def extra_repr(self) -> str:
        """Return the formulas, one per column."""
        return "; ".join(f"{p.column} ~ {p.text}" for p in self.part_of.values())


def _together(parts: Sequence[LinearPredictor]) -> Learnt:
    """Make the parameters of all formulas, and say to each which of them are its own."""
    starts: list[float] = []
    intercepts, places = 0, []
    for part in parts:
        places.append((len(starts), intercepts))
        starts += part.starts
        intercepts += part.free_intercept
    learnt = Learnt(torch.tensor(starts), torch.zeros(intercepts))
    for part, place in zip(parts, places, strict=True):
        part.is_part_of(learnt, *place)
    return learnt
