"""Every notebook runs, and its two files say the same."""

import runpy
from pathlib import Path

import pytest

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
NAMES = sorted(path.stem for path in NOTEBOOKS.glob("*.py"))


def test_there_are_some():
    assert {"start_here", "ensembles", "denoise"} <= set(NAMES)
    assert sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_pair_is_in_sync(name):
    """If not: `jupytext --sync notebooks/*.py`."""
    jupytext = pytest.importorskip("jupytext")
    script, notebook = (jupytext.read(NOTEBOOKS / f"{name}.{kind}") for kind in ("py", "ipynb"))
    assert [(c.cell_type, c.source) for c in script.cells] == [
        (c.cell_type, c.source) for c in notebook.cells
    ]
    assert not any(cell.get("outputs") for cell in notebook.cells)
    badge, install = script.cells[:2]
    assert f"/notebooks/{name}.ipynb" in badge.source and install.source.startswith("!pip install")
    assert notebook.metadata.accelerator == "GPU"


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive")
def test_it_runs(name, tmp_path, monkeypatch, capsys):
    """As a script, with little of everything; what it would show it says."""
    pytest.importorskip("skimage")
    monkeypatch.setenv("DIPJAX_TINY", "1")
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(NOTEBOOKS / f"{name}.py"), run_name="__main__")
    assert "step 4 of 4" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())
