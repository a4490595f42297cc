"""Task direction: the probability that a price rises, from the daily bars of many symbols."""

from dataclasses import replace

from spline_lstm.tasks.event import EVENT

DIRECTION = replace(
    EVENT,
    ingest="spline_lstm.market.preprocess:check_direction_table",
    preprocess="spline_lstm.market.preprocess:preprocess_direction",
    windows="spline_lstm.market.windows:direction_window_files",
    preprocessor="spline_lstm.market.preprocessor:load_direction_preprocessor",
    load_windows="spline_lstm.market.windows:load_direction_windows",
    config="spline_lstm.market.config:direction_config",
    backtest="",
    report="",
    scorer="",
    audit="spline_lstm.market.audit:audit_direction",
)
