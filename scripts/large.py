"""Denoises a 4096 x 4096 photo in 8 GiB of address space, through the command line.

    python scripts/large.py work --seconds 170      until it says that it is done

The photo is a mosaic of the pictures that come with scikit-image, made once in the folder `work`,
with noise of sigma 25. The command line runs under `ulimit -v 8388608` and keeps its finished
tiles in the folder; stopped after some seconds, it goes on from them when called again. When all
is done, scripts/results/large.json holds peak memory, seconds, PSNR and the seam, large.png a
reduced picture and large-crop.png a crop across the borders of tiles.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import jax.numpy as jnp
import numpy as np
import tyro
from PIL import Image

from dipjax import figures, grids, images, metrics, report

RESULTS = Path(__file__).resolve().parent / "results"
SIZE, PANELS, SIGMA = 4096, 4, 25 / 255
LIMIT = 8388608  # KiB, of `ulimit -v`
PICTURES = ("astronaut", "coffee", "chelsea", "rocket", "retina", "hubble_deep_field")
PICTURES += ("immunohistochemistry",)
CLI = "import sys; from dipjax.cli import main; sys.exit(main())"


def photo() -> np.ndarray:
    """The mosaic (SIZE, SIZE, 3), uint8: each panel a crop or an enlargement, turned by turns."""
    from skimage import data

    side = SIZE // PANELS
    rows = []
    for i in range(PANELS):
        row = []
        for j in range(PANELS):
            picture = Image.fromarray(getattr(data, PICTURES[(PANELS * i + j) % len(PICTURES)])())
            scale = max(1, side / min(picture.size))
            size = [round(scale * n) for n in picture.size]
            panel = picture.convert("RGB").resize(size, Image.Resampling.LANCZOS)
            row.append(np.rot90(np.asarray(panel)[:side, :side], i))
        rows.append(np.concatenate(row, 1))
    return np.concatenate(rows)


def prepare(work: Path) -> None:
    work.mkdir(exist_ok=True)
    if not (work / "noisy.png").exists():
        truth = photo()
        noise = SIGMA * np.random.default_rng(0).standard_normal(truth.shape, np.float32)
        images.save(work / "true.png", np.float32(truth) / 255, overwrite=True)
        images.save(work / "noisy.png", np.clip(np.float32(truth) / 255 + noise, 0, 1))


def piece(work: Path, seconds: float, options: list[str]) -> dict[str, Any]:
    """The command line for so many seconds: its exit status, its time, and its peak memory."""
    line = [sys.executable, "-c", CLI, "denoise", work / "noisy.png", "-o", work / "restored.png"]
    line += ["--resume", work / "tiles", "--json", work / "run.json", "--force", *options]
    command = " ".join(f"'{word}'" for word in line)
    start, peaks = time.time(), {"VmHWM": 0, "VmPeak": 0}
    process = subprocess.Popen(["bash", "-c", f"ulimit -v {LIMIT}; exec {command}"])
    while process.poll() is None:
        if time.time() - start > seconds:
            process.send_signal(signal.SIGINT)
            seconds = np.inf
        peaks = {name: max(peaks[name], known(process.pid, name)) for name in peaks}
        time.sleep(0.2)
    return {"status": process.returncode, "seconds": round(time.time() - start, 1), **peaks}


def known(pid: int, name: str) -> int:
    """A number of bytes from the kernel's account of a process, 0 where it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(name)), 0)


def result(work: Path, pieces: list[dict[str, Any]], options: list[str]) -> dict[str, Any]:
    """What came of it, in numbers and pictures."""
    noisy, true, restored = (
        images.load(work / f"{name}.png") for name in ("noisy", "true", "restored")
    )
    run = json.loads((work / "run.json").read_text())
    parts = grids.cut(noisy.shape, tuple(run["tile"]))
    edge = next(part.rows.start for part in parts if part.rows.start > SIZE // 2)
    window = slice(edge - 200, edge + 312)
    rows = [("noisy", noisy), ("restored", restored), ("true", true)]
    small = [(title, x.reshape(512, 8, 512, 8, 3).mean((1, 3))) for title, x in rows]
    figures.save(
        RESULTS / "large.png", figures.grid([[(title, jnp.asarray(x)) for title, x in small]])
    )
    crops = [(title, jnp.asarray(x[window, window])) for title, x in rows]
    figures.save(RESULTS / "large-crop.png", figures.grid([crops]))
    return {
        "shape": noisy.shape,
        "address space": 1024 * LIMIT,
        "peak resident": max(piece["VmHWM"] for piece in pieces),
        "peak address space": max(piece["VmPeak"] for piece in pieces),
        "seconds": round(sum(piece["seconds"] for piece in pieces)),
        "pieces": len(pieces),
        "tiles": len(parts),
        "tile": run["tile"],
        "options": options,
        "settings": run["settings"],
        "psnr": [round(float(metrics.psnr(x, true)), 2) for x in (noisy, restored)],
        "seam": round(grids.seam(restored, true, parts), 4),
        "seam of the noisy picture": round(grids.seam(noisy, true, parts), 4),
        **report.environment(),
    }


def main(
    work: Annotated[Path, tyro.conf.Positional], steps: int | None = None, seconds: float = np.inf
) -> None:
    """Denoise a 4096 x 4096 photo in 8 GiB of address space, through the command line.

    Args:
        work: a folder for the photo, the tiles, and what is known so far.
        steps: of `dipjax denoise`, in place of its own.
        seconds: stop after these; called again it goes on.
    """
    prepare(work)
    log = work / "pieces.json"
    pieces = json.loads(log.read_text()) if log.exists() else []
    options = [] if steps is None else ["--steps", str(steps)]
    pieces.append(piece(work, seconds, options))
    report.write_json(log, pieces)
    status = pieces[-1]["status"]
    if status == 0:
        record = result(work, pieces, options)
        report.write_json(RESULTS / "large.json", record)
        print(json.dumps(record, indent=2))
    raise SystemExit(status and (os.EX_TEMPFAIL if status in (130, -signal.SIGINT) else status))


if __name__ == "__main__":
    tyro.cli(main)
