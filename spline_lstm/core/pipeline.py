"""The files of a pipeline folder: every path that stages and commands share is here, once."""

from dataclasses import dataclass
from pathlib import Path

# Outputs that depend on the clock: the only ones that differ from run to run.
WALL_CLOCK = ("metrics/latency.json", "metrics/train_time.json")
# What the commands compare and tune write.
COMPARISON_FILES = (
    "metrics/comparison.csv",
    "metrics/comparison.json",
    "plots/comparison.md",
    "plots/comparison.png",
    "plots/comparison.html",
)
TUNING_FILES = ("metrics/tuning.csv", "plots/tuning.png", "plots/tuning.patch")
COMMAND_FILES = (*COMPARISON_FILES, *TUNING_FILES)


@dataclass(frozen=True)
class Pipeline:
    """A folder with params.yaml and dvc.yaml, and the paths of what its stages read and write.

    Attributes
    ----------
    folder : the folder; by default the current one, which gives paths relative to a folder

    >>> Pipeline(Path("pipelines/stores")).windows.as_posix()
    'pipelines/stores/data/processed/windows.npz'
    """

    folder: Path = Path()

    @property
    def params(self) -> Path:
        """params.yaml: every setting of the pipeline."""
        return self.folder / "params.yaml"

    @property
    def dvc_yaml(self) -> Path:
        """dvc.yaml: the stages."""
        return self.folder / "dvc.yaml"

    @property
    def source_folder(self) -> Path:
        """Folder of the files that the user brings."""
        return self.folder / "data/source"

    @property
    def raw_csv(self) -> Path:
        """The raw table as it came (stage ingest), of a source of CSV text."""
        return self.folder / "data/raw/series.csv"

    @property
    def raw_parquet(self) -> Path:
        """The raw table as it came (stage ingest), of a Parquet file."""
        return self.folder / "data/raw/series.parquet"

    @property
    def raw_files(self) -> tuple[Path, Path]:
        """`raw_csv` and `raw_parquet`, of which a pipeline has one."""
        return self.raw_csv, self.raw_parquet

    @property
    def raw_folder(self) -> Path:
        """The raw table in partitions (stage ingest), with `data.partition_rows`."""
        return self.folder / "data/raw/series"

    @property
    def array_folder(self) -> Path:
        """As-of arrays as files that are mapped into memory (stage preprocess), of partitions."""
        return self.folder / "data/processed/arrays"

    @property
    def processed(self) -> Path:
        """As-of arrays (stage preprocess)."""
        return self.folder / "data/processed/processed.npz"

    @property
    def windows(self) -> Path:
        """Forecast origins and their splits (stage window)."""
        return self.folder / "data/processed/windows.npz"

    @property
    def meta(self) -> Path:
        """Names and shapes of the windows, for other tools (stage window)."""
        return self.folder / "data/processed/meta.json"

    @property
    def predictions(self) -> Path:
        """Forecasts of the test windows (stage evaluate)."""
        return self.folder / "data/predictions.parquet"

    @property
    def history(self) -> Path:
        """Rows that a saved Forecaster continues."""
        return self.folder / "data/history.parquet"

    @property
    def golden(self) -> Path:
        """Test windows with the forecasts of the trained model, the reference of the gate."""
        return self.folder / "data/golden.npz"

    @property
    def preprocessor(self) -> Path:
        """All constants that preprocessing fitted (stage preprocess)."""
        return self.folder / "models/preprocessor.json"

    @property
    def model(self) -> Path:
        """Configuration and run id of the trained network."""
        return self.folder / "models/rnn/model.json"

    @property
    def best_weights(self) -> Path:
        """Weights of the lowest validation loss."""
        return self.folder / "models/rnn/best.safetensors"

    @property
    def last_weights(self) -> Path:
        """Weights after the last step."""
        return self.folder / "models/rnn/last.safetensors"

    @property
    def trees(self) -> Path:
        """Folder of the boosted trees (stage train-trees)."""
        return self.folder / "models/trees"

    @property
    def ensemble(self) -> Path:
        """How the members of an ensemble are combined (stage evaluate)."""
        return self.folder / "models/ensemble.json"

    @property
    def intervals(self) -> Path:
        """Calibrated prediction intervals (stage evaluate)."""
        return self.folder / "models/intervals.json"

    @property
    def exported(self) -> Path:
        """Folder of the ONNX and TFLite files (stage export)."""
        return self.folder / "models/edge"

    @property
    def plots(self) -> Path:
        """Folder of plots and reports."""
        return self.folder / "plots"

    def metrics(self, name: str) -> Path:
        """A metrics file by its name without suffix: ``metrics("evaluate")``."""
        return self.folder / "metrics" / f"{name}.json"


@dataclass(frozen=True)
class TrackedPipeline(Pipeline):
    """A pipeline folder inside its git repository.

    Attributes
    ----------
    folder : absolute path of the pipeline folder
    root : absolute path of the repository
    """

    root: Path = Path()

    @property
    def relative(self) -> Path:
        """The folder relative to `root`, "." for the root."""
        return self.folder.relative_to(self.root)

    @property
    def name(self) -> str:
        """Name of the folder below pipelines/, "" for the root."""
        return "" if self.folder == self.root else self.folder.name

    def inside(self, path: Path | str) -> str:
        """A path in the pipeline folder as git and DVC write it: relative to `root`.

        >>> stores = TrackedPipeline(Path("/repo/pipelines/stores"), Path("/repo"))
        >>> stores.inside("dvc.lock"), stores.inside(stores.metrics("train"))
        ('pipelines/stores/dvc.lock', 'pipelines/stores/metrics/train.json')
        """
        return (self.folder / path).relative_to(self.root).as_posix()


def compilation_cache(folder: Path) -> Path:
    """Where the compiled programs of a pipeline are kept, for all pipelines of its repository.

    JAX names a program by its content, the compiler and the flags, so pipelines may share it: one
    whose arrays have the shapes of another one compiles nothing. Outside a repository of DVC each
    pipeline has its own.
    """
    folder = folder.resolve()
    homes = [home for home in (folder, *folder.parents) if (home / ".dvc").is_dir()]
    return (homes or [folder])[0] / ".cache/jax"
