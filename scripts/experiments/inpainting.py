"""Inpainting: half of the pixels, text, a large hole, nearly all pixels missing."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

import dipjax
from dipjax import figures

from . import rules, sets, tables
from .lab import Experiment, Found, Lab, Record
from .pictures import GREY, public
from .published import TABLES
from .rules import Array

# --- the table -----------------------------------------------------------------------------


def items(lab: Lab) -> dict[str, Callable[[], Found]]:
    names = sets.names("inpaint") if lab.pictures.data else GREY
    return {name: partial(_half, lab, name) for name in lab.few(names)}


def _half(lab: Lab, name: str) -> Found:
    if lab.pictures.data:
        truth, y, methods = sets.inpainted(lab.pictures.data, name)
        mask = sets.known(truth, y)
    else:
        truth, methods = public(name)[..., :1], {}
        mask = scattered(lab.key, truth, 0.5)
    truth, mask, *others = (lab.crop(x) for x in (truth, mask, *methods.values()))
    methods = dict(zip(methods, others, strict=True))
    y = truth * mask
    result = dipjax.inpaint(
        lab.key,
        y,
        mask,
        preset=lab.scale.preset,
        driver=lab.driver(truth),
        **lab.fewer(400),
    )
    # The paper's rule is the network's image everywhere; the task keeps the known, and polishes.
    methods |= {"the fit": jnp.clip(result.average, 0, 1), "ours": result.image}
    psnr = {method: rules.whole(x, truth) for method, x in methods.items()}
    return Found({"psnr": psnr}, {"half": y, **methods, "true": truth})


def scattered(key: Array, x: Array, missing: float) -> Array:
    """A mask (H, W, 1) that loses each pixel with this probability."""
    return jax.random.bernoulli(key, 1 - missing, (*x.shape[:2], 1)).astype(jnp.float32)


# --- single pictures -----------------------------------------------------------------------


def single(about: str, problem: Callable[[Lab], tuple[Array, Array]], missing: str, steps: int):
    """An experiment on one picture, whose settings are those of a kind of what is missing."""

    def fill(lab: Lab) -> Found:
        x, mask = problem(lab)
        result = dipjax.inpaint(
            lab.key,
            x * mask,
            mask,
            missing=missing,
            preset=lab.scale.preset,
            driver=lab.driver(x),
            **lab.fewer(steps),
        )
        restored = jnp.clip(result.image, 0, 1)
        numbers = {
            "PSNR": rules.whole(restored, x),
            "PSNR of what was missing": rules.missing(restored, x, mask),
        }
        return Found(numbers, {"known": x * mask, "restored": restored, "true": x})

    def totals(records: list[Record]) -> dict[str, Any]:
        return {"table": {record.name: record.numbers for record in records}}

    def rows(records: list[Record], summary: dict[str, Any]) -> Any:
        return figures.grid([list(record.views.items()) for record in records])

    return Experiment(about, lambda lab: {"picture": partial(fill, lab)}, totals, rows)


def _text(lab: Lab) -> tuple[Array, Array]:
    x = lab.pictures.colour("demo/inpainting/kate.png", "astronaut")
    mask = lab.pictures.mask("demo/inpainting/kate_mask.png", "text", x.shape[:2])
    return _smaller(lab, x, mask, 128)


def _hole(lab: Lab) -> tuple[Array, Array]:
    x = lab.pictures.colour("demo/inpainting/vase.png", "chelsea")
    mask = lab.pictures.mask("demo/inpainting/vase_mask.png", "hole", x.shape[:2])
    return _smaller(lab, x, mask, 96)


def _sparse(lab: Lab) -> tuple[Array, Array]:
    x = lab.shrink(lab.pictures.colour("demo/restoration/kate.png", "astronaut"), 128)
    return x, scattered(lab.key, x, 0.98)


def _smaller(lab: Lab, x: Array, mask: Array, side: int) -> tuple[Array, Array]:
    """A pixel is missing where more than a fifth of it is."""
    return lab.shrink(x, side), (lab.shrink(mask, side) > 0.8).astype(jnp.float32)


EXPERIMENTS = {
    "inpaint": tables.experiment(
        "Half of the pixels missing: the eleven grey pictures of Table 1",
        items,
        TABLES["inpaint"],
        pictures=2,
    ),
    "text": single("Text over a picture (Fig. 7)", _text, "text", 400),
    "hole": single("A large hole (Fig. 6)", _hole, "hole", 400),
    "missing98": single(
        "98 % of the pixels missing (Fig. 14 of the supplement)", _sparse, "sparse", 400
    ),
}
