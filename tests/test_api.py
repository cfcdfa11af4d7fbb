"""What every public function promises: `key` first, data second, options by keyword, docs."""

import inspect

import pytest

import dipjax

MODULES = (
    dipjax,
    dipjax.baselines,
    dipjax.blind,
    dipjax.checkpoints,
    dipjax.clipping,
    dipjax.codes,
    dipjax.drivers,
    dipjax.ensembles,
    dipjax.features,
    dipjax.generators,
    dipjax.guard,
    dipjax.images,
    dipjax.kernels,
    dipjax.light,
    dipjax.memory,
    dipjax.metrics,
    dipjax.noise,
    dipjax.objectives,
    dipjax.operators,
    dipjax.optimizers,
    dipjax.polish,
    dipjax.presets,
    dipjax.probes,
    dipjax.risk,
    dipjax.spectrum,
    dipjax.stopping,
    dipjax.tasks,
    dipjax.tiles,
    dipjax.weights,
)
PUBLIC = {
    f"{module.__name__}.{name}": thing
    for module in MODULES
    for name, thing in vars(module).items()
    if not name.startswith("_")
    and (inspect.isfunction(thing) or inspect.isclass(thing))
    and getattr(thing, "__module__", "").startswith("dipjax")
}
FUNCTIONS = {name: thing for name, thing in PUBLIC.items() if inspect.isfunction(thing)}


@pytest.mark.parametrize("thing", PUBLIC.values(), ids=PUBLIC)
def test_has_a_docstring(thing):
    assert thing.__doc__ and not thing.__doc__.startswith(f"{thing.__name__}(")


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_key_comes_first(function):
    names = list(inspect.signature(function).parameters)
    if "key" in names and function is not dipjax.operators.check_adjoint:  # its key is an option
        before = names[0] in ("fn", "task")  # only what is done to the data goes before
        assert names[before] == "key"


@pytest.mark.parametrize(
    "task",
    [
        dipjax.deblur,
        dipjax.denoise,
        dipjax.inpaint,
        dipjax.reconstruct,
        dipjax.super_resolve,
        dipjax.remove_jpeg_artifacts,
        dipjax.flash_no_flash,
        dipjax.enhance,
        dipjax.noise_impedance,
        dipjax.sample,
        dipjax.invert_features,
        dipjax.maximize_activation,
        dipjax.fit,
    ],
)
def test_options_are_keywords(task):
    for parameter in inspect.signature(task).parameters.values():
        has_default = parameter.default is not parameter.empty
        assert has_default == (parameter.kind is parameter.KEYWORD_ONLY) or (
            parameter.kind is parameter.VAR_KEYWORD
        )


def test_the_names_of_the_contract():
    for name in [
        "denoise",
        "inpaint",
        "super_resolve",
        "deblur",
        "reconstruct",
        "remove_jpeg_artifacts",
        "flash_no_flash",
        "enhance",
        "noise_impedance",
        "sample",
        "fit",
        "fitter",
        "iterate",
        "ensemble",
        "spread",
        "Ensemble",
        "Restoration",
        "data_term",
        "TotalVariation",
        "Hourglass",
        "operators",
        "images",
        "metrics",
        "codes",
        "stopping",
        "generators",
    ]:
        assert hasattr(dipjax, name)
    assert {"image", "last", "average", "best", "std", "loss", "stopped_at"} <= set(
        dipjax.Restoration._fields
    )
    assert dipjax.Ensemble._fields == ("mean", "std", "members", "fits")
    assert dipjax.Progress._fields == ("step", "loss", "image", "average", "state")
