"""The options of the commands of features, and what they name: a network, and its size."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from dipjax import features, figures
from dipjax.cli import checks
from dipjax.cli.options import PLAIN, Flag, OptionalInt, OptionalPath
from dipjax.features import Network

Name = Literal[
    "alexnet", "alexnet-caffe", "vgg16", "vgg19", "squeezenet", "squeezenet1.0", "squeezenet1.1"
]

NETWORKS: dict[str, Callable[..., Network]] = {
    "alexnet": features.alexnet,
    "alexnet-caffe": lambda weights: features.alexnet(weights, form="caffe"),
    "vgg16": features.vgg16,
    "vgg19": features.vgg19,
    "squeezenet": features.squeezenet,
    "squeezenet1.0": features.squeezenet,
    "squeezenet1.1": lambda weights: features.squeezenet(weights, version="1.1"),
}


@dataclass(frozen=True)
class Options:
    """What both commands take.

    Attributes:
        network: whose activations.
        weights: a .safetensors, .npz or .pth file; downloaded once if not given.
        size: height and width of the picture; 128, or what the network was made for where the
            preset is as published.
        preset: the settings of the fit.
        steps: of each fit, in place of the preset's.
        seed: of all randomness; the same seed gives the same picture.
        json: write settings, times and results into this file.
        force: replace files that exist already; the input is never replaced.
        quiet: print nothing but errors.
    """

    network: Name
    weights: OptionalPath = None
    size: OptionalInt = None
    preset: str = "fast"
    steps: OptionalInt = None
    seed: int = 0
    json: OptionalPath = None
    force: Flag = False
    quiet: Flag = False


@dataclass(frozen=True)
class ToInvert(Options):
    """What `invert` takes.

    Attributes:
        preset: tv is pixels without a network, by total variation; paper and appendix are as
            published.
    """

    preset: Literal["fast", "paper", "tv", "appendix"] = "fast"


@dataclass(frozen=True)
class ToActivate(Options):
    """What `activate` takes.

    Attributes:
        preset: tv is pixels without a network, by total variation; paper is as published.
    """

    preset: Literal["fast", "paper", "tv"] = "fast"


def check_files(output: Path, figure: Path | None, options: Options, *inputs: Path, row=False):
    """Everything that will be written can be, and is nothing that is read."""
    read = [*inputs, *([options.weights] if options.weights else [])]
    pairs = ((output, None if row else PLAIN), (figure, None), (options.json, None))
    written = [(path, held) for path, held in pairs if path]
    checks.files(read, written, overwrite=options.force)
    for path in (figure, output if row else None):
        if path:
            figures.check(path)


def check_options(options: Options) -> None:
    """The numbers are in their ranges."""
    checks.settings(steps=options.steps, seed=options.seed)
    if options.size is not None and not 1 <= options.size <= 4096:
        raise ValueError(f"--size {options.size}: must be from 1 to 4096")


def network(options: Options) -> Network:
    """With the weights that were given, or downloaded ones."""
    return NETWORKS[options.network](weights="auto" if options.weights is None else options.weights)


def size(options: Options, phi: Network) -> int:
    """Height and width of the picture."""
    return options.size or (phi.size if options.preset in ("paper", "appendix") else 128)


def steps(options: Options) -> dict[str, Any]:
    """The steps of a fit as a keyword, where they are given."""
    return {} if options.steps is None else {"steps": options.steps}
