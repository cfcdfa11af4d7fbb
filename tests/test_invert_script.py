"""The table of scripts/invert.py sets what belongs together side by side."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "invert.py"


@pytest.fixture
def invert(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("invert_script", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    monkeypatch.setattr(script, "RESULTS", tmp_path)
    monkeypatch.setattr(script, "_row", lambda name, preset: [(name, np.zeros((2, 2, 3)))])
    return script


def test_layers_without_a_baseline_are_left_out(invert):
    for layer, preset, psnr in (("conv1", "fast", 11), ("conv4", "fast", 14), ("conv4", "tv", 4)):
        record = {"layer": layer, "feature_error": 0.01, "psnr": psnr, "classes": {"cat": 1.0}}
        record |= {"steps": 3, "seconds": {"run": 5.0}}
        invert.path("monkey", layer, preset).write_text(json.dumps(record))
    (row,) = [line for line in invert.summary().splitlines() if "monkey" in line]
    assert "conv4" in row and "14.00" in row and "4.00" in row and "11.00" not in row
    assert row.count("| 10.0% (1.00%) |") == 2  # the ratio of norms, and the energy
