"""Pretrained networks as frozen operators `Phi`, one a file, and what to ask of their layers."""

from dipjax.features.alexnet import alexnet as alexnet
from dipjax.features.inverse import InverseNetwork as InverseNetwork
from dipjax.features.inverse import inverse as inverse
from dipjax.features.network import Features as Features
from dipjax.features.network import Network as Network
from dipjax.features.network import Receptive as Receptive
from dipjax.features.network import centred as centred
from dipjax.features.network import class_index as class_index
from dipjax.features.network import classes as classes
from dipjax.features.objectives import FeatureError as FeatureError
from dipjax.features.objectives import MinusActivation as MinusActivation
from dipjax.features.objectives import MinusClass as MinusClass
from dipjax.features.squeezenet import squeezenet as squeezenet
from dipjax.features.vgg import vgg16 as vgg16
from dipjax.features.vgg import vgg19 as vgg19
