"""The limit: only the matrix products of the dense layers, forward and backward, step by step.

The option "precision" sets their precision. The gradient with respect to the rows is not needed.
"""

import torch
from _protocol import Model, main
from _torch_networks import build_decoder, build_encoder


def train(X, job, _):
    modules = [build("mlp", job["n_components"]) for build in (build_encoder, build_decoder)]
    layers = [layer for module in modules for layer in module if hasattr(layer, "in_features")]
    dtype, batch_size = getattr(torch, job["precision"]), job["batch_size"]
    whole, rest = divmod(len(X), batch_size)
    batches = [_products(layers, batch_size, dtype)] * whole
    if rest:
        batches.append(_products(layers, rest, dtype))
    for _ in range(job["epochs"]):
        for products in batches:
            for left, right, result in products:
                torch.mm(left, right, out=result)
    return Model()


def _products(layers, n_rows, dtype):
    """Return factors and output of every product, in the memory layouts of a linear layer."""
    products = []
    for i, layer in enumerate(layers):
        n_in, n_out = layer.in_features, layer.out_features
        x, gradient = _random(n_rows, n_in, dtype), _random(n_rows, n_out, dtype)
        weight = _random(n_out, n_in, dtype)
        products.append((x, weight.T, torch.empty_like(gradient)))
        products.append((gradient.T, x, torch.empty_like(weight)))
        if i > 0:
            products.append((gradient, weight, torch.empty_like(x)))
    return products


def _random(n_rows, n_columns, dtype):
    return torch.randn(n_rows, n_columns).to(dtype)


if __name__ == "__main__":
    main(train, "torch")
