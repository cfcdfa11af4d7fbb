"""The words of a command line, looked at where the parser says nothing of use."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from dipjax import images


def check(words: Sequence[str]) -> None:
    """Raise ValueError for an empty name, which the parser takes for the folder one is in."""
    for before, word in pairwise(["", *words]):
        option, equals, name = word.partition("=")
        if equals and not name and option.startswith("-"):
            raise ValueError(f"{option}: the name is empty")
        if not word:
            raise ValueError(f"{before if before[:1] == '-' else 'input'}: the name is empty")


def hint(words: Sequence[str]) -> str | None:
    """What the user of words that the parser refused may have meant."""
    if any(word[:1] == "-" and _is_picture(word) for word in words):
        return "a name that begins with a dash is given as ./-name"
    alone = (word for before, word in pairwise(["", *words]) if before[:1] != "-")
    if sum(_is_picture(word) for word in alone) > 1:
        if not {"-o", "--output"} & {word.partition("=")[0] for word in words}:
            return "the result is named by -o, such as -o restored.png"
        return "one picture at a time; several are a loop of the shell"
    return None


def _is_picture(word: str) -> bool:
    return "=" not in word and Path(word).suffix.lower() in images.FORMATS
