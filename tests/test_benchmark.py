"""The pure parts of the benchmark: what is recorded of a race, work counted, seconds read off."""

import json
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "scripts"))

import benchmark
import crops
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import quality
import race
import roofline
import tables
import trajectories

from dipjax.generators import Hourglass, params_from_torch


def contestant(name, *seconds, base=None):
    """Its turns take so long, the last one for ever."""
    times = list(seconds)

    def turn(steps=2):
        return times.pop(0) if len(times) > 1 else times[0]

    return race.Contestant(name, lambda: turn, base)


def test_a_race_takes_the_median_of_the_turns_that_count():
    result = race.race([contestant("a", 9, 9, 1, 2, 6, 4, 5, 3, 7)], pause=0)["a"]
    assert result["all"] == [1, 2, 6, 4, 5, 3, 7] and result["seconds"] == 4


def test_turns_are_interleaved():
    order = []
    runners = [
        race.Contestant(name, lambda name=name: lambda steps=1: order.append(name) or 1.0)
        for name in "ab"
    ]
    race.race(runners, repeats=3, pause=0)
    assert order == [*"aabb", *"ababab"]


def test_what_fails_is_recorded_and_the_others_go_on():
    def no_torch():
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    def breaks_later():
        turns = [1.0, 1.0, 1.0]

        def turn(steps=1):
            if not turns:
                raise MemoryError
            return turns.pop()

        return turn

    results = race.race(
        [
            race.Contestant("absent", no_torch),
            race.Contestant("large", breaks_later),
            contestant("good", 2),
        ],
        pause=0,
    )
    assert results["absent"]["failed"] == "PyTorch is not installed"
    assert results["large"]["failed"] == "out of memory"
    assert "seconds" not in results["large"] and results["good"]["seconds"] == 2


def test_far_slower_than_its_base_is_skipped_with_the_factor():
    runners = [contestant("float32", 1), contestant("bf16", 12, base="float32")]
    results = race.race(runners, pause=0)
    assert results["bf16"]["skipped"] == "12 x slower than float32"
    assert "seconds" in results["float32"] and "seconds" not in results["bf16"]


def test_how_a_process_ended():
    assert race.answer('noise\n{"result": 1}\n', 0) == {"result": 1}
    assert "out of memory" in race.answer("", -9)["result"]["failed"]
    assert "ended with 3" in race.answer("no json", 3)["result"]["failed"]


def test_work_of_a_small_hourglass_by_hand():
    generator = Hourglass(widths=(5,), skips=2)
    works = {
        "down": (2 * 2 * 4 * 3 * 9 * 7 * 5, 2 * 8 * 6 * 7 + 2 * 4 * 3 * 5),
        "deep": (3 * 2 * 4 * 3 * 9 * 5 * 5, 3 * 4 * 3 * 5 + 2 * 4 * 3 * 5),
        "skip": (2 * 2 * 8 * 6 * 7 * 2, 2 * 8 * 6 * 7 + 2 * 8 * 6 * 2),
        "up": (3 * 2 * 8 * 6 * 9 * 7 * 5, 3 * 8 * 6 * 7 + 2 * 8 * 6 * 5),
        "mix": (3 * 2 * 8 * 6 * 5 * 5, 3 * 8 * 6 * 5 + 2 * 8 * 6 * 5),
        "head": (3 * 2 * 8 * 6 * 5 * 3, 3 * 8 * 6 * 5 + 2 * 8 * 6 * 3),
    }
    assert sorted(roofline.convolutions(generator, (8, 6, 3), 7)) == sorted(works.values())


def test_the_floor_takes_the_slower_of_arithmetic_and_copying():
    assert roofline.floor([(100, 1), (10, 50)], 10.0, 20.0, 4) == 100 / 10 + 4 * 50 / 20


def test_seconds_until_both_are_as_good():
    steps = [25, 50, 75]
    peers = [{"steps": steps, "average": [1.0, 5.0, 3.0], "iterate": [1.0, 2.0, 3.0]}] * 2
    own = [
        {"steps": steps[:2], "average": [2.0, 2.0], "iterate": [0.0, 0.0]},
        {"steps": steps[:2], "average": [2.0, 6.0], "iterate": [0.0, 0.0]},
    ]
    c = trajectories.comparison(peers, own, "average", {"dipjax": 0.1, "peer": 1.0})
    assert c["target"] == 3 and c["published"] == 75
    assert c["steps"] == {"peer": 50, "dipjax": 50} and c["speedup"] == pytest.approx(10)
    c = trajectories.comparison(peers, own, "average", {"dipjax": 0.1, "peer": 1.0, "finish": 5})
    assert c["seconds"] == {"peer": 50, "dipjax": 10} and c["speedup"] == 5
    own[1]["average"] = [2.0, 2.0]
    c = trajectories.comparison(peers, own, "iterate", {"dipjax": 0.1, "peer": 1.0})
    assert c["steps"] == {"peer": 75, "dipjax": None} and c["speedup"] is None and c["end"] == 2


def test_records_are_written_whole_and_found_again(tmp_path):
    path = tmp_path / "benchmark-x.json"
    record = {"pieces": {"peak": {"result": {"best": {}, "all": [1.23456789, 2.0]}}}}
    benchmark.save(path, record)
    assert json.loads(path.read_text())["pieces"]["peak"]["result"]["all"] == [1.2346, 2.0]
    assert [p.name for p in tmp_path.iterdir()] == ["benchmark-x.json"]
    done = benchmark.load(path)["pieces"]
    assert not benchmark.is_open("peak", done, again=False, failed=True)
    assert benchmark.is_open("peak", done, again=True, failed=False)
    assert benchmark.is_open("step fast 128", done, again=False, failed=False)
    done["peak"]["result"] = {"forms": {"a": {"failed": "out of memory"}}}
    assert benchmark.is_open("peak", done, again=False, failed=True)


def test_machines_of_one_name_and_other_arithmetic_have_other_records():
    cpu = {"backend": "cpu", "device": "AMD EPYC", "arithmetic": "avx2", "cores": 2}
    assert benchmark.file_name(cpu) == "benchmark-cpu-amd-epyc-avx2-2-cores.json"
    gpu = {"backend": "gpu", "device": "NVIDIA H100 80GB HBM3"}
    assert benchmark.file_name(gpu) == "benchmark-nvidia-h100-80gb-hbm3.json"


def test_no_piece_is_listed_twice():
    for backend in ("cpu", "gpu"):
        names = benchmark.pieces(backend, 128)
        assert len(set(names)) == len(names) and names[0] == "peak"


def test_the_table_of_steps(tmp_path):
    forms = {
        "dipjax float32": {"seconds": 0.1},
        "dipjax bf16": {"failed": "out of memory"},
        "torch NCHW float32": {"seconds": 0.2},
        "torch NHWC float32": {"seconds": 0.15},
        "torch NHWC bf16": {"skipped": "9 x slower than torch NHWC float32"},
    }
    step = {"flops": 50, "convolutions": [[50, 10]], "forms": forms}
    piece = {"date": "2026-01-02T03:04:05+00:00", "versions": dict(jax="1", torch="2", dipjax="3")}
    record = {
        "machine": {"device": "a CPU", "cores": 2, "arithmetic": "avx2"},
        "pieces": {
            "peak": piece | {"result": {"best": {"float32": 1e3, "bf16": 1e3, "copy": 1e3}}},
            "step fast 128": piece | {"result": step},
        },
    }
    benchmark.save(tmp_path / "benchmark-cpu.json", record)
    text = tables.markdown(tmp_path)
    row = next(line for line in text.splitlines() if line.startswith("| fast 128"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[:3] == ["fast 128", "100", "out of memory"]
    assert cells[-4:] == ["1.50", "1.50", "50%", "50%"]
    assert "9 x slower" in row and "a CPU" in text


def test_the_table_of_the_published_settings():
    def piece(average, iterate):
        return {"result": {"steps": [25, 50], "average": average, "iterate": iterate}}

    pieces = {
        "trajectory torch denoise F16 64": piece([20, 26], [20, 25]),
        "trajectory paper denoise F16 64": piece([20, 27], [20, 25.5]),
        "trajectory torch denoise house 64": piece([20, 28], [20, 27]),
        "trajectory paper denoise house 64": piece([20, 27.5], [20, 27]),
        "trajectory torch denoise kodim01 64": piece([20, 28], [20, 27]),
    }
    rows = tables.published({"pieces": pieces}, 64).splitlines()[2:]
    assert rows == [
        "| denoise, 2 crops of 64 x 64 | average | 27.00 | 27.25 | 0.25 | 1.00 |",
        "| denoise, 2 crops of 64 x 64 | iterate | 26.00 | 26.25 | 0.25 | 0.50 |",
    ]


def test_the_peer_is_the_same_network_and_its_work_is_what_was_counted():
    torch = pytest.importorskip("torch", reason="PyTorch is the peer, and no dependency")
    import peer
    from torch.utils.flop_counter import FlopCounterMode

    generator = Hourglass(channels=2, widths=(6, 8), up_widths=(4, 5), skips=(3, 0), kernels_up=5)
    z = np.random.default_rng(0).random((16, 24, 7), np.float32)
    fit = peer.Fit(lambda: peer.like(generator, 7), z[..., :2], channels=7)
    state = {name: p.detach().cpu().numpy() for name, p in fit.apply.state_dict().items()}
    x = fit.apply(peer.tensor(z))
    ours = jax.jit(generator.apply)(params_from_torch(state), jnp.asarray(z))
    np.testing.assert_allclose(ours, peer.picture(x.detach()), atol=1e-4)

    with FlopCounterMode(display=False) as counter:
        fit.step()
    works = roofline.convolutions(generator, (16, 24, 2), 7)
    assert counter.get_total_flops() == roofline.flops(works)
    first = fit.average.clone()
    assert torch.equal(first, fit.image)
    fit.step()
    expected = 0.99 * first + 0.01 * fit.image
    torch.testing.assert_close(fit.average, expected)


def test_a_network_that_the_peer_does_not_have_is_refused():
    pytest.importorskip("torch", reason="PyTorch is the peer, and no dependency")
    import peer

    with pytest.raises(NotImplementedError, match="downsample='average'"):
        peer.like(Hourglass(downsample="average"), 32)


def test_the_published_count_of_params():
    pytest.importorskip("torch", reason="PyTorch is the peer, and no dependency")
    import peer

    assert sum(p.numel() for p in peer.hourglass(32).parameters()) == 2_217_831


def test_a_problem_of_each_task(data):
    del data
    for task, names in crops.CROPS.items():
        for name in names:
            p = quality.problem(task, name, 64)
            assert p.truth.shape[:2] == (64, 64)
            factor = 4 if task == "super_resolve" else 1
            assert p.y.shape == (64 // factor, 64 // factor, p.truth.shape[2])
