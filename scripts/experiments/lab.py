"""How an experiment runs: items, one record each, and from the records a figure and numbers.

An item is one picture or one curve: what is computed at a stretch, and kept at once. A record
that is there is not computed again, so that an interrupted run goes on with the next item, and with
`Lab.resume` in the middle of one.
"""

import json
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from dipjax import Restoration, figures, images, report
from dipjax.drivers.watch import Watch, total

from .pictures import COLOUR, DATA, Missing, Pictures

Array = jax.Array


class Scale(NamedTuple):
    """How large an experiment is.

    Attributes:
        preset: of the tasks.
        side: pictures are made no larger than this; None for as they are.
        few: so many pictures of a set; None for all.
    """

    name: str
    preset: str
    side: int | None
    few: int | None


SCALES = {
    scale.name: scale
    for scale in (
        Scale("tiny", "fast", 64, 2),  # a minute on two cores
        Scale("cpu", "fast", 128, 3),  # an hour or so
        Scale("fast", "fast", None, None),  # whole pictures, hours
        Scale("paper", "paper", None, None),  # the published settings, for a GPU
        Scale("best", "best", None, None),  # ours, likewise
    )
}


class Found(NamedTuple):
    """What an item found: numbers, and pictures under their titles."""

    numbers: dict[str, Any]
    views: dict[str, Array]


class Record(NamedTuple):
    """An item that was computed, as its files tell it."""

    name: str
    numbers: dict[str, Any]
    views: dict[str, np.ndarray]
    meta: dict[str, Any]


@dataclass
class Lab:
    """The settings of a run, and what the item that runs just now has fitted.

    Attributes:
        scale: how large.
        pictures: where they come from.
        folder: of the results.
        seed: of all randomness.
        only: compute the items whose names hold this.
        again: compute what has a record, too.
        quiet: no progress bars.
        resume: a folder of checkpoints, from which a fit that was cut off goes on; None for none.
    """

    scale: Scale
    pictures: Pictures
    folder: Path
    seed: int = 0
    only: str = ""
    again: bool = False
    quiet: bool = False
    resume: Path | None = None
    label: str = ""
    watch: Watch = field(default_factory=Watch)

    @property
    def tiny(self) -> bool:
        return self.scale.name == "tiny"

    @property
    def key(self) -> Array:
        return jax.random.key(self.seed)

    def fewer(self, steps: int) -> dict[str, Any]:
        """The settings of a tiny run: at most so many steps, the preset's otherwise."""
        return {"steps": steps} if self.tiny else {}

    def driver(self, reference: Array | None = None) -> Watch:
        """Drives the fits of this item, and shows how they go."""
        self.watch.reference, self.watch.label = reference, self.label
        return self.watch

    def crop(self, x: Array) -> Array:
        """The middle of a picture, no larger than the scale's side."""
        return middle(x, self.scale.side)

    def shrink(self, x: Array, side: int | None = None) -> Array:
        """A picture, smaller where the scale asks for it, its sides multiples of 8."""
        side = side or self.scale.side
        factor = min(1.0, side / min(x.shape[:2])) if self.scale.side and side else 1.0
        if factor == 1.0:
            return x
        return resized(x, *(max(8, round(factor * n / 8) * 8) for n in x.shape[:2]))

    def few(self, names: Sequence[Any]) -> Sequence[Any]:
        return names[: self.scale.few]


class Experiment(NamedTuple):
    """An experiment of the paper.

    Attributes:
        about: what it shows, and where the paper has it.
        items: `lab -> {name: () -> Found}`.
        summary: records -> the numbers of all, beside the published.
        draw: (records, summary) -> the figure.
        needs_data: whether it is about the authors' own result images, which have no stand-in.
    """

    about: str
    items: Callable[[Lab], dict[str, Callable[[], Found]]]
    summary: Callable[[list[Record]], dict[str, Any]]
    draw: Callable[[list[Record], dict[str, Any]], Any]
    needs_data: bool = False


def crossed(
    lab: Lab, names: Sequence[str], kinds: dict[str, Any], compute: Callable[..., Found]
) -> dict[str, Callable[[], Found]]:
    """`compute(lab, name, stand-in, kind)` for each picture, of colour, in each of several ways."""
    pictures = list(zip(names, (*COLOUR, *COLOUR), strict=False))
    return {
        f"{name}, {word}": partial(compute, lab, name, instead, kind)
        for name, instead in lab.few(pictures)
        for word, kind in kinds.items()
    }


def middle(x: Array, side: int | None) -> Array:
    """The middle of a picture, `side` pixels wide and high where it has so many."""
    return x if side is None else images.middle(x, tuple(min(n, side) for n in x.shape[:2]))


def middles(patterns: Sequence[str], side: int) -> list[Array]:
    """Of the authors' pictures whose paths match a pattern; the process ends where none are."""
    if DATA is None:
        raise SystemExit("no pictures: shared/data is not there")
    paths = sorted(path for pattern in patterns for path in DATA.glob(pattern))
    return [middle(jnp.asarray(images.load(path)), side) for path in paths]


def unfitted(x: Array) -> Callable[..., Restoration]:
    """A driver that fits nothing, to see what a task makes of an image behind its fit."""
    return lambda *_, **__: Restoration(*[x] * 5, jnp.zeros(1), jnp.zeros((), int))


def resized(x: Array, h: int, w: int, method=Image.Resampling.LANCZOS) -> Array:
    """A picture at another size, by one of Pillow's filters, in 8 bits."""
    samples = np.round(255 * np.clip(np.asarray(x), 0, 1)).astype(np.uint8)
    one = samples.shape[-1] == 1
    picture = Image.fromarray(samples[..., 0] if one else samples)
    small = np.asarray(picture.resize((w, h), method))
    return images.check(small)


# --- running -------------------------------------------------------------------------------


def run(name: str, experiment: Experiment, lab: Lab) -> dict[str, Any]:
    """All items that have no record yet and a picture, then the figure and the numbers of all.

    Raises:
        KeyboardInterrupt: after Ctrl-C; what is finished is kept, what is not leaves nothing.
    """
    folder = lab.folder / lab.scale.name / name
    items = experiment.items(lab)
    chosen = [item for item in items if lab.only in item]
    _refuse_others(folder, chosen, lab)
    left = [item for item in chosen if lab.again or _read(folder, item, lab) is None]
    if done := len(chosen) - len(left):
        print(f"{name}: {done} of {len(chosen)} are there already")
    begin = time.perf_counter()
    for i, item in enumerate(left):
        lab.label = f"{name} {len(chosen) - len(left) + i + 1}/{len(chosen)} {item}"
        try:
            _compute(folder, item, items[item], lab)
        except Missing as missing:
            print(f"{lab.label}: left out, {missing}", flush=True)
            continue
        pace = (time.perf_counter() - begin) / (i + 1)
        rest = f"; about {duration(pace * (len(left) - i - 1))} left" if i + 1 < len(left) else ""
        print(f"{lab.label}: {brief(_numbers(folder, item))}{rest}", flush=True)
    return draw(name, experiment, lab)


def _refuse_others(folder: Path, items: list[str], lab: Lab) -> None:
    """Keep the records of another seed or of other pictures, unless all is to be made again."""
    files = (folder / f"{item}.json" for item in items)
    for file in () if lab.again else (file for file in files if file.exists()):
        if other := _other(json.loads(file.read_text()), lab):
            words = ", ".join(f"{name} {value}" for name, value in other.items())
            raise SystemExit(f"{file} is there, of {words}: give --output NEW_FOLDER, or --again")


def draw(name: str, experiment: Experiment, lab: Lab) -> dict[str, Any]:
    """The figure and the numbers of an experiment, from the records that are there."""
    folder = lab.folder / lab.scale.name
    found = (_read(folder / name, item, lab) for item in experiment.items(lab))
    records = [record for record in found if record is not None]
    if not records:
        return {}
    summary = {
        "experiment": name,
        "about": experiment.about,
        "scale": lab.scale.name,
        "pictures": lab.pictures.source,
        **experiment.summary(records),
        "items": {record.name: {**record.numbers, **record.meta} for record in records},
    }
    report.write_json(folder / f"{name}.json", summary)
    if all(record.views for record in records):
        figures.save(folder / f"{name}.png", experiment.draw(records, summary), dpi=110)
    return summary


def _compute(folder: Path, item: str, compute: Callable[[], Found], lab: Lab) -> None:
    lab.watch = Watch(quiet=lab.quiet, folder=lab.resume)
    begin = time.perf_counter()
    found = compute()
    lab.watch.conclude()
    meta = {"total seconds": round(time.perf_counter() - begin, 1), **total(lab.watch.fits)}
    if lab.watch.resumed:  # the seconds are those of the last piece
        meta["resumed"] = True
    if lab.watch.settings:
        meta["settings"] = report.describe(lab.watch.settings)
    folder.mkdir(parents=True, exist_ok=True)
    for i, view in enumerate(found.views.values()):
        images.save(folder / f"{item}-{i}.png", jnp.clip(view, 0, 1), overwrite=True)
    record = {
        **_identity(lab),
        "numbers": found.numbers,
        "views": list(found.views),
        "meta": {**meta, **report.environment(), "commit": _commit()},
    }
    report.write_json(folder / f"{item}.json", record)  # last: it says that all is there


def _commit() -> str | None:
    """Of the code, with "-dirty" where that was changed since; None where there is no history."""
    line = ["git", "describe", "--always", "--dirty"]
    with suppress(OSError):
        done = subprocess.run(line, cwd=Path(__file__).parent, capture_output=True, text=True)
        return done.stdout.strip() or None
    return None


def _identity(lab: Lab) -> dict[str, Any]:
    """What a record has to agree in, to be that of this run."""
    return {"scale": lab.scale.name, "seed": lab.seed, "pictures": lab.pictures.source}


def _other(record: dict[str, Any], lab: Lab) -> dict[str, Any]:
    """In what a record is that of another run."""
    return {k: record[k] for k, v in _identity(lab).items() if record[k] != v}


def _read(folder: Path, item: str, lab: Lab) -> Record | None:
    file = folder / f"{item}.json"
    if not file.exists():
        return None
    record = json.loads(file.read_text())
    if _other(record, lab):
        return None
    files = {title: folder / f"{item}-{i}.png" for i, title in enumerate(record["views"])}
    # Records are committed, and most of their pictures are not.
    views = {title: images.load(path) for title, path in files.items() if path.exists()}
    meta = {name: record["meta"][name] for name in record["meta"] if name != "versions"}
    return Record(item, record["numbers"], views, meta)


def _numbers(folder: Path, item: str) -> dict[str, Any]:
    return json.loads((folder / f"{item}.json").read_text())["numbers"]


def brief(numbers: dict[str, Any]) -> str:
    """The plain numbers of a record, and of its tables our own, for a line in the terminal."""
    own = {k: v["ours"] if isinstance(v, dict) and "ours" in v else v for k, v in numbers.items()}
    plain = {k: v for k, v in own.items() if isinstance(v, int | float | str)}
    forms = {k: f"{v:.4g}" if isinstance(v, float) else v for k, v in plain.items()}
    return ", ".join(f"{k} {v}" for k, v in forms.items()) or "done"


def duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
