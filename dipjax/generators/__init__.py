"""Generators `f_theta`: untrained networks whose structure is the prior, one a file."""

from dipjax.generators.from_nnx import from_nnx as from_nnx
from dipjax.generators.from_torch import params_from_torch as params_from_torch
from dipjax.generators.hourglass import Hourglass as Hourglass
from dipjax.generators.pixels import Pixels as Pixels
