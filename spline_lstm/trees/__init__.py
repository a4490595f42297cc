"""Gradient-boosted trees: fit, predict, explain, save and load, by LightGBM and XGBoost."""
