"""The models of the literature by name, each composed of its parts."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec, Unpack

from ...data import IncompleteData
from ...data.arguments import checked_and_renamed, checked_names, spelled_out
from ...data.errors import InputError
from ...data.renamed import LINEAR_DECODER
from ...data.system.process import seeded
from ..missingness import MaskLatentShift, Missingness
from ..missingness.directions import Sign
from ..missingness.formula.declaration import Declared
from ..networks.decoders import Decoder, LinearGaussianDecoder
from ..networks.encoders import Encoder
from ..networks.families import all_real, families_of
from ..networks.mixed_decoder import MixedDecoder
from ..networks.scales import ScaleKind
from ..networks.starts import available_covariance
from ..programs.base import Prior
from ..programs.selection import SelectionModel
from .building import building
from .mechanism_names import SlopePrior, mechanism_for
from .modelled import modelled
from .options import DecoderOptions, LinearOptions, Margins, NetworkOptions
from .parts import assembled, checked_latent_dim, decoder_for, encoder_for

#: a name, a module, a formula, formulas by column, or what :func:`absentia.missing` returns
Why = str | Missingness | Declared | Sequence[Any] | Mapping[str, str]
_P = ParamSpec("_P")


def _linear_too(make: Callable[_P, SelectionModel]) -> Callable[_P, SelectionModel]:
    """Hand ``decoder="linear"`` over to :func:`NotMIWAEPPCA`, with the options that were given."""

    @functools.wraps(make)
    def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> SelectionModel:
        decoder = kwargs.get("decoder")
        if not isinstance(decoder, str) or decoder != "linear":
            return make(*args, **kwargs)
        given: dict[str, Any] = {k: v for k, v in kwargs.items() if k != "decoder"}
        linear: Any = NotMIWAEPPCA
        made: SelectionModel = linear(*args, **given)
        return made

    return wrapper


@_linear_too
@building
def NotMIWAE(
    data: IncompleteData,
    missingness: Why = "self-masking",
    *,
    sign: Sign = None,
    slope_prior: SlopePrior = "weak",
    latent_dim: int | None = None,
    decoder: str | Decoder = "gaussian",
    encoder: str | Encoder = "mask-aware",
    hidden: Sequence[int] = (128, 128),
    activation: str = "tanh",
    scale: ScaleKind = "entry",
    floor: float = 1e-2,
    skip: bool = False,
    mask_latent_dim: int = 1,
    margins: Margins | None = None,
    prior: Prior | None = None,
    seed: int = 0,
) -> SelectionModel:
    """not-MIWAE (Ipsen, Mattei & Frellsen, ICLR 2021): a deep latent variable model with p(s | x).

    Where the table has columns of several kinds (``data.schema``) the decoder is a
    :class:`~absentia.models.MixedDecoder` and levels reach the encoder as indicators.

    Args:
        missingness: why values are absent: ``"self-masking"``, ``"self-masking-probit"``,
            ``"limit"``, ``"two-sided"``, ``"spline"``, ``"linear"``, ``"nonlinear"``, ``"latent"``,
            ``"mask-latent"``, ``"ignorable"``; a formula ``"income ~ income + age"``, several, or
            ``{"income": "income + age"}`` (see :func:`absentia.missing`, also for priors and fixed
            values); or a mechanism of your own.
        sign: for self-masking and limits, ``"+"`` or ``"high"`` where high values go missing,
            ``"-"`` or ``"low"`` where low ones do, None or ``"free"`` where it is not known: for
            all columns, by name (``{"income": "high"}``, the others free) or one a column.
        slope_prior: of self-masking slopes whose sign is free, per sd of their columns: ``"weak"``,
            Normal(0, 0.5); a number, Normal(0, that sd); or ``"flat"``, none, as in the paper. The
            fit ends at the posterior mode. With a flat prior a decoder that does not have the
            values' shape (a Gaussian, of skewed ones) takes that shape for a mechanism.
        latent_dim: default min(p - 1, 10).
        decoder: ``"gaussian"``, ``"student-t"`` (of the real columns), ``"linear"`` for that of
            PPCA, with the defaults of :func:`NotMIWAEPPCA`, or a module.
        encoder: ``"mask-aware"``, ``"zero-filled"``, ``"set"``, or a module.
        scale, floor, skip: of the decoder, see :class:`~absentia.models.NetworkDecoder`.
        mask_latent_dim: of the mask's own latent, where the mechanism reads one.
        margins: means and sd that are known from elsewhere, ``{"income": (52e3, 31e3)}`` in the
            data's own units, worth 1,000 rows each; :class:`~absentia.models.KnownMargins` for
            more.
        prior: a module that returns p(z), Normal(0, I) when left out.
        seed: seeds the initial weights; the global random state is left as it was.

    Raises:
        ValueError: for an unknown name, or a mechanism for another number of columns.

    >>> import numpy as np
    >>> import absentia as ab
    >>> data = ab.IncompleteData.from_numpy(np.array([[1.0, 2.0], [3.0, np.nan], [0.0, 1.0]]))
    >>> model = ab.NotMIWAE(data, sign="+", latent_dim=1, hidden=[8])
    >>> model.missingness.slope.shape
    torch.Size([2])
    """
    data = modelled(data, missingness, decoder, encoder)
    families = families_of(data)
    latent_dim = checked_latent_dim(latent_dim, len(families), 10)
    with seeded(seed):
        network = {"hidden": hidden, "activation": activation}
        shape = {"scale": scale, "floor": floor, "skip": skip, **network}
        x_given_z = decoder_for(decoder, data, families, latent_dim, shape)
        z_given_x = encoder_for(encoder, families, x_given_z.latent_dim, network)
        s_given_x = mechanism_for(
            missingness, data, sign, x_given_z.latent_dim, mask_latent_dim, slope_prior
        )
        return assembled(data, x_given_z, z_given_x, s_given_x, network, margins, prior)


@building
@spelled_out(NetworkOptions, like=NotMIWAE)
def NotMIWAEPPCA(
    data: IncompleteData,
    missingness: Why = "self-masking",
    *,
    sign: Sign = None,
    slope_prior: SlopePrior = "weak",
    latent_dim: int | None = None,
    encoder: str | Encoder | None = None,
    scale: ScaleKind = "shared",
    floor: float = 1e-2,
    mask_latent_dim: int = 1,
    margins: Margins | None = None,
    seed: int = 0,
    **network: Unpack[NetworkOptions],
) -> SelectionModel:
    """not-MIWAE with the decoder of probabilistic PCA; by default the guide is exact p(z | x_o).

    Arguments as for :func:`NotMIWAE`; ``encoder="exact"`` (the default where all columns are real
    numbers) or one of its encoders, for which ``hidden`` and ``activation`` may be given; by
    default ``"mask-aware"`` for tables with columns of several kinds, whose decoder is linear in
    every family. ``scale="column"`` makes it factor analysis. ``latent_dim`` is by default
    min(p - 1, 32): a full covariance where the table is not wide.

    >>> import numpy as np
    >>> import absentia as ab
    >>> data = ab.IncompleteData.from_numpy(np.array([[1.0, 2.0], [3.0, np.nan], [0.0, 1.0]]))
    >>> type(ab.NotMIWAEPPCA(data, latent_dim=1).encoder).__name__
    'ExactConditionalEncoder'
    """
    data = modelled(data, missingness, encoder)
    families = families_of(data)
    latent_dim = checked_latent_dim(latent_dim, len(families), 32)
    with seeded(seed):
        if all_real(families):
            linear = LinearGaussianDecoder(latent_dim, len(families), scale, floor)
            linear.start_from(available_covariance(data))
            decoder: Decoder = linear
        else:
            decoder = MixedDecoder(latent_dim, families, hidden=[], scale=scale, floor=floor)
        chosen = encoder or ("exact" if all_real(families) else "mask-aware")
        z_given_x = encoder_for(chosen, families, latent_dim, {**network}, linear=True)
        s_given_x = mechanism_for(
            missingness, data, sign, decoder.latent_dim, mask_latent_dim, slope_prior
        )
        return assembled(data, decoder, z_given_x, s_given_x, {**network}, margins)


@checked_and_renamed(LINEAR_DECODER)
@building
@spelled_out(DecoderOptions, like=NotMIWAE)
def MaskedNotMIWAE(
    data: IncompleteData,
    missingness: Why = "self-masking",
    *,
    sign: Sign = None,
    slope_prior: SlopePrior = "weak",
    mask_latent_dim: int = 1,
    mask_hidden: Sequence[int] = (),
    **options: Unpack[DecoderOptions],
) -> SelectionModel:
    """Masked not-MIWAE (Choquet & Pauchet): a second latent z_s shifts the mask's log-odds.

    logit P(s_j = 1 | x, z_s) = own_j(x) + m_j(z_s), with q(z, z_s | x_o, s); integrated exactly
    where the mechanism of x is.

    Args:
        missingness, sign, slope_prior: the mechanism of x, as for :func:`NotMIWAE`.
        mask_latent_dim: dimensions of z_s.
        mask_hidden: widths of hidden layers of m; none is a linear map.
        options: as for :func:`NotMIWAE`; with ``decoder="linear"`` for :func:`NotMIWAEPPCA`.

    >>> import numpy as np
    >>> import absentia as ab
    >>> data = ab.IncompleteData.from_numpy(np.array([[1.0, 2.0], [3.0, np.nan], [0.0, 1.0]]))
    >>> model = ab.models.MaskedNotMIWAE(data, sign="+", mask_latent_dim=2, latent_dim=1)
    >>> model.mask_prior.latent_dim
    2
    """
    data = modelled(data, missingness, options.get("decoder"), options.get("encoder"))
    most = 32 if options.get("decoder") == "linear" else 10
    latent_dim = checked_latent_dim(options.get("latent_dim"), len(data.columns), most)
    if missingness == "mask-latent":
        raise InputError("missingness='mask-latent' has the mask's latent already; use NotMIWAE")
    own = mechanism_for(missingness, data, sign, latent_dim, 0, slope_prior)
    with seeded(int(options.get("seed", 0)) + 2):
        masked = MaskLatentShift(own, len(data.columns), mask_latent_dim, mask_hidden)
    return NotMIWAE(data, masked, **options)


@checked_names
@spelled_out(DecoderOptions, like=NotMIWAE)
def MIWAE(data: IncompleteData, **options: Unpack[DecoderOptions]) -> SelectionModel:
    """MIWAE (Mattei & Frellsen, ICML 2019): :func:`NotMIWAE` with an ignorable mechanism.

    >>> import numpy as np
    >>> import absentia as ab
    >>> data = ab.IncompleteData.from_numpy(np.array([[1.0, 2.0], [3.0, np.nan], [0.0, 1.0]]))
    >>> ab.MIWAE(data, latent_dim=1, hidden=[8]).missingness.ignorable
    True
    """
    return NotMIWAE(data, "ignorable", **options)


@checked_names
@spelled_out(LinearOptions, like=NotMIWAEPPCA)
def PPCA(data: IncompleteData, **options: Unpack[LinearOptions]) -> SelectionModel:
    """Probabilistic PCA with values missing at random: the bound is the exact log p(x_o).

    >>> import numpy as np
    >>> import absentia as ab
    >>> data = ab.IncompleteData.from_numpy(np.array([[1.0, 2.0], [3.0, np.nan], [0.0, 1.0]]))
    >>> ab.PPCA(data, latent_dim=1).missingness.ignorable
    True
    """
    return NotMIWAEPPCA(data, "ignorable", **options)
