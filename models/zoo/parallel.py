"""GNR for tables: two parallel decoders of one latent, for values and mask."""

from __future__ import annotations

from collections.abc import Sequence

from ...data import IncompleteData
from ...data.system.process import seeded
from ..missingness import NoSelfCensoring
from ..networks.decoders import Decoder, GaussianDecoder
from ..networks.encoders import Encoder, MaskAwareEncoder
from ..networks.families import all_real, families_of
from ..networks.mixed_decoder import MixedDecoder
from ..networks.scales import ScaleKind
from ..programs.parallel import ParallelModel, Trunk
from .building import building
from .modelled import modelled
from .parts import checked_latent_dim


@building
def GNR(
    data: IncompleteData,
    *,
    alpha: float = 1.0,
    stochastic: bool = False,
    mask_hidden: Sequence[int] = (),
    latent_dim: int | None = None,
    encoder: Encoder | None = None,
    hidden: Sequence[int] = (128, 128),
    activation: str = "tanh",
    scale: ScaleKind = "entry",
    floor: float = 1e-2,
    seed: int = 0,
) -> ParallelModel:
    """GNR (Chen et al., CIKM 2023): two decoders of one trunk, for values and mask.

    Args:
        data: the table.
        alpha: the power of p(s | u) in the objective. **Below 1 the objective is not a bound** on
            the log-likelihood, and bounds of different alpha cannot be compared.
        latent_dim: the number of latent dimensions, by default min(p - 1, 10).
        hidden: the widths of the hidden layers of trunk and encoder.
        activation: the name of the activation function.
        stochastic: sample u given z, instead of computing it.
        mask_hidden: the widths of hidden layers between u and the mask.
        scale, floor: the decoder's, see :class:`~absentia.models.NetworkDecoder`.
        encoder: q(z | x_o, s), by default a mask-aware encoder.
        seed: the seed of the initial weights; the global random state does not change.

    Raises:
        ValueError: for a negative alpha.

    >>> import numpy as np
    >>> import absentia as ab
    >>> data = ab.IncompleteData.from_numpy(np.array([[1.0, 2.0], [3.0, np.nan], [0.0, 1.0]]))
    >>> ab.models.GNR(data, alpha=2, latent_dim=1, hidden=[8]).missingness.alpha
    2
    """
    data = modelled(data, encoder)
    families = families_of(data)
    p = len(families)
    latent_dim = checked_latent_dim(latent_dim, p, 10)
    with seeded(seed):
        trunk = Trunk(latent_dim, hidden, activation, stochastic)
        if all_real(families):
            decoder: Decoder = GaussianDecoder(
                trunk.features, p, hidden=[], scale=scale, floor=floor
            )
        else:
            decoder = MixedDecoder(trunk.features, families, hidden=[], scale=scale, floor=floor)
        mask = NoSelfCensoring(p, trunk.features, hidden=mask_hidden, alpha=alpha)
        mask.initialise(data.s.float().mean(0))
        if encoder is None:
            mixed = {} if all_real(families) else {"families": families}
            encoder = MaskAwareEncoder(p, latent_dim, hidden, activation, **mixed)
        return ParallelModel(trunk, decoder, mask, encoder, data.columns)
