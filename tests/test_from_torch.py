"""What is said of a state dict that is not the published network's."""

import numpy as np
import pytest

from dipjax.generators import params_from_torch


def test_a_missing_name_is_named():
    with pytest.raises(ValueError, match=r"no '1\.1\.0\.weight' in the state dict"):
        params_from_torch({"2.weight": np.ones(3)})


def state():
    """The smallest hourglass, of one scale without skip."""
    rng = np.random.default_rng(0)
    names = {}
    for at, shape in {
        "1.1.1": (2, 3, 3, 3),
        "1.4.1": (2, 2, 3, 3),
        "3.1": (2, 2, 3, 3),
        "6.1": (3, 2, 1, 1),
    }.items():
        names |= {f"{at}.weight": rng.random(shape), f"{at}.bias": rng.random(shape[0])}
    for at in ("1.2", "1.5", "2", "4"):
        names |= {f"{at}.weight": rng.random(2), f"{at}.bias": rng.random(2)}
    return names


def test_kernels_are_turned_and_running_statistics_left():
    given = state() | {"2.running_mean": np.zeros(2), "2.num_batches_tracked": np.array(1)}
    params = params_from_torch(given)["params"]
    assert set(params) == {"down_0", "deep_0", "join_0", "up_0", "head"}
    np.testing.assert_allclose(
        params["down_0"]["conv"]["kernel"], given["1.1.1.weight"].transpose(2, 3, 1, 0), rtol=1e-6
    )


def test_a_name_left_over_is_named():
    with pytest.raises(ValueError, match="no place for: extra"):
        params_from_torch(state() | {"extra": np.ones(1)})
