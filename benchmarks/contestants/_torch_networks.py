"""The networks in plain torch, with torch's initial weights, for 28x28 images as rows of 784."""

from __future__ import annotations

import numpy as np
import torch
from _protocol import Model
from torch import Tensor, nn


def build_encoder(network: str, n_components: int) -> nn.Sequential:
    """Build the network from rows to means and log variances, in that order."""
    if network == "mlp":
        return nn.Sequential(
            nn.Linear(784, 512),
            nn.ReLU(),
            nn.Linear(512, 256),
            nn.ReLU(),
            nn.Linear(256, 2 * n_components),
        )
    return nn.Sequential(
        nn.Unflatten(1, (1, 28, 28)),
        nn.Conv2d(1, 32, 3, stride=2, padding=1),  # (n, 32, 14, 14)
        nn.ReLU(),
        nn.Conv2d(32, 64, 3, stride=2, padding=1),  # (n, 64, 7, 7)
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(3136, 256),
        nn.ReLU(),
        nn.Linear(256, 2 * n_components),
    )


def build_decoder(network: str, n_components: int) -> nn.Sequential:
    """Build the network from latent rows to logits."""
    if network == "mlp":
        return nn.Sequential(
            nn.Linear(n_components, 256),
            nn.ReLU(),
            nn.Linear(256, 512),
            nn.ReLU(),
            nn.Linear(512, 784),
        )
    return nn.Sequential(
        nn.Linear(n_components, 256),
        nn.ReLU(),
        nn.Linear(256, 3136),
        nn.ReLU(),
        nn.Unflatten(1, (64, 7, 7)),
        nn.ConvTranspose2d(64, 32, 3, stride=2, padding=1, output_padding=1),
        nn.ReLU(),
        nn.ConvTranspose2d(32, 1, 3, stride=2, padding=1, output_padding=1),
        nn.Flatten(),
    )


class VAE(nn.Module):
    """Returns the logits of a reconstruction from one draw, with the moments of q(z|x)."""

    def __init__(self, network: str, n_components: int):
        super().__init__()
        self.encoder = build_encoder(network, n_components)
        self.decoder = build_decoder(network, n_components)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_var = self.encoder(x).chunk(2, dim=1)
        return mean, log_var

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean, log_var = self.encode(x)
        z = mean + (0.5 * log_var).exp() * torch.randn_like(mean)
        return self.decoder(z), mean, log_var


def kl_divergence(mean: Tensor, log_var: Tensor) -> Tensor:
    """Return KL(q(z|x) || N(0, 1)), summed over the batch."""
    return 0.5 * (mean.square() + log_var.exp() - log_var - 1).sum()


def tensor_model(encode, decode_logits, **notes) -> Model:
    """Return a `Model` whose functions take arrays, from functions of tensors."""

    @torch.inference_mode()
    def encode_array(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean, log_var = encode(torch.from_numpy(X))
        return mean.numpy(), log_var.numpy()

    @torch.inference_mode()
    def decode_array(Z: np.ndarray) -> np.ndarray:
        return decode_logits(torch.from_numpy(Z)).numpy()

    return Model(encode_array, decode_array, notes)
