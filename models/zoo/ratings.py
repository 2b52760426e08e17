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

    The encoder is permutation-invariant and reads what was rated alone; whether an item is rated
    depends on the rating by one slope, shared by all items, and an offset an item:
    logit P(rated) = a x_ij + b_j. All unrated items are integrated out. Ratings are Gaussian, or
    ordered categories where the data have levels.

    Whom an item is shown to (coats for women, films of a genre) goes together, too, and has little
    to do with how it would be liked. Where the slope alone must explain it, the model takes what a
    user never met for what he dislikes: ``mask_latent_dim`` gives exposure a latent of its own,
    logit P(rated) = a x_ij + b_j + m_j(z_s).

    Args:
        missingness: ``"self-masking"``, ``"ignorable"`` (a MIWAE), or a mechanism.
        sign: ``"-"`` where low ratings go missing, ``"+"`` where high ones do.
        hidden, activation, scale, floor, skip: of the decoder, see
            :class:`~absentia.models.NetworkDecoder`; ``hidden=[]`` is a factor model.
        mask_latent_dim: dimensions of z_s, see :class:`~absentia.models.MaskLatentShift`.
        encoder_hidden: widths after the sum over what was rated.

    Raises:
        ValueError: an unknown name, or a sign without self-masking.

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
        raise InputError(f"sign= belongs to self-masking, not to {missingness!r}")
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
                raise InputError(f"the missingness is not for the data's {p} items")
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
