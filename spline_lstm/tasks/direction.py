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
    rows="spline_lstm.market.day_rows:direction_tree_rows",
    scores="spline_lstm.evaluation.direction_scores:score_direction",
    tables="spline_lstm.evaluation.direction_scores:direction_tables",
    verdict="spline_lstm.evaluation.day_content:day_verdict",
    backtest="spline_lstm.evaluation.day_backtest:day_backtest",
    more_files="spline_lstm.export.direction_files:direction_files",
    report="spline_lstm.evaluation.day_report:day_report",
    scorer="spline_lstm.store.direction:direction_scorer",
    model_id="",
    explain="spline_lstm.store.direction:explain_direction",
    audit="spline_lstm.market.audit:audit_direction",
)
