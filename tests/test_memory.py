"""The forecast against XLA's own account, what is free, and what follows from the two."""

import resource
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import dipjax
from dipjax import Hourglass, estimate_memory, fitting, memory
from dipjax.run import Settings, begin

GIB = 2**30
SMALL = Hourglass(widths=(8,), skips=2)


@pytest.fixture(autouse=True)
def no_compiler(monkeypatch):
    """The compiler's own memory is a constant: these are about the rest."""
    monkeypatch.setattr(memory, "COMPILER", 0)


# --- the forecast --------------------------------------------------------------------------


def allocated(key, generator, shape, objective=None, code=dipjax.codes.uniform):
    """Bytes that XLA plans for the chunk of a fit: its arguments and its temporary buffers."""
    z, _, key = dipjax.codes.drawn(key, code, shape)
    objective = objective or dipjax.data_term(dipjax.operators.Identity(), jnp.zeros(shape))
    settings = Settings.of(shape, generator, fitting.ADAM, 1 / 30, 0.99, dipjax.stopping.never())
    run = jax.eval_shape(
        partial(begin, settings=settings, shape=shape, steps=4, room=4),
        key,
        objective,
        z,
    )
    stats = (
        fitting._advance.program()
        .lower(key, run, objective, settings, 2)
        .compile()
        .memory_analysis()
    )
    return stats.argument_size_in_bytes + stats.temp_size_in_bytes


@pytest.mark.parametrize("shape", [(96, 160, 1)])
def test_forecast_is_near_what_xla_plans(key, shape):
    generator = Hourglass(widths=(16, 32), channels=shape[-1])  # the upper half of the preset fast
    ratio = estimate_memory(shape, generator) / allocated(key, generator, shape)
    assert 0.75 < ratio < 1.35


@pytest.mark.slow
def test_a_probe_takes_no_memory_of_its_own(key):
    """A risk asks the generator twice in a step, one after the other."""
    shape, generator = (96, 160, 3), Hourglass(widths=(16, 32))
    risk = dipjax.risk.Risk(jnp.zeros(shape), jnp.ones(shape))
    plain = allocated(key, generator, shape, code=risk.code)
    assert allocated(key, generator, shape, risk, risk.code) < 1.1 * plain
    ratio = estimate_memory(shape, generator, code=risk.code) / plain
    assert 0.75 < ratio < 1.35


def test_nothing_is_computed_for_a_forecast():
    assert estimate_memory((16384, 16384, 3), SMALL) > 2**37


def test_forecast_grows_with_members_and_area_and_shrinks_with_the_type():
    one = estimate_memory((64, 64, 3), SMALL)
    assert estimate_memory((64, 64, 3), SMALL, 5) == pytest.approx(5 * one, rel=1e-6)
    assert 3.5 * one < estimate_memory((128, 128, 3), SMALL) < 4 * one
    assert estimate_memory((64, 64, 3), SMALL, 1, jnp.bfloat16) < 0.75 * one


@pytest.mark.parametrize("members", [0, -1])
def test_no_members(members):
    with pytest.raises(ValueError, match=f"members must be at least 1, not {members}"):
        estimate_memory((8, 8, 3), members=members)


def test_code_and_optimiser_count():
    one = estimate_memory((64, 64, 3), SMALL)
    narrow = partial(dipjax.codes.uniform, channels=2)
    assert estimate_memory((64, 64, 3), SMALL, code=narrow) < one
    assert estimate_memory((64, 64, 3), SMALL, code=jnp.zeros((64, 64, 2))) < one
    sgd = optax.sgd(0.1)
    params = jax.eval_shape(SMALL.init, jax.random.key(0), jnp.zeros((64, 64, 32)))
    moments = one - estimate_memory((64, 64, 3), SMALL, optimizer=sgd)
    adam = 2 * memory._bytes(params) + 4  # and its count of steps
    assert moments == 3 * adam  # those of the last good point and of its trial too


def test_any_generator():
    class Pixels:
        """The image itself as the params: no residuals at all."""

        def init(self, key, z):
            return jnp.zeros((*z.shape[:2], 3))

        def apply(self, params, z):
            return params

    image = 4 * 16 * 16 * 3
    # params and two moments, now, at the last good point and its trial, gradient, the four images
    # of the trackers; a code of 32 channels
    assert 14 <= estimate_memory((16, 16, 3), Pixels()) / image - 32 / 3 < 14.1


@pytest.mark.parametrize("shape", [(4, 4), (0, 4, 3)])
def test_a_shape_of_no_image(shape):
    with pytest.raises(ValueError, match="shape must be"):
        estimate_memory(shape)


# --- rematerialisation ---------------------------------------------------------------------


def residuals(generator, params, z):
    return sum(
        leaf.size * leaf.dtype.itemsize
        for leaf in jax.tree.leaves(
            jax.eval_shape(
                lambda params: jax.vjp(lambda params: generator.apply(params, z), params)[1], params
            )
        )
    )


def test_remat_changes_memory_and_nothing_else(key):
    generator = Hourglass(widths=(4,), skips=2)
    saving = generator.clone(remat=True)
    z = jax.random.uniform(key, (12, 10, 4))
    params = jax.jit(generator.init)(key, z)
    jax.tree.map(np.testing.assert_array_equal, params, jax.jit(saving.init)(key, z))

    def energy(generator, params):
        return jnp.sum(generator.apply(params, z) ** 2)

    for function in (energy, jax.grad(energy, 1)):
        results = [jax.jit(partial(function, g))(params) for g in (generator, saving)]
        jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-6), *results)
    assert residuals(saving, params, z) < 0.75 * residuals(generator, params, z)


def test_xla_forgets_what_remat_forgets(key):
    """Its CPU backend would rather keep all: it finds equal what is computed twice."""
    shape, generator = (96, 96, 3), SMALL.clone(widths=(8,))
    plain, saving = (allocated(key, g, shape) for g in (generator, generator.clone(remat=True)))
    assert saving < 0.9 * plain


# --- what is free --------------------------------------------------------------------------


def write(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")


MEMINFO = {"proc/meminfo": "MemTotal: 16777216 kB\nMemAvailable:    8388608 kB"}
VERSION_2 = {
    "proc/self/cgroup": "0::/job/step",
    "sys/fs/cgroup/job/memory.max": 4 * GIB,
    "sys/fs/cgroup/job/memory.current": 2 * GIB,
    "sys/fs/cgroup/job/memory.stat": f"anon 5\ninactive_file {GIB}",
    "sys/fs/cgroup/job/step/memory.max": "max",
    "sys/fs/cgroup/job/step/memory.current": GIB,
}
VERSION_1 = {
    "proc/self/cgroup": "9:name=systemd:/\n4:memory:/job\n0::/",
    "sys/fs/cgroup/memory/memory.limit_in_bytes": 2**63 - 4096,
    "sys/fs/cgroup/memory/memory.usage_in_bytes": GIB,
    "sys/fs/cgroup/memory/job/memory.limit_in_bytes": 3 * GIB,
    "sys/fs/cgroup/memory/job/memory.usage_in_bytes": 2 * GIB,
    "sys/fs/cgroup/memory/job/memory.stat": f"total_inactive_file {GIB // 2}",
}
CONTAINER = {  # its own group is the root that it sees
    "proc/self/cgroup": "0::/../elsewhere",
    "sys/fs/cgroup/memory.max": GIB,
    "sys/fs/cgroup/memory.current": GIB // 4,
}


@pytest.mark.parametrize(
    "files, free",
    [
        (MEMINFO, 8 * GIB),
        (MEMINFO | VERSION_2, 3 * GIB),
        (MEMINFO | VERSION_1, 1.5 * GIB),
        (MEMINFO | CONTAINER, 0.75 * GIB),
    ],
    ids=["system", "cgroup 2", "cgroup 1", "container"],
)
def test_the_least_of_what_is_free(tmp_path, files, free):
    write(tmp_path, files)
    assert memory.free_memory(tmp_path) == free


def test_the_address_space_counts(tmp_path, monkeypatch):
    write(tmp_path, MEMINFO | {"proc/self/status": "Name: python\nVmSize:  2097152 kB"})
    limits = (5 * GIB, resource.RLIM_INFINITY)
    monkeypatch.setattr(resource, "getrlimit", lambda which: limits)
    assert memory.free_memory(tmp_path) == 3 * GIB
    limits = (GIB, GIB)  # more is taken than is allowed now
    assert memory.free_memory(tmp_path) == 0


def test_this_machine_has_memory():
    assert 2**20 < memory.free_memory() < 2**50


# --- the plan ------------------------------------------------------------------------------


def test_the_plan_is_what_it_takes():
    shape, margin = (1024, 1024, 3), memory.MARGIN
    whole = estimate_memory(shape, SMALL) / margin
    saving = estimate_memory(shape, SMALL.clone(remat=True)) / margin
    assert saving < whole
    plan = partial(memory.plan, shape, SMALL)
    assert plan(free=int(whole) + 1)[:2] == (SMALL, None)
    assert plan(free=int(whole) - 1)[:2] == (SMALL.clone(remat=True), None)
    generator, tile, text = plan(free=int(saving) - 1)
    assert (generator, tile) == (SMALL, (512, 512))
    assert "1024 x 1024 needs" in text and "fitted in 9 tiles of 512 x 512" in text
    small = plan(free=int(saving / 4))
    assert small.tile < (512, 512)
    with pytest.raises(MemoryError, match="too little even for tiles of 64 x 64"):
        plan(free=2**20)


def test_the_plan_speaks_of_the_image_and_cuts_the_measurement():
    plan = memory.plan((1000, 600, 3), SMALL, factor=4, sides=[100])
    assert plan.tile == (25, 25)
    assert "600 x 1000 needs" in plan.text and "tiles of 100 x 100" in plan.text


def test_a_tile_is_no_smaller_than_the_kernel():
    """By which a fit reaches beyond it: 1 less than its sides."""
    shape, small = (400, 300, 3), partial(memory.plan, generator=SMALL, margin=(149, 99))
    free = next(n for n in range(2**24, 2**34, 2**24) if fits(small, shape, free=n))
    assert min(small(shape, free=free).tile) >= 150
    with pytest.raises(MemoryError, match="tiles of 192 x 192"):
        small(shape, free=free - 2**24)


def fits(plan, shape, free):
    try:
        return plan(shape, free=free)
    except MemoryError:
        return False


def test_a_tile_has_a_pixel_at_least():
    assert memory.plan((64, 64, 3), SMALL, factor=32, sides=[16]).tile == (1, 1)


def test_what_is_in_bfloat16_is_not_said_to_be_put_into_it(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    names = lambda generator: [name for name, _ in memory._ways(generator)]  # noqa: E731
    assert names(SMALL) == ["", "bfloat16", "bfloat16 and rematerialisation"]
    assert names(SMALL.clone(dtype=jnp.bfloat16)) == ["", "rematerialisation"]


def test_members_need_more():
    shape = (256, 256, 3)
    free = int(2 * estimate_memory(shape, SMALL) / memory.MARGIN)
    assert memory.plan(shape, SMALL, free=free).tile is None
    assert memory.plan(shape, SMALL, members=8, free=free).tile


def test_what_a_fit_reaches_beyond_its_image_is_counted():
    shape, margin = (256, 192, 3), (60, 30)
    free = int(estimate_memory((316, 222, 3), SMALL) / memory.MARGIN) + 1
    assert memory.plan(shape, SMALL, margin=margin, free=free).generator == SMALL
    assert memory.plan(shape, SMALL, margin=(70, 30), free=free).generator != SMALL  # with remat


@pytest.mark.parametrize(
    "count, text", [(0, "0.0 GiB"), (1.26 * GIB, "1.3 GiB"), (41.2 * GIB, "41 GiB")]
)
def test_words_for_bytes(count, text):
    assert memory.gib(count) == text


def test_a_tile_has_a_part_of_the_code(monkeypatch):
    """The code may be the picture, as of a fit by risk."""
    monkeypatch.setattr(memory, "COMPILER", 0)
    shape, small = (256, 192, 3), Hourglass(widths=(8,), skips=2)
    whole = estimate_memory(shape, small, code=jnp.ones(shape))
    cut = memory.plan(shape, small, free=whole // 2, code=jnp.ones(shape))
    assert cut.tile is not None
