"""The same models written by hand in plain torch: the baseline for the cost of skvae."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

LOG_2PI = math.log(2 * math.pi)
LEARNING_RATE = 1e-3


def mlp(
    n_features: int, n_components: int, widths: tuple[int, ...] = (512, 256)
) -> tuple[nn.Module, nn.Module]:
    """Return encoder and decoder in the shape of skvae's MLP; the default is that of images."""
    encoder = _dense(n_features, *widths, 2 * n_components)
    return encoder, _dense(n_components, *widths[::-1], n_features)


def _dense(*sizes: int) -> nn.Module:
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def conv(n_features: int, n_components: int) -> tuple[nn.Module, nn.Module]:
    """Return encoder and decoder in the shape of skvae's Conv() for 28x28 pixels."""
    assert n_features == 28 * 28
    encoder = nn.Sequential(
        nn.Unflatten(1, (1, 28, 28)),
        *(nn.Conv2d(1, 32, 3, stride=2, padding=1), nn.ReLU()),
        *(nn.Conv2d(32, 64, 3, stride=2, padding=1), nn.ReLU()),
        nn.Flatten(),
        *(nn.Linear(64 * 7 * 7, 256), nn.ReLU()),
        nn.Linear(256, 2 * n_components),
    )
    decoder = nn.Sequential(
        *(nn.Linear(n_components, 256), nn.ReLU()),
        *(nn.Linear(256, 64 * 7 * 7), nn.ReLU()),
        nn.Unflatten(1, (64, 7, 7)),
        *(nn.ConvTranspose2d(64, 32, 3, stride=2, padding=1, output_padding=1), nn.ReLU()),
        nn.ConvTranspose2d(32, 1, 3, stride=2, padding=1, output_padding=1),
        nn.Flatten(),
    )
    return encoder, decoder


NETWORKS = {"mlp": mlp, "conv": conv}


class BareVAE(nn.Module):
    """Encoder and decoder with the loss of a batch, in nats per row.

    The likelihood is Bernoulli, or Gaussian with one learned variance. With `bfloat16`, matrix
    products are computed in that precision.
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        gaussian: bool = False,
        bfloat16: bool = False,
    ):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.bfloat16 = bfloat16
        self.log_variance = nn.Parameter(torch.zeros(())) if gaussian else None

    def loss(self, x: Tensor) -> Tensor:
        mean, log_var = self._pass(self.encoder, x).chunk(2, -1)
        z = mean + (0.5 * log_var).exp() * torch.randn_like(mean)
        kl = 0.5 * (mean.square() + log_var.exp() - log_var - 1).sum(-1)
        return (self._distortion(self._pass(self.decoder, z), x) + kl).mean()

    def _pass(self, network: nn.Module, x: Tensor) -> Tensor:
        # each weight is used once, so a cache of cast weights gains nothing; CUDA graphs forbid it
        options = {"enabled": self.bfloat16, "cache_enabled": False}
        with torch.autocast(x.device.type, torch.bfloat16, **options):
            return network(x).float()

    def _distortion(self, outputs: Tensor, x: Tensor) -> Tensor:
        if self.log_variance is None:
            return binary_cross_entropy_with_logits(outputs, x, reduction="none").sum(-1)
        squares = (x - outputs).square() / self.log_variance.exp()
        return 0.5 * (squares + self.log_variance + LOG_2PI).sum(-1)


def train(model: BareVAE, x: Tensor, n_epochs: int, batch_size: int) -> None:
    """Train with fused AdamW on batches sliced from one permuted tensor per epoch."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, fused=True)
    for _ in range(n_epochs):
        permuted = x[torch.randperm(len(x), device=x.device)]
        for batch in permuted.split(batch_size):
            optimizer.zero_grad()
            model.loss(batch).backward()
            optimizer.step()
