"""The sets of pictures with the results of other methods: what the tables compare with.

    denoise/25/NAME_{GT,noisy,nlm,bm3d,deep_prior}.png      and 50
    inpaint50/NAME_{GT,masked,papyan,voronoi,deep_prior}.png
    sr/Set5/x4/NAME_{GT,bicubic,deep_prior,LapSRN,SRResNet-MSE}.png    and Set14, x8

Of the other methods what is not there is left out.
"""

from collections.abc import Iterator
from pathlib import Path

import jax

from . import rules
from .pictures import load
from .published import TABLES
from .rules import Array

FILES = {  # method -> how the authors' files end
    "denoise": {"noisy": "noisy", "NLM": "nlm", "CBM3D": "bm3d", "DIP": "deep_prior"},
    "inpaint": {"Papyan": "papyan", "nearest": "voronoi", "DIP": "deep_prior"},
    "sr": {
        "bicubic": "bicubic",
        "DIP": "deep_prior",
        "LapSRN": "LapSRN",
        "SRResNet": "SRResNet-MSE",
    },
}


def denoised(data: Path, name: str, sigma: int = 25) -> tuple[Array, dict[str, Array]]:
    """The true picture, and those of every method, the noisy one included."""
    truth = load(data / f"denoise/25/{name}_GT.png")[..., :3]
    folder = data / f"denoise/{sigma}"
    return truth, {k: x[..., :3] for k, x in _found(folder, name, FILES["denoise"])}


def inpainted(data: Path, name: str) -> tuple[Array, Array, dict[str, Array]]:
    """The true picture, what is known of it (missing is 0), and those of every method."""
    folder = data / "inpaint50"
    truth, y = (load(folder / f"{name}_{kind}.png")[..., :1] for kind in ("GT", "masked"))
    return truth, y, {k: x[..., :1] for k, x in _found(folder, name, FILES["inpaint"])}


def known(truth: Array, y: Array) -> Array:
    """The mask of a picture with half of its pixels, 0 where one is missing.

    Where the picture itself is black nothing tells which are: half of these are known, by a coin.
    Peppers256 has black margins.
    """
    coin = jax.random.bernoulli(jax.random.key(0), 0.5, y.shape)
    return ((y > 0) | (coin & (truth == 0))).astype(y.dtype)


def enlarged(data: Path, name: str, folder: str, factor: int) -> tuple[Array, dict[str, Array]]:
    """The true picture, and those of every method; DIP's is black around what it restored."""
    path = data / f"sr/{folder}/x{factor}"
    files = FILES["sr"] | ({"DIP": "deep_prior_005"} if factor == 8 else {})
    return load(path / f"{name}_GT.png"), dict(_found(path, name, files))


def _found(folder: Path, name: str, files: dict[str, str]) -> Iterator[tuple[str, Array]]:
    for method, suffix in files.items():
        if (file := folder / f"{name}_{suffix}.png").exists():
            yield method, load(file)


# --- the columns of the tables, whole pictures ----------------------------------------------


def columns(data: Path, experiment: str, name: str) -> dict[str, float]:
    """method -> dB of a picture of a table, measured from the authors' images."""
    if experiment.startswith("sr_"):
        return super_resolution(data, experiment, name)["luma"]
    if experiment == "inpaint":
        truth, _, methods = inpainted(data, name)
    else:
        truth, methods = denoised(data, name, 50 if experiment == "denoise_50" else 25)
    return {method: rules.whole(x, truth) for method, x in methods.items()}


def super_resolution(data: Path, experiment: str, name: str) -> dict[str, dict[str, float]]:
    """The same by the paper's rule (luma) and by the slide's (RGB)."""
    folder, factor = which(experiment)
    truth, methods = enlarged(data, name, folder, factor)
    where = rules.box(methods["DIP"])
    return {
        rule.__name__: {method: rule(x, truth, where) for method, x in methods.items()}
        for rule in (rules.luma, rules.rgb)
    }


def which(experiment: str) -> tuple[str, int]:
    """ "sr_set14_x8" -> ("Set14", 8)."""
    _, folder, factor = experiment.split("_")
    return folder.capitalize(), int(factor[1:])


def names(experiment: str) -> list[str]:
    """The pictures of a table."""
    return list(TABLES[experiment])
