"""The bare loop, carefully written in plain torch: the baseline of all contestants."""

import torch
from _protocol import main
from _torch_networks import VAE, kl_divergence, tensor_model
from torch.nn.functional import binary_cross_entropy_with_logits


def train(X, job, after_epoch):
    torch.manual_seed(job["seed"])
    vae = VAE(job["network"], job["n_components"])
    optimizer = torch.optim.Adam(vae.parameters(), lr=job["learning_rate"], fused=True)
    x, model = torch.from_numpy(X), tensor_model(vae.encode, vae.decoder)
    for _ in range(job["epochs"]):
        permuted = x[torch.randperm(len(x))]
        for batch in permuted.split(job["batch_size"]):
            logits, mean, log_var = vae(batch)
            cross_entropy = binary_cross_entropy_with_logits(logits, batch, reduction="sum")
            loss = (cross_entropy + kl_divergence(mean, log_var)) / len(batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        after_epoch(model)
    return model


if __name__ == "__main__":
    main(train, "torch")
