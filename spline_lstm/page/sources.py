"""The pipeline folders that the page shows, and the commands that fill them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from spline_lstm.core.params import Params, load_params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.page.errors import PageError
from spline_lstm.store.files import Store


@dataclass(frozen=True)
class Source:
    """A pipeline folder.

    Attributes
    ----------
    folder : Path
        As it was given.
    """

    folder: Path

    @property
    def name(self) -> str:
        """The name by which one chooses it: its path."""
        text = self.folder.as_posix()
        return "this folder" if text == "." else text

    @property
    def pipeline(self) -> Pipeline:
        """The paths of its files."""
        return Pipeline(self.folder)

    @property
    def params(self) -> Params:
        """Its params.yaml; ParamsError if that is not valid."""
        return load_params(self.folder)

    @property
    def store(self) -> Store:
        """Its stored predictions and registered models."""
        return Store.of(self.folder, self.params.store)

    def command(self, name: str, options: str = "") -> str:
        """A command on this folder, to be shown.

        >>> Source(Path("pipelines/stores")).command("score", "--asof DATE")
        'python -m spline_lstm score pipelines/stores --asof DATE'
        """
        folder = self.folder.as_posix()
        words = ("python -m spline_lstm", name, "" if folder == "." else folder, options)
        return " ".join(word for word in words if word)

    def repro(self, stage: str = "") -> str:
        """The command that runs the pipeline, or up to one stage of it.

        >>> Source(Path("pipelines/stores")).repro(), Source(Path()).repro("backtest")
        ('dvc repro pipelines/stores/dvc.yaml', 'dvc repro backtest')
        """
        folder = self.folder.as_posix()
        file = "" if folder == "." else f"{folder}/dvc.yaml"
        target = f"{file}:{stage}" if file and stage else file or stage
        return f"dvc repro {target}".strip()


def find_sources(folders: Sequence[Path]) -> tuple[Source, ...]:
    """The folders that are named; without any this one and those in its folder pipelines.

    Raises
    ------
    PageError
        A folder that is named has no params.yaml, or there is none to show.
    """
    found = folders or [path.parent for path in _own()]
    for folder in found:
        if not (folder / "params.yaml").is_file():
            raise PageError(
                f"{folder} is not a pipeline folder, it has no params.yaml; name one that "
                "`spline-lstm init` or `dvc repro` made"
            )
    if not found:
        raise PageError(
            "neither this folder nor its folder pipelines has a params.yaml; name the pipeline "
            "folders to show, or start the page in the repository"
        )
    return tuple(Source(folder) for folder in dict.fromkeys(found))


def _own() -> list[Path]:
    """params.yaml of this folder and of its pipelines."""
    here = Path("params.yaml")
    return [path for path in (here, *sorted(Path().glob("pipelines/*/params.yaml")))
            if path.is_file()]  # fmt: skip
