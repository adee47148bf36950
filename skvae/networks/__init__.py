"""Networks: specs that build the encoder and the decoder of a VAE."""

from skvae._parts import Network
from skvae.networks._conv import Conv
from skvae.networks._mlp import MLP
from skvae.networks._resnet import ResNet

__all__ = ["MLP", "Conv", "Network", "ResNet"]
