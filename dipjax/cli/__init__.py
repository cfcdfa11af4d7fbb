"""The command line: `dipjax denoise noisy.png -o restored.png`, and the other commands."""

from dipjax.cli.app import main as main
