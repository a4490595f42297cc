"""The search for better hyperparameters, on the training and validation part alone."""
