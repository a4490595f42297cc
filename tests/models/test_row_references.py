"""FT-Transformer and TabM beside the packages of their authors, with the same weights.

Needs the extra `peers`; without it the tests are skipped.
"""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
import pytest
from flax import nnx

from spline_lstm.models.build import build, to_arrays
from spline_lstm.models.row_config import RowConfig, quantile_bins

torch = pytest.importorskip("torch", reason="the extra peers is not installed")

ROWS, SIZES = 64, (4, 7)
NAMES = ("a", "b", "c", "d", "e")


def inputs() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(ROWS, len(NAMES))).astype(np.float32)
    # A number with few values has fewer pieces, one with two values has a single piece.
    numbers[:, 1] = np.round(numbers[:, 1])
    numbers[:, 2] = numbers[:, 2] > 0
    ids = rng.integers(0, SIZES, size=(ROWS, len(SIZES))).astype(np.int32)
    return numbers, np.zeros(numbers.shape, bool), ids


def make_config(model_type: str, **options: Any) -> RowConfig:
    return RowConfig(
        model_type,
        "classification",
        "y",
        ("no", "maybe", "yes"),
        NAMES,
        ("f", "g"),
        SIZES,
        **options,
    )


def randomized(config: RowConfig) -> tuple[Any, dict[str, np.ndarray]]:
    """A network whose weights are all random, also those that start at zero or one."""
    network: Any = build(config, key=jax.random.key(0))
    state = nnx.state(network, nnx.Param)
    leaves, tree = jax.tree.flatten(state)
    keys = jax.random.split(jax.random.key(1), len(leaves))
    drawn = [
        leaf + 0.3 * jax.random.normal(key, leaf.shape)
        for leaf, key in zip(leaves, keys, strict=True)
    ]
    nnx.update(network, jax.tree.unflatten(tree, drawn))
    return network, to_arrays(nnx.state(network, nnx.Param))


def load(module: Any, weights: Mapping[str, np.ndarray]) -> None:
    """Weights by the names of the reference, which must be all that it has."""
    found = {name: torch.from_numpy(np.array(value)) for name, value in weights.items()}
    buffers = dict(module.named_buffers())
    module.load_state_dict({**buffers, **found}, strict=True)
    module.eval()


def linear(name: str, ours: str, weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {
        f"{name}.weight": weights[f"{ours}.kernel"].T,
        f"{name}.bias": weights[f"{ours}.bias"],
    }


def norm(name: str, ours: str, weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {f"{name}.weight": weights[f"{ours}.scale"], f"{name}.bias": weights[f"{ours}.bias"]}


def largest_difference(ours: Any, theirs: Any) -> float:
    """Relative to the largest output."""
    ours, theirs = np.asarray(ours), theirs.detach().numpy()
    assert ours.shape == theirs.shape
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


def test_ft_transformer_computes_what_its_reference_computes():
    rtdl = pytest.importorskip("rtdl_revisiting_models", reason="the extra peers is not installed")
    config = make_config("ft_transformer", blocks=3, width=192, dropout=0.1)
    ours, w = randomized(config)
    theirs = rtdl.FTTransformer(
        n_cont_features=len(NAMES),
        cat_cardinalities=list(SIZES),
        d_out=3,
        **rtdl.FTTransformer.get_default_kwargs(n_blocks=3),
    )
    tables = np.split(w["categories.table"], np.cumsum(SIZES)[:-1])
    copied = {
        "cls_embedding.weight": w["cls"],
        "cont_embeddings.weight": w["numbers.kernel"],
        "cont_embeddings.bias": w["numbers.bias"],
        "cat_embeddings.bias": w["categories.bias"],
        **{f"cat_embeddings.embeddings.{i}.weight": table for i, table in enumerate(tables)},
        **norm("backbone.output.normalization", "norm", w),
        **linear("backbone.output.linear", "head", w),
    }
    layers = {"W_q": "query", "W_k": "key", "W_v": "value", "W_out": "out"}
    for index in range(3):
        name, block = f"backbone.blocks.{index}", f"blocks.{index}"
        for layer, own in layers.items():
            copied |= linear(f"{name}.attention.{layer}", f"{block}.attention.{own}", w)
        copied |= linear(f"{name}.ffn.linear1", f"{block}.hidden", w)
        copied |= linear(f"{name}.ffn.linear2", f"{block}.out", w)
        copied |= norm(f"{name}.ffn_normalization", f"{block}.norm", w)
        if index:
            copied |= norm(f"{name}.attention_normalization", f"{block}.attention_norm", w)
    load(theirs, copied)
    numbers, missing, ids = inputs()
    expected = theirs(torch.from_numpy(numbers), torch.from_numpy(ids.astype(np.int64)))
    difference = largest_difference(ours(numbers, missing, ids), expected)
    assert difference < 1e-5


@pytest.mark.filterwarnings("ignore:The 2-th feature has just two bin edges")
def test_tabm_computes_what_its_reference_computes():
    tabm = pytest.importorskip("tabm", reason="the extra peers is not installed")
    embeddings = pytest.importorskip("rtdl_num_embeddings")
    numbers, missing, ids = inputs()
    bins = quantile_bins(numbers, missing, 8)
    config = make_config(
        "tabm", blocks=2, width=64, dropout=0.1, members=8, embedding=16, bins=bins
    )
    ours, w = randomized(config)
    theirs = tabm.TabM.make(
        n_num_features=len(NAMES),
        cat_cardinalities=list(SIZES),
        d_out=3,
        num_embeddings=embeddings.PiecewiseLinearEmbeddings(
            [torch.tensor(edges) for edges in bins], 16, activation=False, version="B"
        ),
        arch_type="tabm-mini",
        k=8,
        d_block=64,
    )
    # The reference keeps the last piece of every number at the end.
    kernel = np.zeros_like(w["numbers.piece_kernel"])
    for index, edges in enumerate(bins):
        last = len(edges) - 2
        kernel[index, :last] = w["numbers.piece_kernel"][index, :last]
        kernel[index, -1] = w["numbers.piece_kernel"][index, last]
    load(
        theirs,
        {
            "num_module.linear0.weight": w["numbers.linear.kernel"],
            "num_module.linear0.bias": w["numbers.linear.bias"],
            "num_module.linear.weight": kernel,
            "backbone.affine.weight": w["scaling"],
            **linear("backbone.blocks.0.0", "blocks.0", w),
            **linear("backbone.blocks.1.0", "blocks.1", w),
            "output.weight": w["head_kernel"],
            "output.bias": w["head_bias"],
        },
    )
    members = theirs(torch.from_numpy(numbers), torch.from_numpy(ids.astype(np.int64)))
    expected = torch.softmax(members, dim=-1).mean(dim=1)
    probabilities = jax.nn.softmax(ours(numbers, missing, ids))
    difference = largest_difference(probabilities, expected)
    assert difference < 1e-5
