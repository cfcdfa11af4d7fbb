"""JPEG files that say how they were compressed, or show it; the paper is blind for it."""

import io
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

import dipjax
from dipjax import compression, images
from dipjax.images import codecs
from dipjax.operators import Jpeg

from . import rules, tables
from .lab import Found, Lab, crossed, unfitted
from .rules import Array

QUALITIES = (10, 30, 60, 90)
TWICE = ((30, 95), (40, 85), (60, 90))
NAMES = ("F16", "kodim12", "house")  # none of which was tuned on


def compressed(x: Array, quality: int, **options: int) -> tuple[Array, Jpeg]:
    """A picture as JPEG leaves it, colour in means of 2 x 2 by default, and what the file says."""
    file = io.BytesIO()
    samples = np.round(255 * np.asarray(x)).astype(np.uint8)
    Image.fromarray(samples).save(file, "JPEG", quality=quality, **options)
    data = file.getvalue()
    A = codecs.compression(data)
    assert A is not None
    return images.check(codecs.decode(data)), A


def items(lab: Lab) -> dict[str, Callable[[], Found]]:
    return crossed(lab, NAMES, {f"quality {q}": q for q in QUALITIES}, _restore)


def twice(lab: Lab) -> dict[str, Callable[[], Found]]:
    return crossed(lab, NAMES, {f"{a}, then {b}": (a, b) for a, b in TWICE}, _restore_twice)


def _restore_twice(lab: Lab, name: str, instead: str, qualities: tuple[int, int]) -> Found:
    truth = lab.crop(lab.pictures.colour(f"denoise/25/{name}_GT.png", instead))
    y, last = compressed(compressed(truth, qualities[0])[0], qualities[1])
    settings = {"preset": lab.scale.preset, "driver": lab.driver(truth), **lab.fewer(400)}
    by_last, ours = (
        jnp.clip(dipjax.remove_jpeg_artifacts(lab.key, y, jpeg=jpeg, **settings).image, 0, 1)
        for jpeg in (last, compression.kept(y, last))
    )
    methods = {"JPEG, twice": y, "by the last file": by_last, "ours": ours}
    psnr = {method: rules.whole(x, truth) for method, x in methods.items()}
    return Found({"psnr": psnr}, {**methods, "true": truth})


def _restore(lab: Lab, name: str, instead: str, quality: int) -> Found:
    truth = lab.crop(lab.pictures.colour(f"denoise/25/{name}_GT.png", instead))
    y, A = compressed(truth, quality)
    settings = {"preset": lab.scale.preset, "driver": lab.driver(truth), **lab.fewer(400)}
    blind, ours = (
        jnp.clip(dipjax.remove_jpeg_artifacts(lab.key, y, jpeg=jpeg, **settings).image, 0, 1)
        for jpeg in (None, A)
    )
    methods = {"JPEG": y, "blind": blind, "polish, no fit": _polish(y, A), "ours": ours}
    psnr = {method: rules.whole(x, truth) for method, x in methods.items()}
    return Found({"psnr": psnr}, {**methods, "true": truth})


def _polish(y: Array, A: Jpeg) -> Array:
    """What comes behind the fit, from the decoded picture."""
    return dipjax.remove_jpeg_artifacts(jax.random.key(0), y, jpeg=A, driver=unfitted(y)).image


EXPERIMENTS = {
    "jpeg_files": tables.experiment(
        "JPEG files by what they say: three pictures in four qualities (not in the paper)",
        items,
    ),
    "jpeg_twice": tables.experiment(
        "JPEG files of JPEG files by what they show: three pictures, three ways (not in the paper)",
        twice,
    ),
}
