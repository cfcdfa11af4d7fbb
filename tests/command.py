"""The command line as the tests call it."""

from dipjax import cli


def run(line):
    """The exit status of `dipjax LINE`, whether the parser or a task gives it."""
    try:
        return cli.main(line.split())
    except SystemExit as exit:
        return exit.code
