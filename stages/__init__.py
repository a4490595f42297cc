"""One module per DVC stage, run as ``python -m stages.NAME [FOLDER]``."""

from spline_lstm.core.blas import limit_blas_threads
from spline_lstm.core.garbage import pause_for_module
from spline_lstm.core.interrupts import end_quietly_before

limit_blas_threads()
pause_for_module()
end_quietly_before("stage")
