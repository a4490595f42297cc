"""Tab Models: the registry, and the promotion of a model."""

from datetime import UTC, datetime

import streamlit as st

from spline_lstm.core.errors import SplineLstmError
from spline_lstm.page.elements import error_lines, note, nothing_yet, table
from spline_lstm.page.models import comparison_with, models_frame, params_of, refusal
from spline_lstm.page.reading import plain_text
from spline_lstm.page.sources import Source
from spline_lstm.store.registry import Model, Registry

# What was promoted last, to be said once the dialog is closed.
SAID = "promoted"
# The model that the dialog asks about, as long as it is open.
ASKED = "promoting"


def show_models(source: Source) -> None:
    """All models; one of them with its metrics and params, to be promoted."""
    registry = Registry(source.store.registry)
    models = registry.models()
    if not models:
        nothing_yet("No models are registered yet.", source.command("train"))
        return
    said = st.session_state.pop(SAID, "")
    if said:
        st.success(said)
    table(models_frame(models), "Registered models, the newest first")
    by_id = {model.model_id: model for model in models}
    chosen = st.selectbox("Model", list(by_id), format_func=lambda name: _named(by_id[name]))
    model = by_id[chosen or models[0].model_id]
    promoted = registry.promoted(model.task_id)
    metrics = comparison_with(model, promoted).reset_index()
    table(metrics, "Metrics of the model, beside those of the promoted one")
    reason = refusal(model)
    pressed = st.button("Promote", disabled=bool(reason), help=f"Not now: {reason}" if reason
                        else "score and serve take the promoted model")  # fmt: skip
    if reason:
        note(f"This model cannot be promoted: {reason}.")
    if pressed:
        st.session_state[ASKED] = model.model_id
    if st.session_state.get(ASKED) == model.model_id:
        _confirm(registry, model, promoted)
    with st.expander("Params of the model"):
        st.json(params_of(model), expanded=1)


def _named(model: Model) -> str:
    return f"{model.model_id} ({model.status}, {model.created_at[:10]})"


def _close() -> None:
    st.session_state.pop(ASKED, None)


@st.dialog("Promote this model?", on_dismiss=_close)
def _confirm(registry: Registry, model: Model, promoted: Model | None) -> None:
    before = "No model is promoted now."
    if promoted is not None:
        before = f"It takes the place of {plain_text(promoted.model_id)}, which is kept."
    st.write(
        f"score and serve take {plain_text(model.model_id)} from then on. {before} To go back, "
        "promote the previous model again."
    )
    accept, cancel = st.columns(2)
    if accept.button("Yes, promote it", type="primary", width="stretch"):
        try:
            registry.promote(model.model_id, datetime.now(UTC).isoformat(timespec="seconds"))
        except SplineLstmError as error:
            error_lines(error)
        else:
            _close()
            st.session_state[SAID] = f"{plain_text(model.model_id)} is promoted."
            st.rerun()
    if cancel.button("Cancel", width="stretch"):
        _close()
        st.rerun()
