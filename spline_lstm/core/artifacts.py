"""Reading and writing of artefacts: atomically, deterministically, without pickles.

A file is written under a temporary name and renamed, so that a killed process leaves the
previous file or none. Content ids chain the artefacts: preprocessor -> model -> export.
"""

import hashlib
import io
import json
import math
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spline_lstm.core.errors import ArtifactError

SIGNIFICANT_DIGITS = 6
LIBRARY = Path(__file__).parents[1]
# A zip member names the system that wrote it; it must not depend on the machine.
UNIX = 3


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Call `write` with a temporary path beside `path`, then rename it to `path`.

    The temporary name keeps the suffix of `path`, for writers that look at it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".tmp-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def replace_folder(new: Path, path: Path) -> None:
    """Rename the folder `new` to `path`; a folder that is there goes once the new one has its name.

    Between the two renames neither has the name, but both are whole.
    """
    old = path.with_name(f".old-{path.name}")
    shutil.rmtree(old, ignore_errors=True)
    if path.is_dir():
        path.rename(old)
    new.rename(path)
    shutil.rmtree(old, ignore_errors=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path` atomically."""
    write_atomically(path, lambda temporary: temporary.write_bytes(content))


def write_text(path: Path, content: str) -> None:
    """Write UTF-8 text with Unix line ends to `path` atomically."""
    write_bytes(path, content.encode("utf-8"))


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON in the order of the keys, two spaces of indentation, one final newline."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_metrics(path: Path, content: Mapping[str, Any]) -> None:
    """Write a metrics file: floats to six significant digits, non-finite floats as null."""
    write_json(path, rounded(content))


def rounded(value: Any) -> Any:
    """Round every float inside nested mappings and sequences to six significant digits.

    >>> rounded({"rmse": 12.34567891, "n": 3, "r2": float("nan")})
    {'rmse': 12.3457, 'n': 3, 'r2': None}
    """
    if isinstance(value, Mapping):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    if isinstance(value, float | np.floating):
        number = float(value)
        return float(f"{number:.{SIGNIFICANT_DIGITS}g}") if math.isfinite(number) else None
    if isinstance(value, np.integer | np.bool_):
        return value.item()
    return value


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object that a stage wrote.

    Raises
    ------
    ArtifactError
        The file is missing or is not a JSON object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _unreadable(path, error) from None
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"{path} is damaged ({error}); run `dvc repro` again") from None
    if not isinstance(content, dict):
        raise ArtifactError(f"{path} is not a JSON object; run `dvc repro` again")
    return content


def with_run_id(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content of preprocessor.json after its run id, the content id of everything else."""
    rest = {key: value for key, value in content.items() if key != "run_id"}
    return {"run_id": content_id(rest), **rest}


def read_preprocessor(path: Path) -> dict[str, Any]:
    """Read preprocessor.json as it was written.

    Raises
    ------
    ArtifactError
        The file is missing or damaged, or was changed after it was written: its run id does not
        fit its content.
    """
    content = read_json(path)
    actual = with_run_id(content)["run_id"]
    if content.get("run_id") != actual:
        raise ArtifactError(
            f"{path} was changed after it was written: its run id is {content.get('run_id')}, but "
            f"its content has {actual}; run `dvc repro`"
        )
    return content


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write an uncompressed .npz; equal arrays give equal bytes.

    `numpy.savez` writes members of unknown length, which patch releases of Python mark differently;
    here the length of each member is known when it is written.
    """

    def write(temporary: Path) -> None:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
            for name, array in arrays.items():
                member = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
                member.create_system, member.external_attr = UNIX, 0o644 << 16
                content = io.BytesIO()
                np.lib.format.write_array(content, np.asarray(array), allow_pickle=False)
                archive.writestr(member, content.getbuffer())

    write_atomically(path, write)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read all arrays of an .npz file.

    Raises
    ------
    ArtifactError
        The file is missing or damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return {
                member.removesuffix(".npy"): _read_member(archive, member)
                for member in archive.namelist()
            }
    except OSError as error:
        raise _unreadable(path, error) from None
    # NumPy and zipfile raise many types of errors for damaged files.
    except Exception as error:
        raise ArtifactError(f"{path} is damaged ({error}); run `dvc repro` again") from None


def _read_member(archive: zipfile.ZipFile, member: str) -> np.ndarray:
    with archive.open(member) as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def _unreadable(path: Path, error: OSError) -> ArtifactError:
    if isinstance(error, FileNotFoundError):
        return ArtifactError(f"{path} is missing; run `dvc repro` to make it")
    return ArtifactError(f"{path} cannot be read ({error.strerror}); run `dvc repro` to make it")


def code_files(*folders: str) -> list[Path]:
    """The modules of some folders of the library, sorted, whose hashes unfinished work names."""
    return sorted(path for folder in folders for path in (LIBRARY / folder).glob("*.py"))


def sha256_of_file(path: Path) -> str:
    """SHA-256 of a file's bytes, as hexadecimal text."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class Blocks:
    """Bytes of a part of `content_id` that come block by block, `size` of them in all."""

    size: int
    blocks: Iterable[bytes | memoryview]


def content_id(*parts: bytes | memoryview | str | Mapping[str, Any] | Blocks) -> str:
    """Hash of the contents: 16 hexadecimal digits, independent of time, path and key order.

    >>> content_id({"a": 1, "b": 2}) == content_id({"b": 2, "a": 1})
    True
    >>> content_id(b"ab") == content_id(Blocks(2, [b"a", b"b"]))
    True
    """
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, Blocks):
            digest.update(part.size.to_bytes(8, "little"))
            for piece in part.blocks:
                digest.update(piece)
            continue
        text = (
            json.dumps(part, sort_keys=True, separators=(",", ":"))
            if isinstance(part, Mapping)
            else part
        )
        block = memoryview(text.encode("utf-8") if isinstance(text, str) else text).cast("B")
        # Not one block with its length in front: that would copy arrays of any size.
        digest.update(len(block).to_bytes(8, "little"))
        digest.update(block)
    return digest.hexdigest()[:16]
