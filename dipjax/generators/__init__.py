"""Generators `f_theta`: untrained networks whose structure is the prior, one a file."""

from dipjax.generators.conv_decoder import ConvDecoder as ConvDecoder
from dipjax.generators.dcgan import DCGAN as DCGAN
from dipjax.generators.deep_decoder import DeepDecoder as DeepDecoder
from dipjax.generators.from_nnx import from_nnx as from_nnx
from dipjax.generators.from_torch import params_from_torch as params_from_torch
from dipjax.generators.hourglass import Hourglass as Hourglass
from dipjax.generators.pixels import Pixels as Pixels
from dipjax.generators.positional import Positional as Positional
from dipjax.generators.resnet import ResNet as ResNet
from dipjax.generators.texture import TextureNet as TextureNet
from dipjax.generators.unet import UNet as UNet
