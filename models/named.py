"""The models of the literature by name: which parts each one composes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from .decoders import Decoder, GaussianDecoder, LinearGaussianDecoder, StudentTDecoder
from .encoders import (
    Encoder,
    ExactConditionalEncoder,
    GaussNewtonEncoder,
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
from .missingness.self_masking import Sign
from .scales import ScaleKind
from .selection import SelectionModel

MISSINGNESS = ("self-masking", "self-masking-probit", "linear", "nonlinear", "ignorable")
ENCODERS = {
    "mask-aware": MaskAwareEncoder,
    "zero-filled": ZeroFilledEncoder,
    "set": SetEncoder,
    "gauss-newton": GaussNewtonEncoder,
}
DECODERS = {"gaussian": GaussianDecoder, "student-t": StudentTDecoder}


class Table(Protocol):
    """What a named constructor reads of the data: an ``IncompleteData``, or anything like it."""

    columns: tuple[str, ...]
    s: Tensor


def NotMIWAE(
    data: Table,
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
    columns = len(data.columns)
    latent_dim = _latent_dim(latent_dim, columns, 10)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if isinstance(decoder, str):
            _known("decoder", decoder, DECODERS)
            decoder = DECODERS[decoder](
                latent_dim,
                columns,
                hidden=hidden,
                activation=activation,
                scale=scale,
                floor=floor,
                skip=skip,
            )
        if isinstance(encoder, str):
            _known("encoder", encoder, ENCODERS)
            options = (
                {} if encoder == "gauss-newton" else {"hidden": hidden, "activation": activation}
            )
            encoder = ENCODERS[encoder](columns, decoder.latent_dim, **options)
        return _selection_model(data, decoder, encoder, missingness, sign)


def NotMIWAEPPCA(
    data: Table,
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
    columns = len(data.columns)
    latent_dim = _latent_dim(latent_dim, columns, 32)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        decoder = LinearGaussianDecoder(latent_dim, columns, scale, floor)
        if encoder == "exact":
            if network:
                raise TypeError(
                    f"{sorted(network)[0]!r} is not an argument here; hidden= and activation= go "
                    f"with an encoder that is a network"
                )
            encoder = ExactConditionalEncoder(columns, latent_dim)
        elif isinstance(encoder, str):
            _known("encoder", encoder, [*ENCODERS, "exact"])
            encoder = ENCODERS[encoder](columns, latent_dim, **network)
        return _selection_model(data, decoder, encoder, missingness, sign)


def MIWAE(data: Table, **options: Any) -> SelectionModel:
    """MIWAE (Mattei & Frellsen, ICML 2019): :func:`NotMIWAE` with an ignorable mechanism.

    >>> import numpy as np
    >>> import absentia as ab
    >>> data = ab.IncompleteData.from_numpy(np.array([[1.0, 2.0], [3.0, np.nan], [0.0, 1.0]]))
    >>> ab.MIWAE(data, latent_dim=1, hidden=[8]).missingness.ignorable
    True
    """
    return NotMIWAE(data, "ignorable", **options)


def PPCA(data: Table, **options: Any) -> SelectionModel:
    """Probabilistic PCA with values missing at random: the bound is the exact log p(x_o).

    >>> import numpy as np
    >>> import absentia as ab
    >>> data = ab.IncompleteData.from_numpy(np.array([[1.0, 2.0], [3.0, np.nan], [0.0, 1.0]]))
    >>> ab.PPCA(data, latent_dim=1).missingness.ignorable
    True
    """
    return NotMIWAEPPCA(data, "ignorable", **options)


def _selection_model(
    data: Table, decoder: Decoder, encoder: Encoder, missingness: str | Missingness, sign: Sign
) -> SelectionModel:
    columns = len(data.columns)
    if isinstance(missingness, str):
        _known("missingness", missingness, MISSINGNESS)
        masking = missingness.startswith("self-masking")
        if sign is not None and not masking:
            raise ValueError(f"sign= belongs to self-masking, not to {missingness!r}")
        if masking:
            link = "probit" if missingness.endswith("probit") else "logit"
            mechanism: Missingness = SelfMasking(columns, link, sign)  # type: ignore[arg-type]
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


def _latent_dim(given: int | None, columns: int, most: int) -> int:
    if given is not None and given < 1:
        raise ValueError(f"latent_dim is {given}; give at least 1, or None for a default")
    return min(max(columns - 1, 1), most) if given is None else given


def _known(what: str, name: str, allowed: Any) -> None:
    if name not in allowed:
        raise ValueError(f"{what} {name!r} is not one of {', '.join(allowed)}")
