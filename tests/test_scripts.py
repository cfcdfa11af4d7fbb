"""Every script finds what it imports and names; what it does has tests of its own."""

import runpy
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / "scripts"
sys.path.append(str(SCRIPTS))


@pytest.mark.parametrize("name", sorted(path.name for path in SCRIPTS.glob("*.py")))
def test_it_is_there_with_all_that_it_names(name):
    try:
        runpy.run_path(str(SCRIPTS / name), run_name="imported")
    except ModuleNotFoundError as error:
        if error.name not in ("bm3d", "torch"):
            raise
        pytest.skip(f"{error.name} is not installed")
