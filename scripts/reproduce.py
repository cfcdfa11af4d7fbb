"""Reproduces the experiments of the paper: each a figure, and numbers beside the published ones.

    python scripts/reproduce.py list
    python scripts/reproduce.py impedance hole       with the fast preset, minutes on a CPU
    python scripts/reproduce.py all --scale tiny     everything, small
    python scripts/reproduce.py all --scale paper    the published settings, for a GPU
    python scripts/reproduce.py denoise --scale best the preset of the highest quality, likewise
    python scripts/reproduce.py table denoise        what was measured so far

It needs `pip install "dipjax[demo]"`. The paper's pictures lie in ../shared/data and are no part
of the project; where they are not there, public-domain ones stand in. Results are written to
scripts/results/SCALE/: NAME.png, NAME.json, and one record for each picture under NAME/. A record
that is there is not computed again, so that an interrupted run goes on with the next picture.
"""

import time
from pathlib import Path
from typing import Annotated, Literal

import tyro
from experiments import EXPERIMENTS, lab, tables
from experiments.lab import SCALES, Lab
from experiments.pictures import DATA, Pictures

from dipjax import cache

RESULTS = Path(__file__).resolve().parent / "results"
COMMANDS = ("list", "table")


def main(
    names: Annotated[tuple[str, ...], tyro.conf.Positional],
    scale: Literal["tiny", "cpu", "fast", "paper", "best"] = "cpu",
    data: Path | None = DATA,
    output: Path = RESULTS,
    seed: int = 0,
    only: str = "",
    again: bool = False,
    quiet: bool = False,
    resume: Path | None = None,
) -> None:
    """Reproduce experiments of the paper.

    Args:
        names: of the experiments, or "all"; "list" shows them, "table" what was measured.
        scale: tiny (a minute on two cores, or less), cpu (the fast preset, on crops), fast (on
            whole pictures), paper (the published settings, for a GPU), best (the preset `best` on
            whole pictures, likewise).
        data: the folder with the paper's pictures; a folder that is not there for free ones.
        output: the folder of the results.
        seed: of all randomness.
        only: of the parts of an experiment, compute those whose names hold this.
        again: compute what has a record, too.
        quiet: no progress bars.
        resume: a folder of checkpoints, for fits that take longer than a session: the same command
            goes on in the middle of one, in seconds that are those of its last piece. Delete it
            when you are done.
    """
    if again and resume:
        raise SystemExit("--again makes all anew, --resume goes on: choose one of them")
    command = names[0] if names[0] in COMMANDS else "run"
    chosen = _chosen(names[command != "run" :])
    here = Lab(SCALES[scale], Pictures(data), output, seed, only, again, quiet, resume)
    if command == "list":
        print("\n".join(f"{name:14} {EXPERIMENTS[name].about}" for name in chosen))
    elif command == "table":
        for name in chosen:
            show(name, here)
    else:
        cache.enable()
        run(chosen, here)


def _chosen(names: tuple[str, ...]) -> list[str]:
    """The experiments of these names; all, where there are none."""
    if unknown := set(names) - set(EXPERIMENTS) - {"all"}:
        raise SystemExit(
            f"unknown: {', '.join(sorted(unknown))}; choose from {', '.join(EXPERIMENTS)}"
        )
    return list(EXPERIMENTS) if not names or "all" in names else list(dict.fromkeys(names))


def run(names: list[str], here: Lab) -> None:
    """One after the other; Ctrl-C keeps what is finished."""
    print(f"scale {here.scale.name}, {here.pictures.source} pictures, into {here.folder}")
    begin = time.perf_counter()
    for i, name in enumerate(names):
        experiment = EXPERIMENTS[name]
        print(f"\n[{i + 1}/{len(names)}] {name}: {experiment.about}", flush=True)
        if experiment.needs_data and not here.pictures.data:
            print("left out: it measures the authors' own pictures, which are not here")
            continue
        try:
            lab.run(name, experiment, here)
        except KeyboardInterrupt:
            raise SystemExit("interrupted: the same command goes on from here") from None
        show(name, here)
    print(f"\n{lab.duration(time.perf_counter() - begin)} in all")


def show(name: str, here: Lab) -> None:
    """Where the figure is, and the numbers as Markdown."""
    experiment = EXPERIMENTS[name]
    if experiment.needs_data and not here.pictures.data:
        return
    summary = lab.draw(name, experiment, here)
    if not summary:
        print(f"{name}: nothing was measured yet at scale {here.scale.name}")
        return
    files = (here.folder / here.scale.name / f"{name}.{kind}" for kind in ("png", "json"))
    print(*(file for file in files if file.exists()), sep="\n")
    for title, table in summary.items():
        if title.startswith("table"):
            print(f"{title.removeprefix('table').strip()}\n{tables.markdown(table)}".strip())


if __name__ == "__main__":
    tyro.cli(main)
