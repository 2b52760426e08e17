"""not-MIWAE in plain PyTorch, without Pyro, as the reference for the time of a step."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


class PlainNotMIWAE(nn.Module):
    """The library's default not-MIWAE with its bound and DReG gradient, written by hand.

    Gaussian decoder with a scale per entry, mask-aware encoder, logistic self-masking with free
    signs, missing values sampled (Ipsen et al., ICLR 2021, eq. 8; Tucker et al., ICLR 2019).
    Random numbers are sampled in the order of the library, so that the same seed gives the same
    loss.
    """

    def __init__(self, num_columns: int, latent_dim: int, hidden: int, floor: float = 1e-2) -> None:
        super().__init__()
        self.latent_dim, self.floor = latent_dim, floor
        self.decoder = nn.Sequential(
            nn.Linear(latent_dim, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh()
        )
        self.x_mean = nn.Linear(hidden, num_columns)
        self.x_scale = nn.Linear(hidden, num_columns)
        self.encoder = nn.Sequential(
            nn.Linear(2 * num_columns, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh()
        )
        self.z_mean = nn.Linear(hidden, latent_dim)
        self.z_scale = nn.Linear(hidden, latent_dim)
        self.slope = nn.Parameter(torch.zeros(num_columns))
        self.offset = nn.Parameter(torch.zeros(num_columns))

    @torch.no_grad()
    def copy_from(self, model: nn.Module) -> None:
        """Copy the parameters of a ``NotMIWAE`` of the same sizes."""
        for mine, theirs in zip(self.in_order(), model.parameters(), strict=True):
            mine.copy_(theirs)

    def in_order(self) -> list[nn.Parameter]:
        """Return the parameters in the order of ``NotMIWAE(...).parameters()``."""
        mechanism = [self.slope, self.offset]
        networks = [p for p in self.parameters() if all(p is not own for own in mechanism)]
        return networks + mechanism

    def loss(self, x: Tensor, s: Tensor, num_particles: int) -> Tensor:
        """Return minus the mean bound of the rows (n, p); its gradient is the DReG estimator."""
        mask = s.to(x.dtype)
        h = self.encoder(torch.cat([x * mask, mask - 0.5], -1))
        z_mean, z_scale = self.z_mean(h), 1e-4 + softplus(self.z_scale(h))
        z = z_mean + z_scale * torch.randn(num_particles, len(x), self.latent_dim)

        h = self.decoder(z)
        x_mean, x_scale = self.x_mean(h), self.floor + softplus(self.x_scale(h))
        completed = torch.where(s, x, x_mean + x_scale * torch.randn_like(x_mean))
        logits = self.slope * completed + self.offset

        log_px = (_log_normal(x, x_mean, x_scale) * mask).sum(-1)
        log_ps = -binary_cross_entropy_with_logits(
            logits, mask.expand_as(logits), reduction="none"
        ).sum(-1)
        log_pz = (-0.5 * z.square() - _HALF_LOG_2PI).sum(-1)
        # DReG leaves out the score of the encoder, whose gradient comes through z alone
        log_qz = _log_normal(z, z_mean.detach(), z_scale.detach()).sum(-1)
        log_w = log_px + log_ps + log_pz - log_qz  # (K, n)

        share = torch.softmax(log_w.detach(), 0)
        z.register_hook(lambda grad: grad * share.unsqueeze(-1))
        return math.log(num_particles) - torch.logsumexp(log_w, 0).mean()


def _log_normal(value: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
    return -0.5 * ((value - mean) / scale).square() - scale.log() - _HALF_LOG_2PI
