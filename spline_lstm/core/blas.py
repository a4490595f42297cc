"""How many threads NumPy's library for matrices has; to be said before NumPy is imported."""

import os


def limit_blas_threads() -> None:
    """One thread, unless OPENBLAS_NUM_THREADS says otherwise.

    The matrices of a pipeline have some hundred rows. Other threads would mostly wait for work, and
    they wait busily: on a loaded machine with two cores a linear fit took four times the CPU
    seconds, and no less time.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
