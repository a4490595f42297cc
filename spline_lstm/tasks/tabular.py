"""Task tabular: a class or a number for each row of a table."""

from spline_lstm.tasks.task import Task

TABULAR = Task(
    schema="spline_lstm.rows.check_rows_table:check_rows_schema",
    ingest="spline_lstm.rows.check_rows_table:check_rows_table",
    preprocess="spline_lstm.rows.preprocess_folder:preprocess_rows_folder",
    windows="spline_lstm.rows.preprocess_folder:split_files",
    preprocessor="spline_lstm.rows.preprocessor:load_row_preprocessor",
    load_windows="spline_lstm.rows.arrays:load_rows",
    config="spline_lstm.models.row_config:row_config",
    loss="spline_lstm.training.row_loss:row_loss",
    rows="spline_lstm.trees.row_data:row_tree_data",
    scores="spline_lstm.evaluation.row_scores:score_rows",
    golden="spline_lstm.evaluation.row_golden:row_golden",
    tables="spline_lstm.evaluation.row_scores:row_tables",
    verdict="spline_lstm.evaluation.row_scores:row_verdict",
    backtest="",
    spec="spline_lstm.export.row_folder:load_row_spec",
    more_files="spline_lstm.export.row_trees:row_tree_files",
    report="spline_lstm.evaluation.row_report:row_report",
    scorer="",
    model_id="spline_lstm.store.rows:row_model_id",
    explain="",
    audit="spline_lstm.evaluation.row_leakage:audit_rows_folder",
    unit="row",
)
