"""Start Streamlit for the page: on this machine only, and without a word to anyone else."""

import importlib.util
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from spline_lstm.core.errors import MissingPackageError
from spline_lstm.page.errors import PageError
from spline_lstm.page.sources import Source

HOST = "127.0.0.1"
APP = Path(__file__).with_name("app.py")
MAX_UPLOAD_MB = 50
# Options of the command line of Streamlit, which win over every configuration file and variable.
# Its own defaults listen on all interfaces and send usage statistics.
OPTIONS = {
    "server_address": HOST,
    "server_headless": True,
    "server_baseUrlPath": "",
    # Pages of other sites can neither read this one nor press its buttons.
    "server_allowedHosts": [HOST, "localhost"],
    "server_enableCORS": True,
    "server_enableXsrfProtection": True,
    "server_fileWatcherType": "none",
    "server_maxUploadSize": MAX_UPLOAD_MB,
    "browser_gatherUsageStats": False,
    "browser_serverAddress": HOST,
    "client_toolbarMode": "minimal",
    # A mistake of the page itself is told in the terminal.
    "client_showErrorDetails": "none",
    "client_showErrorLinks": False,
    "global_developmentMode": False,
    "logger_hideWelcomeMessage": True,
    # On both pages the colours of the charts have a contrast of 3 or more, and text of 4.5: the
    # blue of the figures on the light one, their lighter blue on the dark one.
    "theme_light_backgroundColor": "#ffffff",
    "theme_dark_backgroundColor": "#121416",
    "theme_light_primaryColor": "#0072b2",
    "theme_dark_primaryColor": "#56b4e9",
    "theme_light_linkColor": "#0072b2",
    "theme_dark_linkColor": "#56b4e9",
}


def serve_page(sources: Sequence[Source], port: int) -> None:
    """Serve the page until SIGTERM or SIGINT.

    Parameters
    ----------
    sources : sequence of Source
        What it shows.
    port : int
        0: a free one.

    Raises
    ------
    MissingPackageError
        Streamlit is not installed.
    PageError
        The port is in use.
    """
    if importlib.util.find_spec("streamlit") is None:
        raise MissingPackageError(
            "this needs Streamlit, which is not installed; pip install 'spline-lstm[page]', or "
            "call `make dashboard`"
        )
    port = free_port(port)
    from streamlit.web import bootstrap  # noqa: PLC0415

    options = {**OPTIONS, "server_port": port, "browser_serverPort": port}
    bootstrap.load_config_options(options)
    sys.stdout.write(f"http://{HOST}:{port}\n")
    sys.stdout.flush()
    bootstrap.run(str(APP), False, [str(source.folder) for source in sources], options)


def free_port(port: int) -> int:
    """The port, or a free one for 0.

    Raises
    ------
    PageError
        Something listens on it.
    """
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError as error:
            raise PageError(
                f"cannot listen on {HOST} port {port} ({error.strerror or error}); stop what does, "
                "or give another --port"
            ) from None
        return listener.getsockname()[1]
