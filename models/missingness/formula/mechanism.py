"""Mechanisms declared by one formula per column, evaluated on tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd
import torch
from pyro.distributions import Bernoulli, TorchDistribution
from torch import Tensor, nn

from ....data import IncompleteData
from ....data.columns.warps import Warp
from ....data.errors import InputError
from ...distributions.mask import ProbitBernoulli, SequentialMask
from ..base import Affine, Link, Missingness, logit_of_rate
from ..dependence import Dependence
from ..description import (
    ColumnDescription,
    Description,
    equation,
    identification,
    resting_on_others,
    shadows_among,
)
from .declaration import Declared
from .learned import arguments_for
from .linear_predictor import LinearPredictor


class FormulaMissingness(Missingness):
    """link P(s_j = 0 | row) = b_j + sum_q c_jq f_q(row), with terms f_q from a formula a column.

    Made by :meth:`declared` or by the named models, from what :func:`absentia.missing` returns.
    Terms are evaluated in the data's own units and then standardised by what was observed, so a
    coefficient is the change of the log-odds of being **missing** per standard deviation.

    A column whose formula reads, of the missing values, only its own is integrated out: in closed
    form where the formula is affine in the column as the model sees it (``log(income)`` for a
    positive column), by quadrature or a finite sum otherwise. Columns that another column's
    formula reads are drawn where they are missing, see :meth:`dependence`.

    Args:
        columns: the table's columns, in order.
        units: of every column: ``center``, ``scale`` and ``warp`` of the standardisation.
        entries: of every column with a formula: ``column``, ``design``, and what is known of its
            coefficients: ``intercept``, ``signs``, ``fixed``, ``priors`` and ``units``.
        rates: the share of every column that was observed.
        covariates: the names of the covariates.
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
        parts = [LinearPredictor(entry) for entry in entries]
        self.parts = nn.ModuleList(parts)
        self.position = [self.columns.index(part.column) for part in parts]
        self.part_of = dict(zip(self.position, parts, strict=True))
        self.warps = [None if u["warp"] is None else Warp.from_dict(u["warp"]) for u in units]
        self.center: Tensor
        self.scale: Tensor
        self.register_buffer("center", torch.tensor([float(u["center"]) for u in units]), False)
        self.register_buffer("scale", torch.tensor([float(u["scale"]) for u in units]), False)
        rate = torch.tensor(self.rates)
        self.background: Tensor
        self.register_buffer("background", logit_of_rate(rate), False)
        self.mask_latent_dim = mask_latent_dim
        self._read()

    def _read(self) -> None:
        """Find who reads what: booleans (p, p), and the inputs that the model must supply."""
        p = self.num_columns
        self.reads_value = torch.zeros(p, p, dtype=torch.bool)
        self.reads_mask = torch.zeros(p, p, dtype=torch.bool)
        asks = []
        for j, part in self.part_of.items():
            for name in part.design.reads:
                if name in self.columns:
                    self.reads_value[j, self.columns.index(name)] = True
                else:
                    asks.append("covariates")
            for name in part.design.reads_missing:
                self.reads_mask[j, self.columns.index(name)] = True
                asks.append("s")
            asks += ["z"] * part.design.reads_latent
            asks += ["z_mask"] * part.design.reads_mask_latent
        self.asks = tuple(dict.fromkeys(asks))
        self.order = _topological(self.reads_mask, self.columns)
        self.modelled = torch.zeros(p, dtype=torch.bool)
        self.modelled[self.position] = True
        self.affine_columns = torch.zeros(p, dtype=torch.bool)
        for j, part in self.part_of.items():
            warp = self.warps[j]
            through = "identity" if warp is None else warp.kind
            self.affine_columns[j] = (
                through in ("identity", "log") and part.design.affine_in(part.column, through)
            ) or part.column not in part.design.reads
        #: nothing but the column itself is read: slopes do not differ between rows
        self.plain = not self.asks and self.dependence(p).columnwise

    @classmethod
    def declared(
        cls,
        what: Declared,
        data: IncompleteData,
        latent_dim: int = 0,
        mask_latent_dim: int = 1,
    ) -> FormulaMissingness:
        """Make the mechanism that ``what`` declares, for this table.

        Args:
            latent_dim: dimensions of the row's latent, for formulas that read ``latent``.
            mask_latent_dim: of the mask's own latent, where a formula reads ``mask_latent``.

        Raises:
            ValueError: for columns that the table does not have, coefficients that a formula does
                not have, and terms that the data cannot tell from a constant.

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
        """Return a Bernoulli (..., n, p); columns without a formula are masked out of it."""
        given = self._distribution(self._scores(x, context))
        if "s" not in self.asks:
            return given
        return SequentialMask(
            given, self.order, lambda s: self._distribution(self._scores(x, {**context, "s": s}))
        )

    def _distribution(self, missing: Tensor) -> TorchDistribution:
        mask = ProbitBernoulli(-missing) if self.link == "probit" else Bernoulli(logits=-missing)
        if bool(self.modelled.all()):
            return mask
        return mask.mask(self.modelled.to(missing.device))

    def _scores(self, x: Tensor, context: Mapping[str, Any]) -> Tensor:
        """Return the linear predictor of being missing, of shape (..., n, p)."""
        lookup = self._lookup(x, context)
        scores: list[Tensor] = [-b for b in self.background]
        for j, part in self.part_of.items():
            scores[j] = part.score(lookup, context)
        shape = torch.broadcast_shapes(x.shape[:-1], *(score.shape for score in scores))
        return torch.stack([score.expand(shape) for score in scores], -1)

    def _units(self, value: Tensor, j: int) -> Tensor:
        """Convert column j from the model's units to the data's."""
        warp = self.warps[j]
        own = self.center[j] + self.scale[j] * value
        return own if warp is None else warp.invert(own)

    def _lookup(
        self,
        x: Tensor,
        context: Mapping[str, Any],
        rows: Tensor | None = None,
        own: Mapping[str, Tensor] | None = None,
    ) -> Callable[[str], Tensor]:
        """Make the function that looks names up, of all rows (..., n) or of cells (..., M).

        ``own`` holds values in the model's units that replace a column's.
        """
        known: dict[str, Tensor] = {}

        def column(table: Tensor, j: int) -> Tensor:
            return table[..., j] if rows is None else table[..., rows, j]

        def find(name: str) -> Tensor:
            if name in ("latent", "mask_latent"):
                latent: Tensor = context["z" if name == "latent" else "z_mask"]
                return latent if rows is None else latent[..., rows, :]
            if name.startswith("is_missing("):
                inside = self.columns.index(name[len("is_missing(") : -1])
                return 1.0 - column(context["s"], inside).to(x.dtype)
            if name in self.columns:
                j = self.columns.index(name)
                value = column(x, j) if own is None or name not in own else own[name]
                return self._units(value, j)
            return column(context["covariates"], self.covariates.index(name))

        def lookup(name: str) -> Tensor:
            if name not in known:
                known[name] = find(name)
            return known[name]

        return lookup

    def dependence(self, num_columns: int) -> Dependence:
        """The values that the formulas read; columns without a formula are ignorable."""
        return Dependence(self.reads_value, ~self.modelled)

    def known(self, column: int) -> str | None:
        """Return what was specified for the terms that read the column itself."""
        part = self.part_of.get(column)
        return None if part is None else part.known

    def affine(self, x: Tensor, **context: Any) -> Affine | None:
        """Return slopes and offsets where the formula is affine, found by two evaluations."""
        if not bool(self.affine_columns.any()):
            return None
        shape = x.shape[:-1] if not self.plain else x.shape[:0]
        zero = x.new_zeros(())
        slope: list[Tensor] = [zero] * self.num_columns
        offset: list[Tensor] = [zero] * self.num_columns
        for j, part in self.part_of.items():
            if not bool(self.affine_columns[j]):
                continue
            at_zero, at_one = (
                part.score(self._lookup(x, context, own={part.column: value}), context)
                for value in (zero, zero + 1.0)
            )
            slope[j], offset[j] = at_zero - at_one, -at_zero
        shape = torch.broadcast_shapes(*(t.shape for t in (*slope, *offset)), shape)
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
            lookup = self._lookup(x, context, rows[cells], {part.column: here})
            score = part.score(lookup, context)
            one = score.new_ones(())
            given = ProbitBernoulli(score) if self.link == "probit" else Bernoulli(logits=score)
            pieces.append(given.log_prob(one))
            places.append(cells)
        if not pieces:
            return values.new_zeros(*values.shape[:2], 0)
        order = torch.cat(places).argsort()
        shape = torch.broadcast_shapes(values.shape[:2], *(piece.shape[:-1] for piece in pieces))
        joined = torch.cat(
            [piece.expand(*shape, len(cells)) for piece, cells in zip(pieces, places, strict=True)],
            -1,
        )
        return joined[..., order]

    @torch.no_grad()
    def initialise(self, observed_rate: Tensor) -> None:
        """Start the intercepts from the observed rates."""
        start = logit_of_rate(1 - observed_rate)
        if self.link == "probit":
            start = torch.special.ndtri(start.sigmoid())
        for j, part in self.part_of.items():
            part.initialise(start[j])

    @property
    def has_priors(self) -> bool:
        """Whether some coefficient is a latent site."""
        return any(part.priors for part in self.part_of.values())

    def log_prior(self) -> Tensor | None:
        """Return the log-density of the shrunk coefficients, summed over the columns."""
        found = [part.log_prior() for part in self.part_of.values()]
        terms = [term for term in found if term is not None]
        return torch.stack(terms).sum() if terms else None

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
            found.update(part.in_data_s_units(sampled))
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

        One row a column and term; ``how`` is "learnt", "given", "direction" or "prior" (then the
        values are the prior's centre; the posterior is the model's ``coefficient_guide``, or
        :func:`absentia.coefficient_posterior`). A learnt intercept beside terms with priors belongs
        to average values of theirs: per unit it is NaN.
        """
        rows = [row for part in self.part_of.values() for row in part.table()]
        frame = pd.DataFrame(rows, columns=["column", "term", "per_sd", "per_unit", "how"])
        return frame.set_index(["column", "term"])

    def describe(self, like: Any = None) -> Description:
        """Describe the mechanism as :meth:`Missingness.describe`, with the units known here."""
        complete = [name for name, rate in zip(self.columns, self.rates, strict=True) if rate == 1]
        shadows = shadows_among(complete, like)
        columns = []
        for j, name in enumerate(self.columns):
            if j not in self.part_of:
                columns.append(ColumnDescription(name, "ignorable (missing at random)"))
                continue
            part = self.part_of[j]
            values = tuple(c for c in self.columns if c in part.design.reads)
            masks = tuple(c for c in self.columns if c in part.design.reads_missing)
            others = tuple(c for c in self.covariates if c in part.design.reads)
            others += ("latent",) * part.design.reads_latent
            others += ("mask_latent",) * part.design.reads_mask_latent
            identified, reason = identification(
                name, values, masks, others, part.known, complete, shadows
            )
            columns.append(
                ColumnDescription(
                    name,
                    equation(self.link, name, *part.equation()),
                    values,
                    masks,
                    others,
                    self._integration(j),
                    identified,
                    reason,
                )
            )
        title = "FormulaMissingness (in the data's own units)"
        found = Description(title, resting_on_others(columns))
        return found.checked(getattr(like, "identification", None))

    def _integration(self, j: int) -> str:
        if bool(self.dependence(self.num_columns).sampled[j]):
            readers = [
                self.columns[k]
                for k in self.reads_value[:, j].nonzero().flatten().tolist()
                if k != j
            ]
            return f"sampled, since the absence of {', '.join(readers)} depends on them"
        how = "in closed form" if bool(self.affine_columns[j]) else "by quadrature"
        return f"integrated out ({how} under a Gaussian decoder, exactly where finitely many)"

    def extra_repr(self) -> str:
        """Return the formulas, one per column."""
        return "; ".join(f"{p.column} ~ {p.text}" for p in self.part_of.values())


def _topological(reads_mask: Tensor, columns: Sequence[str]) -> list[int]:
    """Sort the columns so that each comes after those whose absence it reads.

    Raises:
        ValueError: absence that depends, by whatever way round, on itself.
    """
    order: list[int] = []
    left = list(range(len(columns)))
    while left:
        ready = [j for j in left if not bool(reads_mask[j, left].any())]
        if not ready:
            names = ", ".join(columns[j] for j in left)
            raise InputError(
                f"is_missing() makes a circle of columns {names}: the absence of a column "
                f"cannot depend on itself"
            )
        order += ready
        left = [j for j in left if j not in ready]
    return order
