"""The loss of a classifier of which few rows have labels, beside that of its generative model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from skvae._model.module import VAEModule

_FEWEST_LABELLED = 32  # rows with labels in a step
_SMALLEST = 1e-6  # mean probability of which the logarithm is taken
_START = 0.5  # of the adversarial search, as a share of its radius: small ones drown in bfloat16


class Guidance(NamedTuple):
    """How rows without labels guide a classifier.

    Parameters
    ----------
    radius : float
        Length of an adversarial change, relative to the root mean square distance of the rows from
        their mean.
    entropy : float
        Weight of the entropy of the predictions, beside 1 for their divergence under changes.
    """

    radius: float
    entropy: float


# chosen on development data (benchmarks/quality/README.md, "Few labels")
OF_ROWS = Guidance(radius=0.1, entropy=0.1)
OF_IMAGES = Guidance(radius=0.2, entropy=0.3)  # of a network that knows harmless changes


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
    weight : float
        Weight of the terms of rows without labels.
    warmup : float
        Epochs over which these terms, but for the frequencies of predictions, grow from zero.
    """

    def __init__(
        self,
        objective: Any,
        x: Tensor,
        labels: Tensor,
        share: float,
        log_shares: Tensor,
        weight: float,
        warmup: float,
    ):
        self.objective = objective
        self.x = x
        self.labels = labels
        self.share = share
        self.log_shares = log_shares
        self.weight = weight
        self.warmup = warmup

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
        changed = module.parts.network.augment(x, generator)
        guidance = OF_ROWS if changed is x else OF_IMAGES
        log_labelled, log_probs, *log_changed = self._predictions(
            module, [module.parts.network.augment(labelled, generator), x, changed]
        )
        target = log_probs.detach()
        classification = -log_labelled.gather(1, labels[:, None]).sum() / max(1, len(labels))
        inconsistency = adversarial_divergence(module, x, target, guidance.radius, generator)
        for log_other in log_changed:
            inconsistency = inconsistency + _divergence(target, log_other).mean()
        entropy = -(log_probs.exp() * log_probs).sum(-1).mean()
        unsure = inconsistency + guidance.entropy * entropy
        guided = self._growth(epoch) * unsure + self._imbalance(log_probs)
        return {
            **record,
            "loss": record["loss"]
            + classification
            + self.weight * guided
            + self._divergence_from_prior(module, x, target, generator),
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

    def _predictions(self, module: VAEModule, blocks: list[Tensor]) -> Sequence[Tensor]:
        """Return log q(y|x) of several blocks of rows, without the last if it equals the second."""
        if blocks[-1] is blocks[1]:
            blocks = blocks[:-1]
        log_probs = module.log_classes(module.encoder_inputs(torch.cat(blocks)))
        return log_probs.split([len(block) for block in blocks])

    def _growth(self, epoch: float) -> float:
        return min(1.0, epoch / self.warmup) if self.warmup else 1.0

    def _imbalance(self, log_probs: Tensor) -> Tensor:
        """Return the divergence of the mean prediction from the shares of the labels."""
        mean = log_probs.exp().mean(0)
        self.log_shares = self.log_shares.to(mean)
        return (mean * (mean.clamp_min(_SMALLEST).log() - self.log_shares)).sum()

    def _divergence_from_prior(
        self, module: VAEModule, x: Tensor, log_probs: Tensor, generator: torch.Generator | None
    ) -> Tensor:
        """Return KL(q(y|x) || p(y|z)) at a draw from the posterior of every row."""
        mean, log_var = module.encode(x)
        z = module.draw_posterior(mean, log_var, 1, generator)[:, 0]
        return _divergence(log_probs, module.log_classes_of(z)).mean()


def adversarial_divergence(
    module: VAEModule,
    x: Tensor,
    target: Tensor,
    radius: float,
    generator: torch.Generator | None,
) -> Tensor:
    """Return the mean divergence of predictions under the changes of `adversarial_change`."""
    inputs = module.encoder_inputs(x).detach()
    change = adversarial_change(module, inputs, target, radius, generator)
    return _divergence(target, module.log_classes(inputs + change)).mean()


def adversarial_change(
    module: VAEModule,
    inputs: Tensor,
    target: Tensor,
    radius: float,
    generator: torch.Generator | None,
) -> Tensor:
    """Return the change of every row, of limited length, that changes its prediction most.

    One step of power iteration for the largest curvature of the divergence (Miyato et al., 2018,
    section 3.3), with the slope at a random change of finite length.

    Parameters
    ----------
    module : VAEModule
    inputs : Tensor of shape (n_samples, n_inputs)
    target : Tensor of shape (n_samples, n_classes)
        Logarithms of the predictions for the inputs.
    radius : float
        Length, relative to the root mean square distance of the rows from their mean.
    generator : torch.Generator or None
        Source of the random changes.
    """
    length = radius * (inputs - inputs.mean(0)).square().sum(1).mean().sqrt()
    noise = torch.empty_like(inputs).normal_(generator=generator)
    start = (_START * length * _directions(noise)).requires_grad_()
    divergence = _divergence(target, module.log_classes(inputs + start)).sum()
    [slope] = torch.autograd.grad(divergence, start)
    return length * _directions(slope)


def _divergence(log_p: Tensor, log_q: Tensor) -> Tensor:
    """Return KL(p || q) of every row."""
    return (log_p.exp() * (log_p - log_q)).sum(-1)


def _directions(rows: Tensor) -> Tensor:
    """Return rows of length one."""
    return rows / rows.norm(dim=-1, keepdim=True).clamp_min(1e-12)
