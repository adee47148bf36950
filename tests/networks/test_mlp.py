"""The multilayer perceptron."""

import pytest
import torch
from torch import nn

from skvae.networks import MLP


def _sizes(network):
    layers = [layer for layer in network if isinstance(layer, nn.Linear)]
    return [layers[0].in_features, *(layer.out_features for layer in layers)]


@pytest.mark.parametrize(
    ("hidden_layer_sizes", "hidden"),
    [((), []), ((7,), [7]), (7, [7]), ([9, 5, 3], [9, 5, 3])],
)
def test_the_decoder_mirrors_the_encoder(hidden_layer_sizes, hidden):
    network = MLP(hidden_layer_sizes=hidden_layer_sizes)
    assert _sizes(network.build_encoder(4, 6)) == [4, *hidden, 6]
    assert _sizes(network.build_decoder(2, 4, 4)) == [2, *hidden[::-1], 4]


@pytest.mark.parametrize(
    ("n_features", "hidden"),
    [
        (1, [256, 128]),
        (32, [256, 128]),
        (33, [512, 256]),
        (784, [512, 256]),
    ],
)
def test_auto_fits_the_widths_to_the_number_of_features(n_features, hidden):
    network = MLP()
    assert _sizes(network.build_encoder(n_features, 6)) == [n_features, *hidden, 6]
    decoder = network.build_decoder(2, 3 * n_features, n_features)
    assert _sizes(decoder) == [2, *hidden[::-1], 3 * n_features]


@pytest.mark.parametrize("skip_connections", [False, True])
def test_auto_equals_its_widths_given_explicitly(skip_connections):
    auto, written = (
        MLP(hidden_layer_sizes=sizes, skip_connections=skip_connections)
        for sizes in ("auto", (256, 128))
    )
    assert repr(auto.build_encoder(30, 4)) == repr(written.build_encoder(30, 4))
    assert repr(auto.build_decoder(2, 60, 30)) == repr(written.build_decoder(2, 60, 30))


def test_without_hidden_layers_it_is_linear():
    encoder = MLP(hidden_layer_sizes=()).build_encoder(3, 2)
    x, y = torch.randn(2, 5, 3)
    torch.testing.assert_close(encoder(x + y) - encoder(y), encoder(x) - encoder(0 * x))


@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        ("relu", nn.ReLU),
        ("tanh", nn.Tanh),
        ("elu", nn.ELU),
        ("gelu", nn.GELU),
        ("silu", nn.SiLU),
        ("leaky_relu", nn.LeakyReLU),
    ],
)
def test_activation_follows_hidden_layers_only(activation, expected):
    network = MLP(hidden_layer_sizes=(5, 4), activation=activation).build_encoder(3, 2)
    kinds = [type(layer) for layer in network]
    assert kinds == [nn.Linear, expected, nn.Linear, expected, nn.Linear]


def test_dropout_is_off_in_evaluation():
    network = MLP(hidden_layer_sizes=(50,), dropout=0.5).build_encoder(3, 2)
    x = torch.randn(4, 3)
    assert not torch.equal(network(x), network(x))
    network.eval()
    assert torch.equal(network(x), network(x))


def test_every_build_is_fresh():
    network = MLP(hidden_layer_sizes=(5,))
    first, second = network.build_encoder(3, 2), network.build_encoder(3, 2)
    assert not torch.equal(first[0].weight, second[0].weight)


def test_decodes_any_leading_shape():
    decoder = MLP(hidden_layer_sizes=(5,)).build_decoder(2, 3, 3)
    z = torch.randn(4, 6, 2)
    torch.testing.assert_close(decoder(z)[1], decoder(z[1]))


@pytest.mark.parametrize("sizes", [(0,), (4, -1), (2.5,), ("a",)])
def test_invalid_sizes_raise(sizes):
    with pytest.raises(ValueError, match="of MLP must be 'auto' or integers of at least 1"):
        MLP(hidden_layer_sizes=sizes).build_encoder(3, 2)


def test_skip_connections_do_not_change_the_encoder():
    plain, skipping = (
        MLP(hidden_layer_sizes=(5, 4)),
        MLP(hidden_layer_sizes=(5, 4), skip_connections=True),
    )
    assert repr(plain.build_encoder(3, 2)) == repr(skipping.build_encoder(3, 2))
    assert repr(
        MLP(hidden_layer_sizes=(), skip_connections=True).build_decoder(2, 3, 3).layers[0]
    ) == repr(MLP(hidden_layer_sizes=()).build_decoder(2, 3, 3)[0])


def test_skip_connections_add_a_linear_map_of_the_latent_vector_to_every_layer():
    decoder = MLP(
        hidden_layer_sizes=(7, 5), activation="tanh", skip_connections=True
    ).build_decoder(2, 3, 3)
    z = torch.randn(4, 2)
    (first, _), (second, _), last = decoder.layers
    h = first(z).tanh()
    h = (h @ second.weight[:, :5].T + z @ second.weight[:, 5:].T + second.bias).tanh()
    expected = h @ last.weight[:, :7].T + z @ last.weight[:, 7:].T + last.bias
    torch.testing.assert_close(decoder(z), expected)


@pytest.mark.parametrize("layer", [1, 2])
def test_the_latent_vector_enters_every_layer_directly(layer):
    decoder = MLP(
        hidden_layer_sizes=(7, 5), activation="tanh", skip_connections=True
    ).build_decoder(2, 3, 3)
    linears = [part for part in decoder.modules() if isinstance(part, nn.Linear)]
    z = torch.randn(4, 2, requires_grad=True)
    with torch.no_grad():
        linears[0].weight.zero_()
        for linear in linears[1:]:
            linear.weight[:, -2:] = 0.0
    assert not torch.autograd.grad(decoder(z).sum(), z)[0].any()
    with torch.no_grad():
        nn.init.normal_(linears[layer].weight)
    assert torch.autograd.grad(decoder(z).sum(), z)[0].abs().min() > 0


def test_skip_connections_decode_any_leading_shape():
    decoder = (
        MLP(hidden_layer_sizes=(5, 4), dropout=0.1, skip_connections=True)
        .build_decoder(2, 3, 3)
        .eval()
    )
    z = torch.randn(4, 6, 2)
    torch.testing.assert_close(decoder(z)[1], decoder(z[1]))


def test_residual_layers_add_to_their_inputs_beside_a_linear_map():
    network = MLP(hidden_layer_sizes=(7, 7, 7), activation="tanh", residual=True)
    for stack, n_inputs in ((network.build_encoder(3, 2), 3), (network.build_decoder(2, 3, 3), 2)):
        x = torch.randn(5, n_inputs)
        h = stack.layers[0](x)
        for layer in stack.layers[1:]:
            h = h + (h @ layer[0].weight.T + layer[0].bias).tanh()
        expected = stack.last(h) + x @ stack.direct.weight.T + stack.direct.bias
        torch.testing.assert_close(stack(x), expected)


def test_residual_layers_have_four_times_64_units_by_default():
    stack = MLP(residual=True).build_encoder(3, 2)
    assert [layer[0].out_features for layer in stack.layers] == [64] * 4


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"hidden_layer_sizes": (8, 4)}, "must be equal integers"),
        ({"skip_connections": True}, "are both True"),
    ],
)
def test_invalid_residual_networks_raise(params, message):
    with pytest.raises(ValueError, match=message):
        MLP(residual=True, **params).build_encoder(3, 2)


def test_the_encoder_of_rows_with_gaps_receives_the_indicators():
    encoder = MLP(hidden_layer_sizes=(4,)).build_gap_encoder(3, 2, 2)
    assert encoder[0].in_features == 5
