"""One module per DVC stage, run as ``python -m stages.NAME [FOLDER]``."""

from spline_lstm.core.blas import limit_blas_threads

limit_blas_threads()
