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
from .parts import checked_latent_dim


@building
def RatingsNotMIWAE(
    data: Ratings,
    missingness: str | Missingness = "self-masking",
    *,
    sign: str | None = None,
    latent_dim: int = 20,
    hidden: Sequence[int] = (128,),
    encoder_hidden: Sequence[int] = (128,),
    activation: str = "tanh",
    scale: ScaleKind = "shared",
    floor: float = 1e-2,
    skip: bool = False,
    mask_latent_dim: int = 0,
    seed: int = 0,
) -> SelectionModel:
    """not-MIWAE for ratings (Ipsen, Mattei & Frellsen, ICLR 2021, section 4.4).

    The encoder is permutation-invariant and reads the rated items alone. Whether an item is rated
    depends on its rating, by one slope for all items and an offset for each:
    logit P(rated) = a x_ij + b_j. Unrated items are integrated out. Ratings are Gaussian, or
    ordered categories if the data have levels.

    Users are also exposed to related items, such as films of one genre, for reasons that have
    little to do with how they would rate them. If the slope alone has to explain this, the model
    takes items that a user never met for items that the user dislikes. ``mask_latent_dim`` gives
    exposure a latent of its own: logit P(rated) = a x_ij + b_j + m_j(z_s).

    Args:
        data: the ratings.
        missingness: ``"self-masking"``, ``"ignorable"`` (a MIWAE), or a mechanism.
        sign: ``"-"`` where low ratings go missing, ``"+"`` where high ones do.
        latent_dim: the number of latent dimensions.
        hidden, activation, scale, floor, skip: the decoder's, see
            :class:`~absentia.models.NetworkDecoder`; ``hidden=[]`` is a factor model.
        encoder_hidden: the widths of the encoder's hidden layers after the sum over rated items.
        mask_latent_dim: the dimensions of z_s, see :class:`~absentia.models.MaskLatentShift`.
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
    if isinstance(missingness, str) and missingness not in ("self-masking", "ignorable"):
        raise InputError(f"missingness {missingness!r} is not one of self-masking, ignorable")
    if sign is not None and missingness != "self-masking":
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
            ignorable = missingness == "ignorable"
            mechanism = Ignorable(p) if ignorable else SelfMasking(p, sign=sign, shared=True)
            mechanism.initialise(data.observed_rate().float())
        mask_encoder = None
        if mask_latent_dim:
            mechanism = MaskLatentShift(mechanism, p, mask_latent_dim)
            mask_encoder = SetEncoder(
                p, mask_latent_dim, encoder_hidden, activation=activation, families=levels
            )
        return SelectionModel(decoder, encoder, mechanism, data.columns, mask_encoder=mask_encoder)
