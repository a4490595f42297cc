"""The checksum inside an exported file: one flipped byte of the file is found before it is used.

The metadata of a file (`EdgeSpec.metadata`) has the key ``sha256``: the SHA-256 of the whole file,
taken while its own 64 digits are zeros. It is found by its key in the bytes, so that ONNX and
TFLite files are checked in the same way and without parsing what may be damaged.
"""

import hashlib

from spline_lstm.core.errors import ArtifactError

KEY = "sha256"
BLANK = "0" * 64
MARK = f'"{KEY}": "'.encode()


def sealed(content: bytes) -> bytes:
    """The content of a file with the checksum in its place, whatever was there before.

    Raises
    ------
    ValueError
        The file has no such place, or more than one.

    >>> sealed(b'a "sha256": "' + b"0" * 64 + b'" b')[:21]
    b'a "sha256": "f8ae4810'
    """
    place = _place(content)
    return content[: place.start] + _digest(content, place) + content[place.stop :]


def check_seal(content: bytes, where: str) -> None:
    """Raise ArtifactError if a file is not the one that was exported; `where` names it."""
    try:
        place = _place(content)
    except ValueError as error:
        raise ArtifactError(
            f"{where} {error}: it is damaged, or was not exported by this version of the code; "
            "export it again with `dvc repro`"
        ) from None
    if content[place] != _digest(content, place):
        raise ArtifactError(
            f"{where} is damaged: its bytes do not fit the checksum in its metadata; restore it "
            "with `dvc checkout`, or copy it again from where it came"
        )


def _place(content: bytes) -> slice:
    """Where the digits of the checksum are."""
    if content.count(MARK) != 1:
        raise ValueError("has no checksum in its metadata")
    start = content.index(MARK) + len(MARK)
    return slice(start, start + len(BLANK))


def _digest(content: bytes, place: slice) -> bytes:
    digest = hashlib.sha256(content[: place.start])
    digest.update(BLANK.encode())
    digest.update(content[place.stop :])
    return digest.hexdigest().encode()
