"""The residual network."""

import math

import numpy as np
import pytest
import torch
from torch import nn

import skvae
from skvae import VAETransformer
from skvae.networks import ResNet
from skvae.networks._resnet import _Block


def blocks(network):
    return [part for part in network.modules() if isinstance(part, _Block)]


@pytest.mark.parametrize("image_shape", [(1, 1), (8, 8), (9, 9), (28, 28), (9, 14), (5, 7, 3)])
@pytest.mark.parametrize("channels", [(4,), (4, 6), (4, 6, 8)])
@pytest.mark.parametrize("hidden_units", [None, 10])
def test_outputs_have_the_right_size_for_odd_and_even_images(image_shape, channels, hidden_units):
    network = ResNet(image_shape=image_shape, channels=channels, hidden_units=hidden_units)
    n_features = math.prod(image_shape)
    x, z = torch.randn(3, n_features), torch.randn(3, 2)
    assert network.build_encoder(n_features, 4)(x).shape == (3, 4)
    for n_outputs in (n_features, 2 * n_features):
        assert network.build_decoder(2, n_outputs, n_features)(z).shape == (3, n_outputs)


def test_square_greyscale_images_are_inferred():
    network = ResNet(channels=(4,))
    assert network.build_encoder(81, 2)(torch.randn(3, 81)).shape == (3, 2)
    assert network.build_decoder(2, 162, 81)(torch.randn(3, 2)).shape == (3, 162)


def test_inputs_are_read_in_the_order_of_the_rows():
    encoder = ResNet(image_shape=(6, 8, 3), channels=(2,)).build_encoder(6 * 8 * 3, 2)
    x = torch.zeros(1, 6 * 8 * 3, requires_grad=True)
    encoder[:2](x)[0, 0, 1, 2].backward()
    touched = x.grad.reshape(6, 8, 3).abs().sum(-1) > 0
    expected = torch.zeros(6, 8, dtype=bool)
    expected[1:4, 3:6] = True  # the 3 x 3 patch around pixel (2, 4)
    assert torch.equal(touched, expected)


def test_outputs_have_the_order_of_the_rows():
    decoder = ResNet(image_shape=(6, 8, 3), channels=(2,)).build_decoder(2, 6 * 8 * 3, 6 * 8 * 3)
    convolve = decoder.body.stages[-1].grow[-1]
    with torch.no_grad():
        convolve.weight.zero_()
        convolve.weight[1, 0, 1, 1] = 1.0  # the green plane repeats the first map
    convolve.register_forward_pre_hook(lambda layer, inputs: (pattern(inputs[0]),))

    def pattern(maps):
        picked = torch.zeros_like(maps)
        picked[:, 0, 2, 5] = 1.0
        return picked

    expected = torch.zeros(6, 8, 3)
    expected[2, 5, 1] = 1.0
    torch.testing.assert_close(decoder(torch.zeros(1, 2)).reshape(6, 8, 3), expected)


@pytest.mark.parametrize("size", [(4, 6), (5, 7), (1, 2), (3, 1)])
def test_growing_repeats_each_pixel(size):
    half = [math.ceil(length / 2) for length in size]
    n_features = math.prod(size)
    decoder = ResNet(image_shape=size, channels=(2,)).build_decoder(2, n_features, n_features)
    grown = decoder.body.stages[0].grow[2](torch.arange(math.prod(half)).reshape(1, 1, *half) * 1.0)
    expected = np.kron(np.arange(math.prod(half)).reshape(half), np.ones((2, 2)))
    np.testing.assert_array_equal(grown[0, 0], expected[: size[0], : size[1]])


def test_decodes_any_leading_shape():
    decoder = ResNet(channels=(4, 6)).build_decoder(2, 64, 64).eval()
    z = torch.randn(4, 5, 2)
    torch.testing.assert_close(decoder(z)[1], decoder(z[1]))
    torch.testing.assert_close(decoder(z)[1, 2], decoder(z[1, 2][None])[0])


def test_a_row_does_not_depend_on_its_batch():
    network = ResNet(channels=(8, 16), n_groups=4)
    encoder, decoder = network.build_encoder(64, 4), network.build_decoder(2, 64, 64)
    x, z = torch.randn(6, 64), torch.randn(6, 2)
    torch.testing.assert_close(encoder(x)[2:3], encoder(x[2:3]))
    torch.testing.assert_close(decoder(z)[2:3], decoder(z[2:3]))


@pytest.mark.parametrize("blocks_per_stage", [1, 3])
def test_every_stage_has_blocks_per_stage_blocks(blocks_per_stage):
    network = ResNet(channels=(4, 6), blocks_per_stage=blocks_per_stage)
    assert len(blocks(network.build_encoder(64, 2))) == 2 * blocks_per_stage
    decoder = network.build_decoder(2, 64, 64)
    assert [len(stage.blocks) for stage in decoder.body.stages] == [blocks_per_stage] * 2


@pytest.mark.parametrize("stage", [0, 1, 2])
@pytest.mark.parametrize("block", [0, 1])
def test_the_latent_vector_enters_every_block_directly(stage, block):
    """The outputs depend on it even if all other connections are zero."""
    network = ResNet(image_shape=(9, 9), channels=(4, 6, 8), blocks_per_stage=2)
    decoder = network.build_decoder(2, 81, 81)
    z = torch.randn(3, 2, requires_grad=True)
    with torch.no_grad():
        decoder.body.start[0].weight.zero_()
        for part in blocks(decoder):
            part.modulation.linear.weight.zero_()
    assert not torch.autograd.grad(decoder(z).sum(), z, retain_graph=True)[0].any()
    with torch.no_grad():
        nn.init.normal_(decoder.body.stages[stage].blocks[block].modulation.linear.weight)
    outputs = decoder(z)
    assert torch.autograd.grad(outputs.square().sum(), z)[0].abs().min() > 0
    assert not torch.equal(outputs[0], outputs[1])


def test_a_block_computes_its_formula():
    """Maps plus conv(act(scale * norm(conv(act(norm(maps)))) + shift))."""
    (block,) = blocks(ResNet(channels=(4,), activation="tanh").build_decoder(2, 64, 64))
    norm, _, convolve, again = block.first
    z, maps = torch.randn(3, 2), torch.randn(3, 4, 5, 5)
    normalised = again(convolve(norm(maps).tanh()))
    factors = block.modulation.linear(z)
    hidden = normalised * (1 + factors[:, :4, None, None]) + factors[:, 4:, None, None]
    torch.testing.assert_close(block(maps, z), maps + block.second[-1](hidden.tanh()))


@pytest.mark.parametrize(
    ("n_channels", "n_groups", "expected"),
    [(32, 8, 8), (12, 8, 6), (4, 8, 2), (6, 4, 3), (7, 4, 1), (1, 8, 1), (16, 1, 1), (9, 8, 3)],
)
def test_groups_divide_the_channels_and_hold_at_least_two(n_channels, n_groups, expected):
    encoder = ResNet(channels=(n_channels,), n_groups=n_groups).build_encoder(64, 2)
    norms = [part for part in encoder.modules() if isinstance(part, nn.GroupNorm)]
    assert {norm.num_groups for norm in norms} == {expected}
    assert len(norms) == 3


def test_signals_neither_die_nor_explode_through_twelve_blocks():
    torch.manual_seed(0)
    network = ResNet(channels=(16, 16, 16), blocks_per_stage=4, hidden_units=None)
    x = torch.randn(50, 28 * 28)
    outputs = network.build_encoder(28 * 28, 8)(x)
    decoded = network.build_decoder(8, 28 * 28, 28 * 28)(torch.randn(50, 8))
    assert 0.01 < outputs.square().mean() < 2
    assert 0.01 < decoded.square().mean() < 2


def test_activation_and_dropout():
    network = ResNet(channels=(4,), hidden_units=8, activation="elu", dropout=0.2)
    for n_inputs, built in (
        (64, network.build_encoder(64, 2)),
        (2, network.build_decoder(2, 64, 64)),
    ):
        kinds = [type(layer) for layer in built.modules()]
        assert kinds.count(nn.ELU) == 4
        assert kinds.count(nn.Dropout) == 2
        x = torch.randn(3, n_inputs)
        assert not torch.equal(built(x), built(x))
        built.eval()
        assert torch.equal(built(x), built(x))


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (ResNet(), r"63 is not the square of a whole number. Pass ResNet\(image_shape="),
        (
            ResNet(image_shape=(8, 8)),
            r"'image_shape' of ResNet is \(8, 8\), that is 64 values, but X has 63",
        ),
        (ResNet(image_shape=(63,)), "'image_shape' of ResNet must be 2 or 3 positive integers"),
        (
            ResNet(image_shape=(7, 9), channels=()),
            "'channels' of ResNet must be one or more positive integers",
        ),
        (ResNet(image_shape=(7, 9), blocks_per_stage=0), "'blocks_per_stage' parameter of ResNet"),
        (ResNet(image_shape=(7, 9), n_groups=0), "'n_groups' parameter of ResNet"),
        (ResNet(image_shape=(7, 9), activation="step"), "'activation' parameter of ResNet"),
    ],
)
def test_invalid_parameters_raise(network, message):
    with pytest.raises(ValueError, match=message):
        network.build_encoder(63, 2)


def test_outputs_that_do_not_form_images_raise():
    with pytest.raises(ValueError, match=r"65 outputs, which is not a multiple of 64"):
        ResNet(image_shape=(8, 8)).build_decoder(2, 65, 64)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_training_is_repeatable_and_the_model_can_be_saved(digits, tmp_path, precision):
    X = digits.data[:200].astype(np.float32)
    network = ResNet(channels=(4, 8), hidden_units=16)

    def fit():
        return VAETransformer(
            2, network=network, precision=precision, max_epochs=3, random_state=0
        ).fit(X)

    model = fit()
    assert model.history_["train_loss"][-1] < model.history_["train_loss"][0]
    assert np.array_equal(fit().score_samples(X), model.score_samples(X))
    skvae.save(model, tmp_path / "model.skvae")
    loaded = skvae.load(tmp_path / "model.skvae")
    assert np.array_equal(loaded.score_samples(X), model.score_samples(X))
