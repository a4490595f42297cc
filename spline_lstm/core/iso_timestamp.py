"""Timestamps as text."""

import pandas as pd


def iso_timestamp(ns: int) -> str:
    """A timestamp as ISO 8601 in UTC.

    >>> iso_timestamp(1_269_424_260_000_000_000)
    '2010-03-24T09:51:00Z'
    """
    return pd.Timestamp(ns, unit="ns").isoformat() + "Z"
