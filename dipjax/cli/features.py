"""The command line of features: `dipjax invert` and `dipjax activate`."""

import difflib
import math
from pathlib import Path
from typing import Annotated, Any

import jax
import jax.numpy as jnp
from tyro.conf import OmitArgPrefixes, Positional, arg

from dipjax import features, figures, images, report
from dipjax.cli import networks
from dipjax.cli.options import Flag, OptionalFloat, OptionalInt, OptionalPath, Output, optional
from dipjax.drivers.watch import Watch, total
from dipjax.features import FeatureError, Network, inversion
from dipjax.images import Picture

Array = jax.Array


def invert(
    input: Positional[Path],
    output: Output,
    layer: Annotated[tuple[str, ...], arg(metavar="NAME [NAME ...]")],
    common: OmitArgPrefixes[networks.ToInvert],
    together: Flag = False,
    gram: Flag = False,
    figure: OptionalPath = None,
):
    """Find a picture with the same activations as the input, in a layer of a network.

    Several layers are inverted one by one, and drawn beside the input in a figure.

    Args:
        input: the picture; its centre is taken, resized to --size.
        output: where to save the result: a picture, or with several layers a figure of all.
        layer: the names of one or more layers, such as conv4.
        together: find one picture for all layers instead of one for each.
        gram: match Gram matrices instead of activations: the texture only.
        figure: draw the input and the result side by side into this file.
    """
    if not layer:
        raise ValueError("--layer: name at least one, such as conv4")
    picture = images.load_picture(input)
    row = len(layer) > 1 and not together
    if row and figure:
        raise ValueError("--figure: with several layers the output is a figure already")
    networks.check_files(output, figure, common, input, row=row)
    networks.check_options(common)
    phi = networks.network(common)
    groups = [layer] if together else [(name,) for name in dict.fromkeys(layer)]
    x = features.centred(_rgb(picture), networks.size(common, phi))
    jax.eval_shape(lambda x: phi.activations(x, layer), x)  # raises before any fit
    statistics, results, records = "gram" if gram else "activations", {}, []
    watch = Watch(quiet=common.quiet)
    for group in groups:
        result = inversion.invert_features(
            jax.random.key(common.seed),
            x,
            phi,
            group,
            statistics=statistics,
            preset=common.preset,
            driver=watch,
            **networks.steps(common),
        )
        results[" + ".join(group)] = jnp.clip(result.image, 0, 1)
        error = _errors(phi, group, x, result.image)
        records.append({"layers": list(group), "feature_error": error, **_record(watch)})
        if not common.quiet:
            print(", ".join(f"{n}: error {e**0.5:.1%} (squared {e:.2%})" for n, e in error.items()))
        if watch.ended:
            break
    views = [("input", x), *results.items()]
    if row:
        figures.save(output, figures.grid([views]))
    else:
        images.save(output, next(iter(results.values())), overwrite=common.force)
    if figure:
        figures.save(figure, figures.grid([views]))
    _finish("invert", str(input), output, phi, common, records)
    watch.conclude()


def activate(
    output: Output,
    common: OmitArgPrefixes[networks.ToActivate],
    class_: Annotated[str | None, optional("NAME", name="class")] = None,
    layer: Annotated[str | None, optional("NAME")] = None,
    unit: OptionalInt = None,
    window: OptionalInt = None,
    target: OptionalFloat = None,
):
    """Make a picture that a class or a unit of a network likes best.

    Args:
        output: where to save the picture; the suffix chooses the format.
        class_: the name or number of a class of ImageNet, such as "black swan".
        layer: in place of a class, the name of a layer.
        unit: and the number of its channel, from 0.
        window: only so many entries around the centre of the channel's map count.
        target: the activation to reach; as much as possible if not given.
    """
    if (class_ is None) == (layer is None and unit is None):
        raise ValueError('give either --class "black swan", or --layer conv4 --unit 7')
    if class_ is None and (layer is None or unit is None):
        raise ValueError("--layer and --unit belong together, such as --layer conv4 --unit 7")
    if target is not None and not math.isfinite(target):
        raise ValueError(f"--target {target}: must be a number")
    networks.check_files(output, None, common)
    networks.check_options(common)
    if class_ is not None:
        _check_class(class_)
    phi = networks.network(common)
    size, watch = networks.size(common, phi), Watch(quiet=common.quiet)
    result = inversion.maximize_activation(
        jax.random.key(common.seed),
        phi,
        layer,
        unit if class_ is None else class_,  # pyright: ignore[reportArgumentType]
        shape=(size, size),
        window=window,
        target=target,
        preset=common.preset,
        driver=watch,
        **networks.steps(common),
    )
    image = jnp.clip(result.image, 0, 1)
    images.save(output, image, overwrite=common.force)
    record = {"class": class_, "layer": layer, "unit": unit, **_record(watch)}
    if class_ is not None:
        record["classes"] = phi.classify(image)
        if not common.quiet:
            print(", ".join(f"{name} {p:.1%}" for name, p in record["classes"]))
    _finish("activate", None, output, phi, common, [record])
    watch.conclude()


def _check_class(name: str) -> None:
    """Raise ValueError for what is no class, with the names that are nearest to it."""
    try:
        features.class_index(name)
    except ValueError as error:
        near = difflib.get_close_matches(name.lower(), features.classes(), 3, 0)
        names = f"the nearest in spelling are {', '.join(map(repr, near))}"
        message = str(error).replace("see features.classes()", names)
        raise ValueError(f"--class: {message}") from error


def _rgb(picture: Picture) -> Array:
    """Colour of any picture as three channels; transparency says nothing to a network."""
    return jnp.asarray(jnp.broadcast_to(picture.colour, (*picture.colour.shape[:2], 3)))


# --- what is said of a run -----------------------------------------------------------------


def _errors(phi: Network, layers: tuple[str, ...], x: Array, result: Array) -> dict[str, float]:
    """`|Phi(x) - Phi_0|^2 / |Phi_0|^2` of the result, by layer."""
    layers = tuple(phi.resolve(name) for name in layers)
    last = max(layers, key=phi.layers.index)
    targets = phi.activations(x, layers)
    energy = FeatureError(phi.upto(last), targets, dict.fromkeys(layers, 1.0))
    return {name: float(e) for name, e in energy.errors(result).items()}


def _record(watch: Watch) -> dict[str, Any]:
    return {
        "settings": report.describe(watch.settings),
        "steps": watch.steps,
        "seconds": watch.seconds,
        "interrupted": watch.interrupted,
    }


def _finish(
    task: str, input: str | None, output: Path, phi: Network, options: networks.Options, records
):
    record = {
        "task": task,
        "input": input,
        "output": str(output),
        "network": phi.name,
        "preset": options.preset,
        "seed": options.seed,
        "fits": records,
        **report.environment(),
    }
    if options.json:
        report.write_json(options.json, record)
    if not options.quiet:
        seconds = total(records)["seconds"]
        print(f"{output}: {len(records)} fits in {sum(seconds.values()):.0f} s")
