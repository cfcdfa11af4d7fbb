"""Inverts the layers of AlexNet and maximises classes of SqueezeNet, and measures both.

    python scripts/invert.py monkey conv4        one layer, and total variation beside it
    python scripts/invert.py                     both pictures of the paper, conv1 ... conv5
    python scripts/invert.py --classes "black swan"
    python scripts/invert.py --table             the records so far, and the figures

The pictures and weights lie in ../shared/data (see its README) and are no part of the project. A
piece whose record is in scripts/results/ is not computed again. The feature error in a record is
the energy, |Phi(x) - Phi_0|^2 / |Phi_0|^2, of the picture clipped to [0, 1]; the table has its
root, the ratio of the norms, beside it. SqueezeNet, which had no part in the inversion, says what
it sees in the picture.
"""

import json
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro

import dipjax
from dipjax import features, figures, images, metrics, report
from dipjax.drivers.watch import Watch
from dipjax.features import FeatureError
from dipjax.tasks import asked

HERE = Path(__file__).resolve().parent
DATA = HERE.parents[1] / "shared" / "data"
RESULTS = HERE / "results"
PICTURES = ("building", "monkey")
LAYERS = ("conv1", "conv2", "conv3", "conv4", "conv5")
SIZE = 128
CLASS_SIZE = 160
PRESETS = ("fast", "tv")
TV_WEIGHTS = (1e-5, 1e-4, 1e-3)  # of which the best for the picture: more than it could know

Array = jax.Array


def alexnet() -> features.Network:
    return features.alexnet(DATA / "weights" / "alexnet_torchvision_conv.npz")


def squeezenet() -> features.Network:
    return features.squeezenet(DATA / "weights" / "squeezenet_v1_0_caffe_deepcompressed_full.npz")


def picture(name: str) -> Array:
    x = images.load(DATA / "demo" / "feature_inversion" / f"{name}.jpg")
    return features.centred(jnp.asarray(x), SIZE)


def said(judge: features.Network, image: Array, top: int = 3) -> dict[str, float]:
    return {name: round(p, 4) for name, p in judge.classify(image, top=top)}


def invert(name: str, layer: str, preset: str, seed: int) -> dict[str, Any]:
    """One picture from one layer: its record. Total variation gets its best weight of three."""
    if preset != "tv":
        image, record = _invert(name, layer, preset, seed)
    else:
        runs = [_invert(name, layer, preset, seed, weight) for weight in TV_WEIGHTS]
        image, record = max(runs, key=lambda run: run[1]["psnr"])
        record["all_psnr"] = {run["tv_weight"]: run["psnr"] for _, run in runs}
    images.save(path(name, layer, preset).with_suffix(".png"), image)
    return record


def _invert(name: str, layer: str, preset: str, seed: int, tv_weight: float | None = None):
    """The picture found, and what there is to say of it."""
    phi, judge, x, watch = alexnet(), squeezenet(), picture(name), Watch()
    tv = tv_weight and tv_weight * dipjax.TotalVariation(beta=2.0)
    invert = partial(dipjax.invert_features, jax.random.key(seed), x, phi, layer)
    same = asked(partial(invert, preset=PRESETS[0]))["steps"]
    result = invert(
        preset=preset, driver=watch, **({"regularizer": tv, "steps": same} if tv else {})
    )
    image = jnp.clip(result.image, 0, 1)
    energy = FeatureError(phi.upto(layer), {layer: phi(layer)(x)}, {layer: 1.0})
    return image, {
        "picture": name,
        "network": phi.name,
        "layer": layer,
        "size": SIZE,
        "tv_weight": tv_weight,
        "feature_error": round(float(energy(image)), 6),
        "psnr": round(float(metrics.psnr(image, x)), 2),
        "input_classes": said(judge, x),
        "classes": said(judge, image),
        **_run(watch, preset, seed),
    }


def activate(name: str, preset: str, seed: int) -> dict[str, Any]:
    """One class of SqueezeNet, maximised: its record."""
    judge, watch = squeezenet(), Watch()
    result = dipjax.maximize_activation(
        jax.random.key(seed),
        judge,
        None,
        name,
        shape=(CLASS_SIZE, CLASS_SIZE),
        preset=preset,
        driver=watch,
    )
    image = jnp.clip(result.image, 0, 1)
    images.save(path("class", name.replace(" ", "_"), preset).with_suffix(".png"), image)
    classes = said(judge, image)
    return {"class": name, "network": judge.name, "classes": classes, **_run(watch, preset, seed)}


def _run(watch: Watch, preset: str, seed: int) -> dict[str, Any]:
    return {
        "preset": preset,
        "seed": seed,
        "steps": watch.steps,
        "seconds": watch.seconds,
        "settings": report.describe(watch.settings),
        **report.environment(),
    }


def path(*names: str) -> Path:
    return RESULTS / f"invert-{'-'.join(names)}.json"


def records(name: str, preset: str) -> dict[str, dict[str, Any]]:
    """Layer -> record, of the layers that have one."""
    files = {layer: path(name, layer, preset) for layer in LAYERS}
    return {layer: json.loads(f.read_text()) for layer, f in files.items() if f.exists()}


def summary() -> str:
    """The records as Markdown, and a figure of each picture with all layers in a row."""
    lines = [
        "| picture | layer | feature error (squared) | PSNR | SqueezeNet | steps | seconds "
        "| TV: feature error (squared) | TV: PSNR | TV: SqueezeNet |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name in PICTURES:
        ours, tv = (records(name, preset) for preset in PRESETS)
        for r, t in ((ours[layer], tv[layer]) for layer in ours if layer in tv):
            ours_said, tv_said = ("{} {:.2f}".format(*_first(record)) for record in (r, t))
            lines.append(
                f"| {name} | {r['layer']} | {_errors(r)} | {r['psnr']:.2f} "
                f"| {ours_said} | {r['steps']} | {r['seconds']['run']:.0f} "
                f"| {_errors(t)} | {t['psnr']:.2f} | {tv_said} |"
            )
        if ours:
            figures.save(
                RESULTS / f"invert-{name}-row.png", figures.grid([_row(name, p) for p in PRESETS])
            )
    for file in sorted(RESULTS.glob("invert-class-*.json")):
        r = json.loads(file.read_text())
        lines.append(f"{r['class']}: {r['classes']}, {r['steps']} steps, {r['seconds']['run']} s")
    return "\n".join(lines)


def _errors(record: dict[str, Any]) -> str:
    """`|Phi(x) - Phi_0| / |Phi_0|`, and its square."""
    return f"{record['feature_error'] ** 0.5:.1%} ({record['feature_error']:.2%})"


def _first(record: dict[str, Any]) -> tuple[str, float]:
    return next(iter(record["classes"].items()))


def _row(name: str, preset: str) -> list[tuple[str, Array]]:
    row = [("input", picture(name))]
    for r in records(name, preset).values():
        file = path(name, r["layer"], preset).with_suffix(".png")
        if not file.exists():  # the pictures are not all committed
            continue
        image = images.load(file)
        title = f"{preset}: {r['layer']}, {r['feature_error'] ** 0.5:.1%}, {r['psnr']:.1f} dB"
        row.append((title, jnp.asarray(np.asarray(image))))
    return row


def main(
    picture: Annotated[str | None, tyro.conf.Positional] = None,
    layer: Annotated[str | None, tyro.conf.Positional] = None,
    classes: tuple[str, ...] = (),
    table: bool = False,
    seed: int = 0,
    again: bool = False,
) -> None:
    """Invert the layers of AlexNet and maximise classes of SqueezeNet.

    Args:
        picture: "building" or "monkey"; both if not given.
        layer: conv1 ... conv5; all if not given.
        classes: maximise these classes instead.
        table: compute nothing, print the records so far and draw the figures.
        seed: of all randomness.
        again: compute what has a record already.
    """
    if not DATA.is_dir():
        raise SystemExit(f"{DATA} is not there: nothing to invert")
    pieces = [
        (path(name, of, preset), lambda n=name, o=of, p=preset: invert(n, o, p, seed))
        for name in ((picture,) if picture else PICTURES)
        for of in ((layer,) if layer else LAYERS)
        for preset in PRESETS
    ]
    if classes:
        pieces = [
            (path("class", c.replace(" ", "_"), "fast"), lambda c=c: activate(c, "fast", seed))
            for c in classes
        ]
    for file, piece in () if table else pieces:
        if again or not file.exists():
            record = piece()
            report.write_json(file, record)
            shown = ("picture", "layer", "class", "preset", "feature_error", "psnr", "classes")
            print({k: record[k] for k in shown if k in record}, record["seconds"], flush=True)
    if table:
        print(summary())


if __name__ == "__main__":
    tyro.cli(main)
