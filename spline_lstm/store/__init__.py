"""Stored predictions and registered models: what scoring and retraining keep from call to call."""
