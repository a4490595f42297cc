"""Whether a store is whole: every file can be read, every model has its files."""

from spline_lstm.core.errors import StoreError
from spline_lstm.core.formatting import plural
from spline_lstm.store.files import Store, remove_strays
from spline_lstm.store.predictions import read_predictions
from spline_lstm.store.registry import FAILED, Registry


def check_store(store: Store) -> str:
    """Read the whole store; returns what is in it. What dead writers left is removed.

    Raises
    ------
    StoreError
        A file of predictions is damaged, the registry is, or a model has lost its files.
    """
    strays = remove_strays(store.predictions) + remove_strays(store.models)
    registry = Registry(store.registry)
    found = registry.check()
    if found != "ok":
        raise StoreError(f"{store.registry} is damaged: {found}; restore it from a backup")
    models = registry.models()
    for model in models:
        if model.status != FAILED:
            registry.folder(model)
    rows = read_predictions(store.predictions)
    return (
        f"{store.predictions}: {plural(len(rows), 'row')}; {store.registry}: "
        f"{plural(len(models), 'model')}; {plural(strays, 'stray file')} removed"
    )
