"""The search for better hyperparameters, on training and validation data only."""
