"""Tab New data: what `init` would make of a file."""

import streamlit as st

from spline_lstm.page.elements import bullets, table
from spline_lstm.page.proposals import proposal_of
from spline_lstm.page.sources import Source

TYPES = ("csv", "tsv", "txt", "parquet")


def show_upload(_source: Source) -> None:
    """Take a file into memory and show the proposal; nothing is written, nothing is trained."""
    st.write(
        "What `init` would make of your table. The file stays in the memory of this page until you "
        "leave it: nothing is written to the disk, and nothing is trained."
    )
    file = st.file_uploader("CSV or Parquet file", type=list(TYPES))
    places = st.columns(2)
    named = places[0].text_input("Columns to forecast", placeholder="found in the file",
                                 help="several with a comma between them")  # fmt: skip
    series = places[1].text_input("Column of the series", placeholder="found in the file")
    if file is None:
        return
    targets = tuple(part for each in named.split(",") if (part := each.strip()))
    proposal = proposal_of(file.getvalue(), file.name, targets, series.strip())
    table(proposal.decisions, "What was decided, and why")
    if proposal.questions:
        st.warning("Please check:")
        bullets(proposal.questions)
    st.write("The command that makes a pipeline of it:")
    st.code(proposal.command, language=None, wrap_lines=True)
    with st.expander("Settings for params.yaml"):
        table(proposal.settings, "Proposed settings")
