"""Settings of one service, which the command line gives and every worker process reads."""

import hmac
import json
import os
from dataclasses import asdict, dataclass
from typing import Self

VARIABLE = "SPLINE_LSTM_SERVICE"
KEY_VARIABLE = "SPLINE_LSTM_API_KEY"


@dataclass(frozen=True)
class Settings:
    """What a service serves, and its limits.

    Attributes
    ----------
    folders : pipeline folders, absolute
    max_body : bytes of a body
    max_rows : rows of one series, history and rows ahead each
    max_series : series of one call, and windows of a call with raw tensors
    timeout : seconds for a call
    reload_seconds : seconds between two looks at the registries
    json_logs : one JSON object a line instead of text
    origins : sites whose pages may call the service (CORS)
    """

    folders: tuple[str, ...]
    max_body: int = 10_000_000
    max_rows: int = 100_000
    max_series: int = 1_000
    timeout: float = 30.0
    reload_seconds: float = 5.0
    json_logs: bool = False
    origins: tuple[str, ...] = ()

    def to_environment(self) -> None:
        """Leave the settings for worker processes."""
        os.environ[VARIABLE] = json.dumps(asdict(self))

    @classmethod
    def from_environment(cls) -> Self:
        """What `to_environment` left."""
        content = json.loads(os.environ[VARIABLE])
        return cls(
            **{
                **content,
                "folders": tuple(content["folders"]),
                "origins": tuple(content["origins"]),
            }
        )


def key_accepted(given: bytes | None) -> bool:
    """Whether a call has the key that the environment asks for; compared in constant time."""
    key = os.environ.get(KEY_VARIABLE, "")
    return not key or hmac.compare_digest((given or b""), key.encode())
