"""The records of the benchmark as Markdown."""

import json
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import fmean
from typing import Any

import roofline
from crops import CROPS
from trajectories import comparison

Record = dict[str, Any]
NONE = "–"
NOTES = """\
Medians of seven interleaved turns. Float32 gain: the quickest float32 form of PyTorch over that of
dipjax; best gain: the quickest of all forms over ours. Of peak: the operations of the plain
network's convolutions (the same for both libraries) a second, against a large matrix product; of
roofline: the time in which each convolution runs at that rate or moves its input and output at
the rate of a large copy, everything else being free, against the measured; both for dipjax in
float32 / bf16, which is float32 on GPUs as either library computes it by default (TF32). Time to
quality is without compilation, on the mean of the crops: when each is as good as the peer at its
published number of steps, or at its best."""


def records(folder: Path) -> dict[str, Record]:
    paths = sorted(folder.glob("benchmark-*.json"))
    return {path.name: json.loads(path.read_text()) for path in paths}


def markdown(folder: Path, size: int = 128) -> str:
    """All machines, all tables that have rows."""
    parts = []
    for record in records(folder).values():
        parts.append(heading(record))
        tables = [make(record) for make in (steps, compilation, ensembles, memory, loops)]
        parts += filter(None, [*tables, quality(record, size), published(record, size)])
    if not parts:
        return f"no records in {folder}: run python scripts/benchmark.py"
    return "\n\n".join([*parts, NOTES])


def line(result: dict[str, Any]) -> str:
    """A result in a few words."""
    if "failed" in result:
        return result["failed"]
    forms = result.get("forms")
    if forms is None:
        return ", ".join(f"{k} {_short(v)}" for k, v in result.items() if not isinstance(v, list))
    return ", ".join(f"{name} {_short(form)}" for name, form in forms.items())


def _short(value: Any) -> str:
    if isinstance(value, dict):
        for name in ("seconds", "cold median", "running", "skipped", "failed"):
            if name in value:
                return _short(value[name])
        return json.dumps(value)
    return f"{value:.3g}" if isinstance(value, float) else str(value)


# --- one table each ------------------------------------------------------------------------


def heading(record: Record) -> str:
    """The machine, what it can, and what was measured when."""
    m, done = record["machine"], record["pieces"].values()
    versions = max((p for p in done if "versions" in p), key=lambda p: p["date"])["versions"]
    names = [f"{name} {versions[name]}" for name in ("jax", "torch", "dipjax")]
    dates = sorted(piece["date"][:10] for piece in done)
    text = f"**{m['device']}, {m['cores']} CPU cores ({m['arithmetic']})**; {', '.join(names)}; "
    text += dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
    if best := _peaks(record):
        text += (
            f". Measured peaks: product {_si(best['float32'])}FLOP/s in float32 and "
            f"{_si(best['bf16'])}FLOP/s in bf16, copy {_si(best['copy'])}B/s"
        )
    return text + "."


def _si(value: float) -> str:
    for unit, size in (("T", 1e12), ("G", 1e9)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value / 1e6:.3g} M"


def steps(record: Record) -> str:
    """Milliseconds a step of every form."""
    rows = _results(record, "step")
    names = _forms(rows)
    header = ["ms a step", *names, "float32 gain", "best gain", "of peak", "of roofline"]
    return _table(header, [_step_row(record, names, *row) for row in rows])


def _step_row(record: Record, names: list[str], words: list[str], result: dict) -> list[str]:
    forms = result["forms"]
    cells = [_cell(forms.get(name, {}), lambda f: f"{1e3 * f['seconds']:.3g}") for name in names]
    gains = [
        _ratio(_best(forms, "torch", kind), _best(forms, "dipjax", kind))
        for kind in ("float32", "")
    ]
    return [f"{words[0]} {words[1]}", *cells, *gains, *_fractions(record, result)]


def _fractions(record: Record, result: dict) -> list[str]:
    """Of the product's rate and of the roofline, for dipjax in float32 and in bf16."""
    best, fractions = _peaks(record), ([], [])
    for kind, size in (("float32", 4), ("bf16", 2)):
        seconds = result["forms"].get(f"dipjax {kind}", {}).get("seconds")
        if best and seconds:
            rate = max(best[kind], best["float32"])  # bf16 may have no arithmetic of its own
            floor = roofline.floor(result["convolutions"], rate, best["copy"], size)
            fractions[0].append(f"{result['flops'] / seconds / rate:.0%}")
            fractions[1].append(f"{floor / seconds:.0%}")
    return [" / ".join(values) or NONE for values in fractions]


def compilation(record: Record) -> str:
    """Seconds to the end of the first step."""
    rows = _results(record, "compile")
    names = _forms(rows)

    def text(form: dict) -> str:
        return f"{form['cold median']:.3g} / {form['warm median']:.3g}"

    body = [[" ".join(w), *(_cell(r["forms"].get(n, {}), text) for n in names)] for w, r in rows]
    return _table(["first step, s, cold / warm", *names], body)


def ensembles(record: Record) -> str:
    """Milliseconds a step and member, against a single fit in the same run."""
    body = []
    for (members, *net), result in _results(record, "ensemble"):
        single, many = (result["forms"].get(name, {}) for name in ("single", "ensemble"))
        cells = [_cell(form, lambda f: f"{1e3 * f['seconds']:.3g}") for form in (single, many)]
        ratio = _ratio(many.get("seconds"), single.get("seconds"))
        body.append([" ".join(net), members, *cells, ratio])
    return _table(["ms a step and member", "members", "single fit", "ensemble", "ratio"], body)


def memory(record: Record) -> str:
    """GiB at the peak, and the forecast."""
    rows = _results(record, "memory")
    names = _forms(rows)

    def text(form: dict) -> str:
        forecast = form.get("forecast")
        return f"{form['peak']:.2f}" + (f" ({forecast:.2f})" if forecast else "")

    body = [[" ".join(w), *(_cell(r["forms"].get(n, {}), text) for n in names)] for w, r in rows]
    return _table(["peak memory, GiB (forecast)", *names], body)


def loops(record: Record) -> str:
    """What the loop costs, and what a second picture of the same shape."""
    body = []
    for words, result in _results(record, "dispatch"):
        seconds = [result["forms"].get(name, {}).get("seconds") for name in ("scanned", "driven")]
        cells = [f"{1e3 * s:.3g} ms" if s else NONE for s in seconds]
        body.append([f"step, {' '.join(words)}", *cells, _ratio(*seconds)])
    for name, piece in record["pieces"].items():
        if name.startswith("second") and "first" in piece["result"]:
            pair = [piece["result"][kind] for kind in ("second", "first")]
            label = f"second picture, first picture, {name.removeprefix('second ')}"
            body.append([label, *(f"{s:.3g} s" for s in pair), _ratio(*pair)])
    return _table(["what", "in one dispatch", "step by step from Python", "ratio"], body)


def quality(record: Record, size: int) -> str:
    """Seconds until the mean crop is as good as the peer's at its published number of steps."""
    body = []
    for task in CROPS:
        pairs = _trajectories(record, task, size, ("torch", "dipjax"))
        pace = record["pieces"].get(f"pace {task} {size}", {}).get("result", {}).get("forms", {})
        speed = {"dipjax": _best(pace, "dipjax", ""), "peer": _best(pace, "torch", "float32")}
        if not pairs or not all(speed.values()):
            continue
        # Records of before the polish have none.
        speed["finish"] = pace["finish"].get("seconds", math.nan) if "finish" in pace else 0
        for estimate in ("average", "iterate", "best average"):
            c = comparison(*zip(*pairs, strict=True), estimate, speed)
            seconds = [NONE if s is None else f"{s:.2g}" for s in c["seconds"].values()]
            gain = f"{c['speedup']:.1f}" if c["speedup"] else f"ends at {c['end']:.2f} dB"
            row = [f"{task}, {len(pairs)} crops", estimate, f"{c['target']:.2f}"]
            body.append([*row, f"{c['published']:.0f}", *seconds, gain])
    header = ["time to quality", "peer's estimate", "its dB", "s, published steps"]
    header += ["s, peer", "s, dipjax", "gain"]
    return _table(header, body)


def published(record: Record, size: int) -> str:
    """What both libraries make of the same crops at the published settings, at their end."""
    body = []
    for task in CROPS:
        pairs = _trajectories(record, task, size, ("torch", "paper"))
        for estimate in ("average", "iterate"):
            ends = [[trajectory[estimate][-1] for trajectory in pair] for pair in pairs]
            if ends:
                theirs, ours = (fmean(values) for values in zip(*ends, strict=True))
                worst = max((b - a for a, b in ends), key=abs)
                row = [f"{task}, {len(ends)} crops of {size} x {size}", estimate]
                body.append([*row, *(f"{x:.2f}" for x in (theirs, ours, ours - theirs, worst))])
    header = ["published settings, dB", "estimate", "PyTorch", "dipjax", "difference", "largest"]
    return _table(header, body)


def _trajectories(record: Record, task: str, size: int, whose: tuple[str, str]) -> list[tuple]:
    """Of both, for the crops that both have done."""
    found = []
    for name in CROPS[task]:
        names = (f"trajectory {who} {task} {name} {size}" for who in whose)
        pair = tuple(record["pieces"].get(piece, {}).get("result", {}) for piece in names)
        if all("steps" in trajectory for trajectory in pair):
            found.append(pair)
    return found


# --- rows and cells ------------------------------------------------------------------------


def _results(record: Record, kind: str) -> list[tuple[list[str], dict]]:
    """The words behind the kind, and the result, of the pieces that have one."""
    found = [(name.split(), piece["result"]) for name, piece in record["pieces"].items()]
    return [(words[1:], r) for words, r in found if words[0] == kind and "forms" in r]


def _forms(rows: list[tuple[list[str], dict]]) -> list[str]:
    """The names of all forms, in the order of the first row that has them."""
    return list(dict.fromkeys(name for _, result in rows for name in result["forms"]))


def _cell(form: dict[str, Any], text: Callable[[dict], str]) -> str:
    try:
        return text(form)
    except KeyError:
        return form.get("skipped") or form.get("failed") or NONE


def _best(forms: dict[str, dict], library: str, kind: str) -> float | None:
    """The seconds of the quickest form of a library whose name holds the kind."""
    asked: Iterable[dict] = (f for n, f in forms.items() if n.startswith(library) and kind in n)
    return min((form["seconds"] for form in asked if "seconds" in form), default=None)


def _ratio(above: float | None, below: float | None) -> str:
    return f"{above / below:.2f}" if above and below else NONE


def _peaks(record: Record) -> dict[str, float]:
    return record["pieces"].get("peak", {}).get("result", {}).get("best", {})


def _table(header: list[str], rows: list[list[str]]) -> str:
    if not rows:
        return ""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
