"""The models of the literature by name: which parts each one composes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ..data import IncompleteData
from .decoders import Decoder, GaussianDecoder, LinearGaussianDecoder, StudentTDecoder
from .encoders import (
    Encoder,
    ExactConditionalEncoder,
    MaskAwareEncoder,
    SetEncoder,
    ZeroFilledEncoder,
)
from .missingness import (
    Ignorable,
    LinearMissingness,
    Missingness,
    NonLinearMissingness,
    SelfMasking,
)
from .missingness.base import Link
from .missingness.self_masking import Sign
from .scales import ScaleKind
from .selection import SelectionModel

MISSINGNESS = ("self-masking", "self-masking-probit", "linear", "nonlinear", "ignorable")
ENCODERS: dict[str, Any] = {
    "mask-aware": MaskAwareEncoder,
    "zero-filled": ZeroFilledEncoder,
    "set": SetEncoder,
}
DECODERS: dict[str, Any] = {"gaussian": GaussianDecoder, "student-t": StudentTDecoder}


def NotMIWAE(
    data: IncompleteData,
    missingness: str | Missingness = "self-masking",
    *,
    sign: Sign = None,
    latent_dim: int | None = None,
    decoder: str | Decoder = "gaussian",
    encoder: str | Encoder = "mask-aware",
    hidden: Sequence[int] = (128, 128),
    activation: str = "tanh",
    scale: ScaleKind = "entry",
    floor: float = 1e-2,
    skip: bool = False,
    seed: int = 0,
) -> SelectionModel:
    """not-MIWAE (Ipsen, Mattei & Frellsen, ICLR 2021): a deep latent variable model with p(s | x).

    :param missingness: ``"self-masking"``, ``"self-masking-probit"``, ``"linear"``,
        ``"nonlinear"``, ``"ignorable"``, or a mechanism of your own.
    :param sign: for self-masking, ``"+"`` where high values go missing, ``"-"`` where low ones do.
    :param latent_dim: default min(p - 1, 10).
    :param decoder: ``"gaussian"``, ``"student-t"``, or a module.
    :param encoder: ``"mask-aware"``, ``"zero-filled"``, ``"set"``, or a module.
    :param scale, floor, skip: of the decoder, see :class:`~absentia.models.NetworkDecoder`.
    :param seed: seeds the initial weights; the global random state is left as it was.
    :raises ValueError: for an unknown name, or a mechanism for another number of columns.

    >>> import numpy as np
    >>> import absentia as ab
    >>> data = ab.IncompleteData.from_numpy(np.array([[1.0, 2.0], [3.0, np.nan], [0.0, 1.0]]))
    >>> model = ab.NotMIWAE(data, sign="+", latent_dim=1, hidden=[8])
    >>> model.missingness.slope.shape
    torch.Size([2])
    """
    columns = _columns(data)
    latent_dim = _latent_dim(latent_dim, columns, 10)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = {"hidden": hidden, "activation": activation}
        if isinstance(decoder, str):
            _known("decoder", decoder, DECODERS)
            x_given_z: Decoder = DECODERS[decoder](
                latent_dim, columns, scale=scale, floor=floor, skip=skip, **network
            )
        else:
            x_given_z = decoder
        if isinstance(encoder, str):
            _known("encoder", encoder, ENCODERS)
        z_given_x = _encoder(encoder, columns, x_given_z.latent_dim, network)
        return _selection_model(data, x_given_z, z_given_x, missingness, sign)


def NotMIWAEPPCA(
    data: IncompleteData,
    missingness: str | Missingness = "self-masking",
    *,
    sign: Sign = None,
    latent_dim: int | None = None,
    encoder: str | Encoder = "exact",
    scale: ScaleKind = "shared",
    floor: float = 1e-2,
    seed: int = 0,
    **network: Any,
) -> SelectionModel:
    """not-MIWAE with the decoder of probabilistic PCA; by default the guide is exact p(z | x_o).

    Arguments as for :func:`NotMIWAE`; ``encoder="exact"`` or one of its encoders, for which
    ``hidden`` and ``activation`` may be given. ``scale="column"`` makes it factor analysis.
    ``latent_dim`` is by default min(p - 1, 32): a full covariance where the table is not wide.

    >>> import numpy as np
    >>> import absentia as ab
    >>> data = ab.IncompleteData.from_numpy(np.array([[1.0, 2.0], [3.0, np.nan], [0.0, 1.0]]))
    >>> type(ab.NotMIWAEPPCA(data, latent_dim=1).encoder).__name__
    'ExactConditionalEncoder'
    """
    columns = _columns(data)
    latent_dim = _latent_dim(latent_dim, columns, 32)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        decoder = LinearGaussianDecoder(latent_dim, columns, scale, floor)
        return _selection_model(
            data, decoder, _encoder(encoder, columns, latent_dim, network), missingness, sign
        )


def MIWAE(data: IncompleteData, **options: Any) -> SelectionModel:
    """MIWAE (Mattei & Frellsen, ICML 2019): :func:`NotMIWAE` with an ignorable mechanism.

    >>> import numpy as np
    >>> import absentia as ab
    >>> data = ab.IncompleteData.from_numpy(np.array([[1.0, 2.0], [3.0, np.nan], [0.0, 1.0]]))
    >>> ab.MIWAE(data, latent_dim=1, hidden=[8]).missingness.ignorable
    True
    """
    return NotMIWAE(data, "ignorable", **options)


def PPCA(data: IncompleteData, **options: Any) -> SelectionModel:
    """Probabilistic PCA with values missing at random: the bound is the exact log p(x_o).

    >>> import numpy as np
    >>> import absentia as ab
    >>> data = ab.IncompleteData.from_numpy(np.array([[1.0, 2.0], [3.0, np.nan], [0.0, 1.0]]))
    >>> ab.PPCA(data, latent_dim=1).missingness.ignorable
    True
    """
    return NotMIWAEPPCA(data, "ignorable", **options)


def _selection_model(
    data: IncompleteData,
    decoder: Decoder,
    encoder: Encoder,
    missingness: str | Missingness,
    sign: Sign,
) -> SelectionModel:
    columns = len(data.columns)
    if not isinstance(missingness, str | Missingness):
        raise TypeError(
            f"missingness is a {type(missingness).__name__}; give a name or a Missingness (the "
            f"decorator @absentia.missingness() makes one of a function)"
        )
    if isinstance(missingness, str):
        _known("missingness", missingness, MISSINGNESS)
        masking = missingness.startswith("self-masking")
        if sign is not None and not masking:
            raise ValueError(f"sign= belongs to self-masking, not to {missingness!r}")
        if masking:
            link: Link = "probit" if missingness.endswith("probit") else "logit"
            mechanism: Missingness = SelfMasking(columns, link, sign)
        else:
            mechanism = {
                "linear": LinearMissingness,
                "nonlinear": NonLinearMissingness,
                "ignorable": Ignorable,
            }[missingness](columns)
        mechanism.initialise(data.s.to(torch.get_default_dtype()).mean(0))
    else:
        if sign is not None:
            raise ValueError("sign= goes with missingness='self-masking'; give it to yours")
        mechanism = missingness
    for part, name in ((decoder, "decoder"), (encoder, "encoder"), (mechanism, "missingness")):
        found = getattr(part, "config", {}).get("num_columns", columns)
        if found != columns:
            raise ValueError(f"the {name} is made for {found} columns, the data have {columns}")
    size = getattr(encoder, "config", {}).get("latent_dim", decoder.latent_dim)
    if size != decoder.latent_dim:
        raise ValueError(
            f"the encoder has {size} latent dimensions, the decoder {decoder.latent_dim}"
        )
    return SelectionModel(decoder, encoder, mechanism, data.columns)


def _encoder(
    encoder: str | Encoder, columns: int, latent_dim: int, network: dict[str, Any]
) -> Encoder:
    if not isinstance(encoder, str):
        return encoder
    _known("encoder", encoder, [*ENCODERS, "exact"])
    if encoder != "exact":
        return ENCODERS[encoder](columns, latent_dim, **network)
    if network:
        raise TypeError(f"{sorted(network)[0]!r} is not an argument with encoder='exact'")
    return ExactConditionalEncoder(columns, latent_dim)


def _columns(data: IncompleteData) -> int:
    if not isinstance(data, IncompleteData):
        raise TypeError(
            f"data is a {type(data).__name__}; read it with IncompleteData.from_frame or from_numpy"
        )
    return len(data.columns)


def _latent_dim(given: int | None, columns: int, most: int) -> int:
    if given is not None and given < 1:
        raise ValueError(f"latent_dim is {given}; give at least 1, or None for a default")
    return min(max(columns - 1, 1), most) if given is None else given


def _known(what: str, name: str, allowed: Any) -> None:
    if name not in allowed:
        raise ValueError(f"{what} {name!r} is not one of {', '.join(allowed)}")
