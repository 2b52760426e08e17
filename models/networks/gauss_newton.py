"""An encoder without parameters for decoders that are linear but for a residual network."""

from __future__ import annotations

import torch
from torch import Tensor

from ...data.errors import KindError
from ..distributions.information import solved
from ..distributions.row_normal import RowNormal
from .decoders import Decoder
from .encoders import Encoder
from .residual import ResidualDecoder

#: steps besides the last one, through which gradients flow
_STEPS = 2
#: the longest of these steps, in any latent
_LONGEST = 2.0


class GaussNewtonEncoder(Encoder):
    """q(z | x_o): a Normal at the mode of p(x_o, z), of the decoder that is linearised there.

    With f(z) the location of a :class:`~absentia.models.ResidualDecoder` and J its derivatives,
    both of the observed columns, a step of the Gauss-Newton method is

        z  <-  (I + J^T D^-1 J)^-1 J^T D^-1 (x_o - f(z) + J z),    D = diag(sigma_o^2).

    Two of them from zero come close to the mode, and a third gives mean and precision of the
    Normal; gradients by the decoder's parameters flow through the third alone, as in
    :class:`~absentia.models.ModalEncoder`. Where all gates are closed the first step is exact, as
    :class:`~absentia.models.ExactConditionalEncoder` is.

    Args:
        num_columns: the number p of columns.
        latent_dim: the number d of latent dimensions.

    >>> import torch
    >>> from absentia.models import GaussNewtonEncoder, ResidualDecoder
    >>> encoder = GaussNewtonEncoder(5, 2)
    >>> encoder.attach(ResidualDecoder(2, 5))
    >>> encoder(torch.zeros(7, 5), torch.ones(7, 5, dtype=torch.bool)).batch_shape
    torch.Size([7, 2])
    """

    def __init__(self, num_columns: int, latent_dim: int) -> None:
        super().__init__()
        self.num_columns, self.latent_dim = num_columns, latent_dim

    def attach(self, decoder: Decoder) -> None:
        """Read the weights of this decoder at every call.

        Raises:
            TypeError: for another decoder than a residual one.
        """
        if not isinstance(decoder, ResidualDecoder):
            raise KindError(
                f"GaussNewtonEncoder needs a ResidualDecoder, not {type(decoder).__name__}; use "
                f"MaskAwareEncoder with it"
            )
        self._read(decoder=decoder)

    def forward(self, x: Tensor, s: Tensor) -> RowNormal:
        """Return a RowNormal of batch shape (n, d)."""
        z = x.new_zeros(len(x), self.latent_dim)
        with torch.no_grad():
            for _ in range(_STEPS):
                step = solved(*self._normal_equations(x, s, z))[0] - z
                longest = step.abs().amax(-1, keepdim=True).clamp_min(_LONGEST)
                z = z + step * (_LONGEST / longest)
        return RowNormal(*solved(*self._normal_equations(x, s, z)))

    def _normal_equations(self, x: Tensor, s: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return I + J^T D^-1 J (n, d, d) and J^T D^-1 (x_o - f(z) + J z) (n, d) at z (n, d)."""
        decoder: ResidualDecoder = self.__dict__["decoder"]
        location, slope = decoder.linearised(z)
        weight = s / decoder.linear.scale(z).square()  # (n, p), zero where missing
        scaled = (weight.unsqueeze(-1) * slope).mT
        residual = x - location + (slope @ z.unsqueeze(-1)).squeeze(-1)
        eye = torch.eye(self.latent_dim, dtype=x.dtype, device=x.device)
        return eye + scaled @ slope, (scaled @ residual.unsqueeze(-1)).squeeze(-1)
