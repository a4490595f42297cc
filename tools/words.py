"""Refuse words that stop an English reader: ``python -m tools.words``.

Code, messages, help, docs, params and notebooks are searched; docs/glossary.md says which words to
use. Each word found is one line, `file:line: word -> what to write`, and the exit code is 1.
"""

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SEARCHED = (
    "benchmarks/*.py",
    "configs/*",
    "docs/*.md",
    "docs/*.svg",
    "notebooks/*.py",
    "pipelines/*.json",
    "pipelines/*.yaml",
    "spline_lstm/*",
    "stages/*.py",
    "tools/*.py",
    "*.md",
    "dvc.yaml",
    "params.yaml",
    "pyproject.toml",
    "Makefile",
    ".ci/run",
)
# The list of the words themselves, and files that stages write.
NOT_SEARCHED = re.compile(
    r"tools/words\.py|docs/glossary\.md|(?:.*/)?(?:metrics|plots)/.*|.*/dvc\.lock"
)
# Between two words: blanks, or a line break inside a comment, a paragraph or a string.
GAP = r"""(?:[ \t]|["']?[ \t]*\n[ \t]*(?:[#>*][ \t]*)?f?["']?)+"""
# "no" before these compares or counts; it does not negate a noun.
AFTER_NO = r"longer|more|less|fewer|doubt|better|worse|\w+er(?= than)"


@dataclass(frozen=True)
class Banned:
    """A word that is refused.

    Attributes
    ----------
    name : what the message calls it
    pattern : where it is found, whatever the case
    instead : what to write
    """

    name: str
    pattern: str
    instead: str

    @property
    def regex(self) -> re.Pattern[str]:
        """The compiled pattern."""
        return re.compile(self.pattern, re.IGNORECASE)


def _word(text: str) -> str:
    """A word of its own, also as one of the words of a name such as `first_stamp`."""
    return rf"(?<![a-z]){text}(?![a-z])"


BANNED = (
    Banned("stamp", _word("stamp(?:s|ed|ing)?"), "timestamp"),
    Banned("mend", _word("mend(?:s|ed|ing)?"), "fix"),
    Banned(
        "is no",
        rf"(?<!there )(?<!there\n)\b(?:is|are){GAP}no{GAP}(?!{AFTER_NO})[a-z0-9`'\"{{]",
        "is not a, has no, there is no",
    ),
    Banned("stands twice", rf"\bstands?{GAP}twice\b", "is duplicated, appears twice"),
    Banned("behind", _word("behind"), "with, after, below"),
    Banned("known_ahead", "known_ahead", "known_future"),
    Banned("data_mode", "data_mode", "feature_mode"),
)

# Path (a folder ends with /) and name of a word that is allowed there.
ALLOWED = (
    # The committed comparison table keeps its column.
    ("spline_lstm/experiments/", "data_mode"),
    ("spline_lstm/page/", "data_mode"),
    ("docs/comparison.md", "data_mode"),
    # The old names of keys, for the message that names the new one.
    ("spline_lstm/core/", "data_mode"),
    ("spline_lstm/core/", "known_ahead"),
)


def findings(path: str, text: str) -> list[str]:
    r"""One line per banned word in the text of a file, in the order of the text.

    >>> findings("docs/a.md", "A table\nof stamps.")
    ['docs/a.md:2: stamps -> timestamp']
    """
    found = [
        (match.start(), f"{' '.join(match.group().split())} -> {word.instead}")
        for word in BANNED
        if not _is_allowed(path, word.name)
        for match in word.regex.finditer(text)
    ]
    return [f"{path}:{text.count(chr(10), 0, start) + 1}: {line}" for start, line in sorted(found)]


def _is_allowed(path: str, word: str) -> bool:
    return any(
        word == name and (path.startswith(place) if place.endswith("/") else path == place)
        for place, name in ALLOWED
    )


def searched_files(root: Path) -> list[str]:
    """Files of the repository that are searched, also those that git does not know yet."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", *SEARCHED],
        cwd=root,
        capture_output=True,
        check=True,
    )
    names = {name for name in listed.stdout.decode().split("\0") if name}
    return sorted(
        name for name in names if not NOT_SEARCHED.fullmatch(name) and (root / name).is_file()
    )


def main() -> int:
    """Print every finding; 1 if there is one."""
    found = [
        line
        for name in searched_files(ROOT)
        for line in findings(name, (ROOT / name).read_text(encoding="utf-8"))
    ]
    print("\n".join(found) if found else "no banned words")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
