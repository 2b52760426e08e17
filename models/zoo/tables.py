"""The models of the literature by name, each composed of its parts."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec, Unpack

import torch

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
from ..networks.families import REAL, Families, all_real, families_of
from ..networks.gauss_newton import GaussNewtonEncoder
from ..networks.mixed_decoder import MixedDecoder
from ..networks.mixed_start import start_mixed
from ..networks.modal_encoder import serves
from ..networks.residual import ResidualDecoder
from ..networks.scales import ScaleKind
from ..networks.starts import available_covariance
from ..programs.base import Prior
from ..programs.mixture import DirectDecoder, ExactMixtureEncoder, MixturePrior
from ..programs.selection import SelectionModel
from .building import building
from .mechanism_names import PUBLISHED, USUAL, SlopePrior, mechanism_for
from .modelled import modelled
from .options import DecoderOptions, LinearOptions, Margins, NetworkOptions
from .parts import assembled, checked_latent_dim, decoder_for, encoder_for

#: why values are missing: the name of a mechanism, a mechanism, a formula, formulas by column, or
#: what :func:`absentia.missing` returns
Why = str | Missingness | Declared | Sequence[Any] | Mapping[str, str]
_P = ParamSpec("_P")
#: up to so many columns are themselves the latents of a mixture; of more columns it has so many
_MOST_DIRECT, _FACTORS = 32, 16
#: the sd of their noise at the start
_START_NOISE = 0.3


def _hands_over(make: Callable[_P, SelectionModel]) -> Callable[_P, SelectionModel]:
    """Hand decoders with builders of their own over to these, with the options that were given."""

    @functools.wraps(make)
    def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> SelectionModel:
        decoder = kwargs.get("decoder")
        builders: dict[Any, Any] = {
            "linear": NotMIWAEPPCA,
            "mixture": mixture_of_normals,
            "residual": linear_and_residual,
        }
        if not isinstance(decoder, str) or decoder not in builders:
            return make(*args, **kwargs)
        given: dict[str, Any] = {k: v for k, v in kwargs.items() if k != "decoder"}
        made: SelectionModel = builders[decoder](*args, **given)
        return made

    return wrapper


@_hands_over
@building
def NotMIWAE(
    data: IncompleteData,
    missingness: Why = USUAL,
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
    mask_latent_dim: int | None = None,
    margins: Margins | None = None,
    prior: Prior | None = None,
    seed: int = 0,
) -> SelectionModel:
    """not-MIWAE (Ipsen, Mattei & Frellsen, ICLR 2021): a deep latent variable model with p(s | x).

    A network computes each row's distribution from a few latent variables z, and a mechanism
    p(s | x) gives the probability that each value is observed. It is not known by default;
    ``missingness="self-masking"`` is the paper's.

    Where the table has columns of several kinds (``data.schema``) the decoder is a
    :class:`~absentia.models.MixedDecoder` and levels reach the encoder as indicators.

    Args:
        data: the table.
        missingness: why values are missing. ``"auto"``, the default, assumes nothing: it averages
            over forms, from completely at random to a value's own size, column by column
            (:class:`~absentia.models.AveragedMissingness`). Assumptions have names:
            ``"self-masking"`` (that of the paper), ``"self-masking-probit"``, ``"limit"``,
            ``"two-sided"``, ``"spline"``, ``"linear"``, ``"nonlinear"``, ``"latent"``,
            ``"mask-latent"``, ``"ignorable"``; a formula ``"income ~ income + age"``, several, or
            ``{"income": "income + age"}`` (see :func:`absentia.missing`, also for priors and fixed
            values); or a :class:`~absentia.Missingness` of your own.
        sign: for self-masking, which it stands for where no mechanism is given, and for limits:
            ``"+"`` or ``"high"`` where high values go missing, ``"-"`` or ``"low"`` where low ones
            do, None or ``"free"`` where it is not known. One
            is for all columns; otherwise give them by name (``{"income": "high"}``, the others
            free) or as a list.
        slope_prior: the prior on self-masking slopes without a sign, per standard deviation of the
            column: ``"weak"``, Normal(0, 0.5); a number, Normal(0, that number); or ``"flat"``, as
            in the paper. Any but the first stands for self-masking where no mechanism is given. The
            fit ends at the posterior mode. With a flat prior, a decoder whose distribution does not
            fit the values (a Gaussian, for skewed values) can explain their shape by a mechanism
            instead.
        latent_dim: the number of latent dimensions, by default min(p - 1, 10) for p columns.
        decoder: ``"gaussian"``, ``"student-t"`` (for the real columns), ``"linear"`` for the
            model of :func:`NotMIWAEPPCA` with its defaults, ``"mixture"`` for a mixture of Normals
            with full covariances (:class:`~absentia.models.MixturePrior`), ``"residual"`` for the
            linear decoder with a shrunk network for what it misses
            (:class:`~absentia.models.ResidualDecoder`), or a module.
        encoder: how q(z | x_o, s) reads a row with gaps: ``"mask-aware"`` (zeros in the gaps, and
            the mask), ``"zero-filled"`` (zeros alone), ``"set"`` (the set of observed cells), or a
            module.
        hidden: the widths of the hidden layers of decoder and encoder.
        activation: the name of the activation function.
        scale, floor, skip: arguments of the decoder; see
            :class:`~absentia.models.NetworkDecoder`.
        mask_latent_dim: the number of dimensions of a latent variable that only the mask depends
            on, if the mechanism reads one. When it is left out, it is 2 where the posterior is
            sampled under ``"auto"`` and five or more columns are incomplete, and 1 otherwise.
        margins: known means and standard deviations of columns, ``{"income": (52e3, 31e3)}`` in the
            data's own units, each of which counts as much as 1,000 rows; see
            :class:`~absentia.models.KnownMargins` for other weights.
        prior: a module whose call returns p(z); Normal(0, I) when left out.
        seed: the seed of the initial weights; the global random state does not change.

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
    missingness: Why = USUAL,
    *,
    sign: Sign = None,
    slope_prior: SlopePrior = "weak",
    latent_dim: int | None = None,
    encoder: str | Encoder | None = None,
    scale: ScaleKind = "shared",
    floor: float = 1e-2,
    mask_latent_dim: int | None = None,
    margins: Margins | None = None,
    seed: int = 0,
    **network: Unpack[NetworkOptions],
) -> SelectionModel:
    """not-MIWAE with the decoder of probabilistic PCA; by default the guide is exact p(z | x_o).

    The arguments are those of :func:`NotMIWAE`, except that

    * ``encoder`` is by default ``"exact"`` if all columns are real numbers. Otherwise the decoder
      is linear in z for every kind of column, and the encoder is ``"mode"``
      (:class:`~absentia.models.ModalEncoder`), a Normal at the mode of p(x_o, z), which has
      nothing to learn. ``hidden`` and ``activation`` are for encoders with a network; where they
      are given, or ``scale="entry"``, the encoder is ``"mask-aware"``;
    * ``scale="column"`` makes the model factor analysis;
    * ``latent_dim`` is by default min(p - 1, 32): up to 33 columns have a full covariance.

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
            mixed = MixedDecoder(latent_dim, families, hidden=[], scale=scale, floor=floor)
            start_mixed(mixed, data)
            decoder = mixed
        modal = "mode" if serves(decoder) and not network else "mask-aware"
        chosen = encoder or ("exact" if all_real(families) else modal)
        z_given_x = encoder_for(chosen, families, latent_dim, {**network}, linear=True)
        s_given_x = mechanism_for(
            missingness,
            data,
            sign,
            decoder.latent_dim,
            mask_latent_dim,
            slope_prior,
            sampled=chosen == "exact",
        )
        return assembled(data, decoder, z_given_x, s_given_x, {**network}, margins)


@building
def mixture_of_normals(
    data: IncompleteData,
    missingness: Why = USUAL,
    *,
    sign: Sign = None,
    slope_prior: SlopePrior = "weak",
    latent_dim: int | None = None,
    scale: ScaleKind = "column",
    floor: float = 1e-2,
    mask_latent_dim: int | None = None,
    seed: int = 0,
) -> SelectionModel:
    """Make a mixture model, whose latents are up to 32 columns themselves, or factors of more."""
    data = modelled(data, missingness)
    families = families_of(data)
    _all_real(data, families, "mixture")
    p = len(families)
    latent_dim = (p if p <= _MOST_DIRECT else _FACTORS) if latent_dim is None else latent_dim
    latent_dim = checked_latent_dim(latent_dim, p, _MOST_DIRECT)
    with seeded(seed):
        prior, covariance = MixturePrior(latent_dim), available_covariance(data)
        if latent_dim == p:
            decoder: LinearGaussianDecoder = DirectDecoder(p, scale, floor)
            decoder.scale.start_at(_START_NOISE)
            prior.start_from(covariance)
        else:
            decoder = LinearGaussianDecoder(latent_dim, p, scale, floor)
            decoder.start_from(covariance)
            prior.start_from(torch.eye(latent_dim))
        encoder = ExactMixtureEncoder(p, latent_dim)
        s_given_x = mechanism_for(
            missingness, data, sign, latent_dim, mask_latent_dim, slope_prior, sampled=True
        )
        return assembled(data, decoder, encoder, s_given_x, {}, None, prior)


@building
def linear_and_residual(
    data: IncompleteData,
    missingness: Why = USUAL,
    *,
    sign: Sign = None,
    slope_prior: SlopePrior = "weak",
    latent_dim: int | None = None,
    hidden: Sequence[int] = (32,),
    scale: ScaleKind = "shared",
    floor: float = 1e-2,
    mask_latent_dim: int | None = None,
    margins: Margins | None = None,
    seed: int = 0,
) -> SelectionModel:
    """Make a model with a linear decoder and a gated residual network, and its own guide."""
    data = modelled(data, missingness)
    families = families_of(data)
    _all_real(data, families, "residual")
    latent_dim = checked_latent_dim(latent_dim, len(families), 32)
    with seeded(seed):
        decoder = ResidualDecoder(latent_dim, len(families), hidden, scale, floor)
        decoder.linear.start_from(available_covariance(data))
        encoder = GaussNewtonEncoder(len(families), latent_dim)
        s_given_x = mechanism_for(missingness, data, sign, latent_dim, mask_latent_dim, slope_prior)
        return assembled(data, decoder, encoder, s_given_x, {}, margins)


def _all_real(data: IncompleteData, families: Families, decoder: str) -> None:
    """Refuse a decoder of real numbers for a table with columns of other kinds.

    Raises:
        ValueError: names the first of these columns.
    """
    for name, own in zip(data.columns, families, strict=True):
        if own["family"] != REAL:
            raise InputError(
                f"decoder='{decoder}' is for tables whose columns are all real numbers, but "
                f"'{name}' is {data.schema[name].kind}; use decoder='gaussian' or 'linear'"
            )


@checked_and_renamed(LINEAR_DECODER)
@building
@spelled_out(DecoderOptions, like=NotMIWAE)
def MaskedNotMIWAE(
    data: IncompleteData,
    missingness: Why = PUBLISHED,
    *,
    sign: Sign = None,
    slope_prior: SlopePrior = "weak",
    mask_latent_dim: int = 1,
    mask_hidden: Sequence[int] = (),
    **options: Unpack[DecoderOptions],
) -> SelectionModel:
    """Masked not-MIWAE (Choquet & Pauchet): a second latent shifts the mask's log-odds.

    logit P(s_j = 1 | x, z_s) = a_j(x) + m_j(z_s), with a_j the log-odds of the chosen mechanism,
    z_s the second latent and m a network; the guide is q(z, z_s | x_o, s). Missing values that
    can be integrated out exactly under a_j alone are still integrated out exactly.

    Args:
        data: the table.
        missingness, sign, slope_prior: the mechanism a, as for :func:`NotMIWAE`.
        mask_latent_dim: the number of dimensions of z_s.
        mask_hidden: the widths of the hidden layers of m; without any, m is linear.
        options: further arguments of :func:`NotMIWAE`, or of :func:`NotMIWAEPPCA` with
            ``decoder="linear"``.

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
        raise InputError(
            "missingness='mask-latent' already has a latent that only the mask depends on; use "
            "NotMIWAE"
        )
    own = mechanism_for(missingness, data, sign, latent_dim, 0, slope_prior)
    # another seed than that of the decoder's and the encoder's initial weights
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
