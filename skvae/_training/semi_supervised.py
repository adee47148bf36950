"""The loss of a classifier of which few rows have labels, beside that of its generative model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from skvae._model.module import VAEModule

_FEWEST_LABELLED = 32  # rows with labels in a step
_START = 0.5  # of the adversarial search, as a share of its radius: small ones drown in bfloat16


@dataclass(frozen=True)
class Consistency:
    """How strongly q(y|x) is bound to be sure, balanced, and constant around every row.

    Parameters
    ----------
    radius : float
        Length of an adversarial change, relative to the root mean square distance of the rows from
        their mean.
    weight : float
        Weight of the divergence between predictions for a row and for its changed copies.
    entropy : float
        Weight of the entropy of the predictions.
    balance : float
        Weight of the divergence of the mean prediction from the shares of the labels.
    warmup : float
        Epochs over which all but the balance grow from zero.
    """

    radius: float
    weight: float
    entropy: float
    balance: float
    warmup: float


class SemiSupervised:
    """An objective for all rows, with the terms by which q(y|x) is learned from few labels.

    The bound on log p(x, y) of a row without a label, summed over its classes, is ``log p(x) -
    KL(q(y|x) || p(y|z))``, by Kingma et al. (2014), equation 7, with a prior p(z|y) in place of a
    decoder p(x|y, z). The objective bounds log p(x), in which the classes are summed out exactly.
    The divergence teaches the prior which latent vectors belong to which class. To q(y|x) it is a
    constant: a classifier that learned from the young prior would repeat its errors.

    q(y|x) itself learns from the labels and from consistency: it should not change under changes of
    a row that its network knows to be harmless, nor in the direction in which it changes most
    (Miyato et al., 2018, equations 5 and 9). Predictions should be sure (Grandvalet & Bengio, 2005)
    and as frequent as the labels.

    Parameters
    ----------
    objective : callable
        Objective of the generative model.
    x : Tensor of shape (n_labelled, n_features)
        Rows with labels.
    labels : Tensor of int of shape (n_labelled,)
        Their classes.
    share : float
        Share of the training rows with labels.
    log_shares : Tensor of shape (n_classes,)
        Logarithms of the shares of the classes among the labels.
    consistency : Consistency
    """

    def __init__(
        self,
        objective: Any,
        x: Tensor,
        labels: Tensor,
        share: float,
        log_shares: Tensor,
        consistency: Consistency,
    ):
        self.objective = objective
        self.x = x
        self.labels = labels
        self.share = share
        self.log_shares = log_shares
        self.consistency = consistency

    def __repr__(self) -> str:
        return repr(self.objective)

    def __call__(
        self,
        module: VAEModule,
        x: Tensor,
        *,
        epoch: float | None = None,
        generator: torch.Generator | None = None,
    ) -> dict[str, Tensor]:
        record = self.objective(module, x, epoch=epoch, generator=generator)
        if epoch is None or not isinstance(record, dict) or "loss" not in record:
            return record  # of validation, in which rows count without labels; or a user's mistake
        labelled, labels = self._labelled_batch(module, x, generator)
        predicted = self._predictions(module, x, labelled, generator)
        log_labelled, log_probs = predicted[: len(labels)], predicted[len(labels) :]
        log_probs, *log_changed = log_probs.split(len(x))
        classification = -log_labelled.gather(1, labels[:, None]).sum() / max(1, len(labels))
        inconsistency = self._adversarial_divergence(module, x, log_probs, generator)
        for log_other in log_changed:
            inconsistency = inconsistency + _divergence(log_probs.detach(), log_other).mean()
        return {
            **record,
            "loss": record["loss"]
            + classification
            + self._regularisation(log_probs, inconsistency, epoch)
            + self._divergence_from_prior(module, x, log_probs.detach(), generator),
            "classification": classification,
            "inconsistency": inconsistency,
        }

    def _labelled_batch(
        self, module: VAEModule, x: Tensor, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor]:
        """Draw rows with labels, as many as in a batch but at least 32; none if there are none."""
        self.x, self.labels = self.x.to(x.device), self.labels.to(x.device)
        if not len(self.labels):
            return self.x, self.labels
        n_rows = max(_FEWEST_LABELLED, round(self.share * len(x)))
        chosen = torch.randint(len(self.x), (n_rows,), generator=generator, device=x.device)
        return module.redraw(self.x[chosen], generator), self.labels[chosen]

    def _predictions(
        self, module: VAEModule, x: Tensor, labelled: Tensor, generator: torch.Generator | None
    ) -> Tensor:
        """Return log q(y|x) of labelled rows, rows, and changed rows if the network changes any."""
        network = module.parts.network
        changed = network.augment(x, generator)
        rows = [network.augment(labelled, generator), x] + [changed] * (changed is not x)
        return module.log_classes(module.encoder_inputs(torch.cat(rows)))

    def _regularisation(self, log_probs: Tensor, inconsistency: Tensor, epoch: float) -> Tensor:
        weights, probs = self.consistency, log_probs.exp()
        grown = min(1.0, epoch / weights.warmup) if weights.warmup else 1.0
        entropy = -(probs * log_probs).sum(-1).mean()
        mean = probs.mean(0)
        self.log_shares = self.log_shares.to(mean)
        imbalance = (mean * (mean.clamp_min(1e-6).log() - self.log_shares)).sum()
        unsure = weights.weight * inconsistency + weights.entropy * entropy
        return grown * unsure + weights.balance * imbalance

    def _divergence_from_prior(
        self, module: VAEModule, x: Tensor, log_probs: Tensor, generator: torch.Generator | None
    ) -> Tensor:
        """Return KL(q(y|x) || p(y|z)) at a draw from the posterior of every row."""
        mean, log_var = module.encode(x)
        z = module.draw_posterior(mean, log_var, 1, generator)[:, 0]
        return _divergence(log_probs, module.log_classes_of(z)).mean()

    def _adversarial_divergence(
        self, module: VAEModule, x: Tensor, log_probs: Tensor, generator: torch.Generator | None
    ) -> Tensor:
        """Return the divergence under the change of the inputs by which predictions change most."""
        if not self.consistency.radius:
            return log_probs.new_zeros(())
        inputs, target = module.encoder_inputs(x).detach(), log_probs.detach()
        spread = (inputs - inputs.mean(0)).square().sum(1).mean().sqrt()
        radius = self.consistency.radius * spread
        noise = torch.randn(
            inputs.shape, generator=generator, device=inputs.device, dtype=inputs.dtype
        )
        start = (_START * radius * _directions(noise)).requires_grad_()
        divergence = _divergence(target, module.log_classes(inputs + start)).sum()
        [slope] = torch.autograd.grad(divergence, start)
        return _divergence(target, module.log_classes(inputs + radius * _directions(slope))).mean()


def _divergence(log_p: Tensor, log_q: Tensor) -> Tensor:
    """Return KL(p || q) of every row."""
    return (log_p.exp() * (log_p - log_q)).sum(-1)


def _directions(rows: Tensor) -> Tensor:
    """Return rows of length one."""
    return rows / rows.norm(dim=-1, keepdim=True).clamp_min(1e-12)
