"""Daily bars of securities: features, labels, windows and their audit."""
