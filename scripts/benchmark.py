"""Measures dipjax against PyTorch: step, compilation, memory, ensembles, time to quality.

    pip install ".[bench]"                               torch comes with this extra only
    python scripts/benchmark.py                          all pieces that are not measured yet
    python scripts/benchmark.py --only step compile      those whose names hold one of the words
    python scripts/benchmark.py list                     the pieces, and which are done
    python scripts/benchmark.py table                    the records as Markdown

The work is a list of named pieces, each in a process of its own; its result is written at once
to scripts/results/benchmark-<device>.json, so that a run goes on where the last one ended.
`--again` measures pieces anew, `--failed` those that failed, `--minutes 9` begins no piece that
may not end in that time. Without torch the columns of dipjax are measured alone.

On two CPU cores each piece takes one to three minutes (the 512 x 512 steps of the published
network five), except the trajectories for the time to quality, which come last: the peer's take
9 minutes a crop for denoising and super-resolution, 55 for inpainting; `--size 64` makes that a
quarter. They stay valid when dipjax changes: `--again --only "pace" "trajectory dipjax"`.
"trajectory paper" is dipjax at the published settings, to see that it is the same fit.

On a machine with a GPU, one call of ten minutes after another until it says that all is done:

    cp scripts/results/benchmark-*.json $OUT/; PYTHONPATH=. python3 -u scripts/benchmark.py \\
        --minutes 8.5 --results $OUT

with the files of $OUT copied to scripts/results/ in between. It needs jax, flax, optax, numpy,
pillow, tqdm and platformdirs there, torch for the peer, and no installation of dipjax.
"""

import argparse
import datetime
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import tables
from crops import CROPS, DATA
from race import answer

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"


def pieces(backend: str, size: int) -> list[str]:
    """The names of all pieces for a CPU or a GPU, what matters first; a name is its call."""
    gpu = backend == "gpu"
    sizes = (512, 256, 1024, 2048) if gpu else (128, 256, 512)
    nets = [(net, n) for n in sizes for net in ("paper", "fast")]
    few = nets[:2] if gpu else nets[:4]
    groups = [("paper", 256), ("fast", 256), ("paper", 512)]
    groups = groups if gpu else [("fast", 128), ("paper", 128), ("fast", 256)]
    names = ["peak"]
    names += [f"step {net} {n}" for net, n in nets]
    names += [f"compile {net} {n} {1 if gpu else 3}" for net, n in few]
    names += [f"ensemble {m} {net} {n}" for net, n in groups for m in (8, 2, 32)]
    names += [f"memory {net} {n}" for net, n in nets]
    names += [f"dispatch fast {n}" for n in sizes[:2]] + [f"second fast {sizes[0]}"]
    if DATA is None:
        return names
    names += [f"pace {task} {size}" for task in CROPS]
    for who in ("dipjax", "torch", "paper"):
        names += [
            f"trajectory {who} {task} {name} {size}" for task in CROPS for name in CROPS[task]
        ]
    return names


# --- the records ---------------------------------------------------------------------------


def file_name(machine: dict[str, Any]) -> str:
    """One for each kind of machine."""
    parts = [machine["device"]]
    if machine["backend"] == "cpu":
        parts = ["cpu", machine["device"], machine["arithmetic"], f"{machine['cores']} cores"]
    return f"benchmark-{re.sub(r'[^a-z0-9]+', '-', ' '.join(parts).lower()).strip('-')}.json"


def load(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text()) if path.exists() else {}


def save(path: Path, record: dict[str, Any]) -> None:
    """Whole or not at all; a list of numbers is one line."""
    text = json.dumps(_rounded(record), indent=1)
    text = re.sub(r"\[([^\[\]{}\"]*)\]", lambda m: f"[{' '.join(m[1].split())}]", text)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".part")
    draft.write_text(text + "\n")
    os.replace(draft, path)


def _rounded(node: Any) -> Any:
    if isinstance(node, dict):
        return {name: _rounded(value) for name, value in node.items()}
    if isinstance(node, list | tuple):
        return [_rounded(value) for value in node]
    return float(f"{node:.5g}") if isinstance(node, float) else node


def is_open(piece: str, done: dict[str, Any], again: bool, failed: bool) -> bool:
    """Whether a piece is to be measured."""
    if piece not in done or again:
        return True
    return failed and "failed" in json.dumps(done[piece]["result"])


# --- the run -------------------------------------------------------------------------------


def measured(piece: str, seconds: float | None = None) -> dict[str, Any] | None:
    """The answer of a process that measures a piece; None where the time was not enough."""
    command = [sys.executable, str(HERE / "measure.py"), *piece.split()]
    path = os.pathsep.join(filter(None, (str(HERE.parent), os.environ.get("PYTHONPATH"))))
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=seconds)
    except (subprocess.TimeoutExpired, KeyboardInterrupt) as error:
        os.killpg(process.pid, signal.SIGKILL)  # with the processes that it started
        process.wait()
        if isinstance(error, KeyboardInterrupt):
            raise
        return None
    return answer(output, process.returncode)


def run(options: argparse.Namespace) -> None:
    """Measure what is open, and say what was found."""
    begun, longest = time.monotonic(), {}
    machine = measured("machine")["result"]
    if "backend" not in machine:
        raise SystemExit(f"no piece can run: {machine['failed']}")
    path = options.results / file_name(machine)
    record = {"machine": machine, "pieces": load(path).get("pieces", {})}
    names = [p for p in pieces(machine["backend"], options.size) if _asked(p, options.only)]
    names = [p for p in names if is_open(p, record["pieces"], options.again, options.failed)]
    print(f"{path}: {len(names)} pieces to measure", flush=True)
    for i, piece in enumerate(names):
        kind, start = piece.split()[0], time.monotonic()
        left = options.minutes and 60 * options.minutes - (start - begun)
        answer = None if left and left < longest.get(kind, 5) else measured(piece, left)
        if answer is None:
            print(f"the {options.minutes:g} minutes are over; {len(names) - i} pieces are left")
            return
        took = time.monotonic() - start
        longest[kind] = max(longest.get(kind, 0), took)
        when = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        record["pieces"][piece] = {"date": when, "took": round(took, 1), **answer}
        save(path, record)
        print(f"{piece} ({took:.0f} s): {tables.line(answer['result'])}", flush=True)
    print("all pieces are done")


def _asked(piece: str, words: list[str]) -> bool:
    return not words or any(word in piece for word in words)


def show(options: argparse.Namespace) -> None:
    """The pieces of the machines that have records, or of a CPU."""
    records = tables.records(options.results) or {"no record": {"machine": {}, "pieces": {}}}
    for name, record in records.items():
        print(name)
        for piece in pieces(record["machine"].get("backend", "cpu"), options.size):
            if _asked(piece, options.only):
                done = record["pieces"].get(piece)
                print(f"  {piece:44} {tables.line(done['result']) if done else ''}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", nargs="?", default="run", choices=("run", "list", "table"))
    parser.add_argument("--only", nargs="+", default=[], metavar="WORD", help="words of names")
    parser.add_argument("--again", action="store_true", help="measure finished pieces anew")
    parser.add_argument("--failed", action="store_true", help="measure failed pieces anew")
    parser.add_argument("--minutes", type=float, help="begin nothing that may end later")
    parser.add_argument("--size", type=int, default=128, help="of the crops: 128 or 64")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the records")
    options = parser.parse_args()
    if options.command == "table":
        print(tables.markdown(options.results, options.size))
    elif options.command == "list":
        show(options)
    else:
        run(options)


if __name__ == "__main__":
    main()
