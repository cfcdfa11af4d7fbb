"""The program `dipjax`: its commands, and how it ends."""

import inspect
import re
import sys
from collections.abc import Callable
from pathlib import Path

import jax
import tyro

import dipjax
from dipjax import cache, images, memory, report
from dipjax.cli import compare, features, impedance, pipes, sampling, tasks, words
from dipjax.cli import demo as demonstration
from dipjax.cli.options import Flag, Output
from dipjax.restoration import FitError
from dipjax.web import page

app = tyro.extras.SubcommandApp()


def command(function: Callable[..., None]) -> Callable[..., None]:
    """A command of the program, and in its help each argument's words without their line breaks."""
    function.__doc__ = re.sub(r"\n {8}", " ", inspect.cleandoc(function.__doc__ or ""))
    return app.command(function)


for function in (
    *tasks.COMMANDS,
    sampling.sample,
    impedance.impedance,
    compare.compare,
    features.invert,
    features.activate,
):
    command(function)


@command
def demo(output: Output = Path("dipjax-demo.png"), force: Flag = False, quiet: Flag = False):
    """Degrade a public-domain picture in three ways, restore it, and draw the result.

    Args:
        output: where to save the figure.
        force: replace the figure if it exists already.
        quiet: print nothing but errors.
    """
    images.check_target(output, overwrite=force)
    demonstration.run(output, quiet=quiet)


@command
def web(port: int = 7860, host: str = "127.0.0.1", no_browser: Flag = False):
    """Serve a page on which pictures are restored: drop one on it, paint over what is missing.

    Args:
        port: of the page.
        host: 0.0.0.0 lets other machines of the network use it; there is one fit at a time, and
            who presses Stop stops it for all.
        no_browser: do not open it.
    """
    if not 1 <= port <= 65535:
        raise ValueError(f"--port {port}: must be from 1 to 65535")
    page.serve(host, port, browser=not no_browser)


@command
def info():
    """Print versions, devices, free memory and the folder of the compilation cache."""
    environment = report.environment()
    for name, number in environment["versions"].items():
        print(f"{name:10} {number}")
    print(f"{'devices':10} {', '.join(environment['devices'])}")
    print(f"{'cores':10} {environment['cores']}")
    print(f"{'free':10} {memory.gib(memory.free_memory())}")
    print(f"{'cache':10} {cache.folder() or 'off'}")


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return its exit status.

    0, 1 for a fit that failed (what there is is saved), 2 for bad input, 130 on Ctrl-C.
    """
    with pipes.lenient():
        return _status(sys.argv[1:] if argv is None else argv)


def _status(argv: list[str]) -> int:
    try:
        if argv == ["--version"]:
            print(f"dipjax {dipjax.__version__}")
            return 0
        words.check(argv)
        cache.enable()
        app.cli(prog="dipjax", args=argv, config=(tyro.conf.FlagCreatePairsOff,))
    except SystemExit as exit:
        if exit.code and (hint := words.hint(argv)):
            print(f"dipjax: {hint}", file=sys.stderr)
        raise
    except KeyboardInterrupt:
        return 130
    except FitError as error:
        print(f"dipjax: {error}; what there is is saved", file=sys.stderr)
        return 1
    except (ValueError, OSError, MemoryError, jax.errors.JaxRuntimeError) as error:
        print(f"dipjax: {(str(error) or type(error).__name__).splitlines()[0]}", file=sys.stderr)
        return 2
    return 0
