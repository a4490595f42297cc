"""Task forecast: the values of the targets in the next steps, as points and intervals."""

from spline_lstm.tasks.task import Task

FORECAST = Task(
    windows="spline_lstm.windows.windows:make_windows",
    loss="spline_lstm.training.losses:forecast_loss",
    scores="spline_lstm.evaluation.forecast_scores:forecast_scores",
    tables="spline_lstm.evaluation.forecast_scores:forecast_tables",
    verdict="spline_lstm.evaluation.verdict:verdict",
    backtest="spline_lstm.evaluation.backtest:forecast_backtest",
    report="spline_lstm.evaluation.report:forecast_report",
    scorer="spline_lstm.store.forecasts:forecast_scorer",
)
