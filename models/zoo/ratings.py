"""not-MIWAE for ratings, where each user has chosen which few of many items to rate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...data import Ratings
from ...data.errors import InputError, KindError
from ...data.system.process import seeded
from ..configurable import argument_of
from ..missingness import Ignorable, MaskLatentShift, Missingness, SelfMasking
from ..networks.decoders import Decoder, GaussianDecoder
from ..networks.encoders import SetEncoder
from ..networks.families import all_real, families_of
from ..networks.mixed_decoder import MixedDecoder
from ..networks.scales import ScaleKind
from ..programs.selection import SelectionModel
from .building import building
from .mechanism_names import PUBLISHED, USUAL, WEAK, means_self_masking
from .parts import checked_latent_dim

#: dimensions of the latent of exposure where nothing is said of why items are not rated
_EXPOSURE = 5


@building
def RatingsNotMIWAE(
    data: Ratings,
    missingness: str | Missingness = USUAL,
    *,
    sign: str | None = None,
    latent_dim: int = 20,
    hidden: Sequence[int] = (128,),
    encoder_hidden: Sequence[int] = (128,),
    activation: str = "tanh",
    scale: ScaleKind = "shared",
    floor: float = 1e-2,
    skip: bool = False,
    mask_latent_dim: int | None = None,
    seed: int = 0,
) -> SelectionModel:
    """not-MIWAE for ratings (Ipsen, Mattei & Frellsen, ICLR 2021, section 4.4).

    The encoder is permutation-invariant and reads the rated items alone. Whether an item is rated
    depends on its rating, by one slope for all items and an offset for each:
    logit P(rated) = a x_ij + b_j. Unrated items are integrated out. Ratings are Gaussian, or
    ordered categories if the data have levels.

    Users are also exposed to related items, such as films of one genre, for reasons that have
    little to do with how they would rate them. If the slope alone has to explain this, the model
    takes items that a user never met for items that the user dislikes. By default exposure
    therefore has a latent of its own, logit P(rated) = a x_ij + b_j + m_j(z_s), beside which the
    slope is shrunk towards 0. A ``sign`` alone means self-masking, which has no such latent unless
    ``mask_latent_dim`` is given.

    Args:
        data: the ratings.
        missingness: ``"auto"`` where nobody knows why items are not rated, ``"self-masking"`` (the
            published model), ``"ignorable"`` (a MIWAE), or a mechanism.
        sign: ``"-"`` where low ratings go missing, ``"+"`` where high ones do.
        latent_dim: the number of latent dimensions.
        hidden, activation, scale, floor, skip: the decoder's, see
            :class:`~absentia.models.NetworkDecoder`; ``hidden=[]`` is a factor model.
        encoder_hidden: the widths of the encoder's hidden layers after the sum over rated items.
        mask_latent_dim: the dimensions of z_s, see :class:`~absentia.models.MaskLatentShift`; when
            left out, 5 under "auto" and 0 otherwise.
        seed: the seed of the initial weights; the global random state does not change.

    Raises:
        ValueError: for an unknown name, or a sign without self-masking.

    >>> import absentia as ab
    >>> data = ab.data.Ratings.from_triples([0, 0, 1, 2], [0, 1, 1, 0], [5.0, 4.0, 1.0, 3.0])
    >>> model = ab.models.RatingsNotMIWAE(data, sign="-", latent_dim=2)
    >>> fitted = ab.fit(model, data, steps=5, validation=0.0, progress=False)
    >>> ab.inference.predict_ratings(fitted, data, [1, 2], [0, 1], particles=50).shape
    (2,)
    """
    if not isinstance(data, Ratings):
        raise KindError(f"data is a {type(data).__name__}; read it with Ratings.from_triples")
    families = families_of(data)
    p = len(families)
    latent_dim = checked_latent_dim(latent_dim, p, latent_dim)
    known = (USUAL, PUBLISHED, "ignorable")
    if isinstance(missingness, str) and missingness not in known:
        raise InputError(f"missingness {missingness!r} is not one of {', '.join(known)}")
    if isinstance(missingness, str) and means_self_masking(missingness, sign, "weak"):
        missingness = PUBLISHED
    if mask_latent_dim is None:
        mask_latent_dim = _EXPOSURE if missingness == USUAL else 0
    if sign is not None and missingness != PUBLISHED:
        raise InputError(
            f"sign= is only used with missingness='self-masking', not with {missingness!r}; leave "
            f"it out"
        )
    with seeded(seed):
        network: dict[str, Any] = {"hidden": hidden, "activation": activation, "skip": skip}
        if all_real(families):
            decoder: Decoder = GaussianDecoder(latent_dim, p, scale=scale, floor=floor, **network)
        else:
            decoder = MixedDecoder(latent_dim, families, **network)
        levels = None if all_real(families) else families
        encoder = SetEncoder(p, latent_dim, encoder_hidden, activation=activation, families=levels)
        if isinstance(missingness, Missingness):
            mechanism: Missingness = missingness
            if argument_of(mechanism, "num_columns", p) != p:
                raise InputError(
                    f"the missingness was made for another number of items than the {p} of the "
                    f"data; make it for {p}"
                )
        else:
            shrinkage = WEAK if missingness == USUAL else None
            mechanism = (
                Ignorable(p)
                if missingness == "ignorable"
                else SelfMasking(p, sign=sign, shared=True, shrinkage=shrinkage)
            )
            mechanism.initialise(data.observed_rate().float())
        mask_encoder = None
        if mask_latent_dim:
            mechanism = MaskLatentShift(mechanism, p, mask_latent_dim)
            mask_encoder = SetEncoder(
                p, mask_latent_dim, encoder_hidden, activation=activation, families=levels
            )
        return SelectionModel(decoder, encoder, mechanism, data.columns, mask_encoder=mask_encoder)
