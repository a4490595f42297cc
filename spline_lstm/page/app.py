"""The script that Streamlit runs; its arguments are the pipeline folders."""

import sys
from pathlib import Path

from spline_lstm.page.shell import show_page
from spline_lstm.page.sources import find_sources

show_page(find_sources([Path(argument) for argument in sys.argv[1:]]))
