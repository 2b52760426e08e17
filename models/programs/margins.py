"""Known margins: means and standard deviations of columns that are known from another source.

Where values are missing not at random, a table alone tells the mean of a column only if a shape is
assumed for its distribution. A census, a register or a laboratory's reference range often gives
the mean directly.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ...data import IncompleteData
from ...data.errors import InputError
from ..configurable import Configurable
from ..networks.decoders import Decoder

#: values of z at which a decoder's margins are averaged
_NODES = 512


class KnownMargins(Configurable):
    """A prior that keeps the model's margins near given means and standard deviations.

    With m_j and v_j the mean and variance of x_j that the decoder implies, the joint log-density of
    the table gains the term

        - rows * sum_j KL( Normal(mean_j, sd_j) || Normal(m_j, sqrt(v_j)) ).

    Up to a constant this is the expected log-likelihood of ``rows`` further observations from
    Normal(mean_j, sd_j). Correlations are learnt from the table. (Known margins as auxiliary
    information on nonignorable missingness: Deng, Hillygus, Reiter, Si & Zheng, Statistical Science
    2013.)

    Args:
        mean, sd: the mean and standard deviation of each column, in the standardised units of the
            model, or None where they are not known; :meth:`in_units_of` takes them in the data's
            own units.
        rows: how many further observations the margins count for. A few hundred are a strong hint;
            many times the number of rows in the table make them a constraint.

    Raises:
        ValueError: if there is not one mean and one sd for each column, if only one of the two is
            given for a column, or if an sd or ``rows`` is not positive.

    >>> import torch
    >>> from absentia.models import KnownMargins, LinearGaussianDecoder
    >>> known = KnownMargins(2, mean=[0.0, None], sd=[1.0, None], rows=100)
    >>> bool(known(LinearGaussianDecoder(1, 2)) <= 0)
    True
    """

    def __init__(
        self,
        num_columns: int,
        mean: Sequence[float | None],
        sd: Sequence[float | None],
        rows: float = 1000.0,
    ) -> None:
        super().__init__()
        if len(mean) != num_columns or len(sd) != num_columns:
            raise InputError(
                f"{len(mean)} means and {len(sd)} sd were given for {num_columns} columns; give "
                f"one of each for every column, None where it is not known"
            )
        for j, (centre, spread) in enumerate(zip(mean, sd, strict=True)):
            if (centre is None) != (spread is None):
                raise InputError(f"column {j}: give both its mean and its sd, or neither")
            if spread is not None and not spread > 0:
                raise InputError(f"column {j}: sd is {spread}; give a positive number")
        if not rows > 0:
            raise InputError(f"rows is {rows}; give a positive number")
        self.mean: Tensor
        self.sd: Tensor
        self.rows: Tensor
        known = [0.0 if value is None else float(rows) for value in mean]
        self.register_buffer("mean", torch.tensor([0.0 if v is None else float(v) for v in mean]))
        self.register_buffer("sd", torch.tensor([1.0 if v is None else float(v) for v in sd]))
        self.register_buffer("rows", torch.tensor(known))

    @classmethod
    def in_units_of(
        cls,
        data: IncompleteData,
        margins: Mapping[str, tuple[float, float]],
        rows: float = 1000.0,
    ) -> KnownMargins:
        """Make the prior from (mean, sd) by column, in the data's own units.

        Raises:
            ValueError: for a column that the data do not have, or one that is not continuous on its
                own scale: the model has no mean and sd of levels, counts and warped columns.

        >>> import numpy as np
        >>> import absentia as ab
        >>> data = ab.IncompleteData.from_numpy(np.array([[50.0], [54.0], [np.nan]]))
        >>> ab.models.KnownMargins.in_units_of(data, {"x0": (55.0, 4.0)}).rows.tolist()
        [1000.0]
        """
        names = list(data.columns)
        mean: list[float | None] = [None] * len(names)
        sd: list[float | None] = [None] * len(names)
        for name, (centre, spread) in margins.items():
            if name not in names:
                raise InputError(
                    f"margins= names the column '{name}', which the data do not have; they have "
                    f"{', '.join(names)}"
                )
            j = names.index(name)
            if data.schema[name].kind != "continuous" or not data.scaler.linear[j]:
                raise InputError(
                    f"margins= names the column '{name}', which is {data.schema[name].kind}; only "
                    f"continuous columns have known margins"
                )
            scale = float(data.scaler.scale[j])
            mean[j] = (float(centre) - float(data.scaler.center[j])) / scale
            sd[j] = float(spread) / scale
        return cls(len(names), mean, sd, rows)

    def forward(self, decoder: Decoder) -> Tensor:
        """Return the log-density of the prior, a scalar, at most 0."""
        mean, variance = decoder.margins(_nodes(decoder.latent_dim).to(self.mean))
        ratio = self.sd.square() / variance
        shift = (self.mean - mean).square() / variance
        divergence: Tensor = 0.5 * (ratio + shift - 1 - ratio.log())
        return -(self.rows * divergence).sum()


@functools.cache  # every step of a fit uses them
def _nodes(latent_dim: int) -> Tensor:
    """Return (Q, d) quasi-random samples of Normal(0, I), which are always the same."""
    uniform = torch.quasirandom.SobolEngine(latent_dim, scramble=True, seed=0).draw(_NODES)
    return torch.special.ndtri(uniform.clamp(1e-6, 1 - 1e-6))
