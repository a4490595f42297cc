"""The pipeline run with several models, feature modes and seeds as DVC experiments, to compare."""
