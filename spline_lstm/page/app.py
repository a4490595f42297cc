"""The script that Streamlit runs; its arguments are the pipeline folders."""

import sys
from pathlib import Path

from spline_lstm.page.shell import show_page
from spline_lstm.page.sources import find_sources

# As a module it is only looked at, such as for examples in its documentation.
if __name__ == "__main__":
    show_page(find_sources([Path(argument) for argument in sys.argv[1:]]))
