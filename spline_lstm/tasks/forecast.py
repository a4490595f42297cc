"""Task forecast: the values of the targets in the next steps, as points and intervals."""

from spline_lstm.tasks.task import Task

FORECAST = Task(
    schema="spline_lstm.series.check_schema:check_series_schema",
    ingest="spline_lstm.tables.check_table:check_table",
    preprocess="spline_lstm.series.preprocess_folder:preprocess_folder",
    windows="spline_lstm.windows.window_files:window_files",
    preprocessor="spline_lstm.windows.preprocessor:load_preprocessor",
    load_windows="spline_lstm.windows.windows:load_windows",
    config="spline_lstm.models.config:model_config",
    loss="spline_lstm.training.losses:forecast_loss",
    rows="",
    scores="spline_lstm.evaluation.forecast_scores:score_forecasts",
    golden="spline_lstm.evaluation.golden:golden_arrays",
    tables="spline_lstm.evaluation.forecast_scores:forecast_tables",
    verdict="spline_lstm.evaluation.verdict:verdict",
    backtest="spline_lstm.evaluation.backtest:forecast_backtest",
    spec="spline_lstm.export.spec:load_spec",
    more_files="spline_lstm.export.export_all:no_more_files",
    report="spline_lstm.evaluation.report:forecast_report",
    scorer="spline_lstm.store.forecasts:forecast_scorer",
    model_id="",
    explain="",
    audit="spline_lstm.evaluation.audit_folder:audit_folder",
)
