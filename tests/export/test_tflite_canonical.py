import copy

import numpy as np
import pytest

from spline_lstm.export.sessions import session_of
from spline_lstm.export.tflite_canonical import order_tflite, pack, unpack
from tests.export.oracle import make_inputs, make_option

# Several inputs, outputs and members; operators with several outputs.
OPTION = "independent decoder"


@pytest.fixture(scope="module")
def content(exported):
    return exported(".tflite", OPTION).content


def shuffled(content, random):
    """The same graph as a converter with another mood would have written it."""
    model = unpack(content)
    (graph,) = model.subgraphs
    double_a_constant(model, graph, random)
    graph.operators = other_order(graph, random)
    shuffle_tensors(model, graph, random)
    shuffle_buffers(model, graph, random)
    codes = random.permutation(len(model.operatorCodes))
    model.operatorCodes = [model.operatorCodes[old] for old in codes]
    for operator in graph.operators:
        operator.opcodeIndex = int(np.argsort(codes)[operator.opcodeIndex])
    return model


def double_a_constant(model, graph, random):
    constants = [
        index
        for index, tensor in enumerate(graph.tensors)
        if model.buffers[tensor.buffer].data is not None
    ]
    chosen = int(random.choice(constants))
    copied = copy.deepcopy(graph.tensors[chosen])
    model.buffers.append(copy.deepcopy(model.buffers[copied.buffer]))
    copied.buffer = len(model.buffers) - 1
    graph.tensors.append(copied)
    reader = [operator for operator in graph.operators if chosen in operator.inputs][-1]
    reader.inputs = [
        len(graph.tensors) - 1 if index == chosen else index for index in reader.inputs
    ]


def other_order(graph, random):
    """Operators in any order in which each comes after what it reads."""
    made = {index for operator in graph.operators for index in operator.outputs}
    waiting, ordered = list(graph.operators), []
    while waiting:
        ready = [operator for operator in waiting if not made & set(operator.inputs)]
        chosen = ready[random.integers(len(ready))]
        made -= set(chosen.outputs)
        waiting.remove(chosen)
        ordered.append(chosen)
    return ordered


def shuffle_tensors(model, graph, random):
    old = random.permutation(len(graph.tensors))
    new = [*np.argsort(old).tolist(), -1]
    graph.tensors = [graph.tensors[index] for index in old]
    for part in (*graph.operators, graph):
        part.inputs, part.outputs = (
            [new[index] for index in part.inputs],
            [new[index] for index in part.outputs],
        )
    (signature,) = model.signatureDefs
    for ends in (signature.inputs, signature.outputs):
        random.shuffle(ends)
        for end in ends:
            end.tensorIndex = new[end.tensorIndex]


def shuffle_buffers(model, graph, random):
    old = [0, *(1 + random.permutation(len(model.buffers) - 1)).tolist()]
    new = np.argsort(old).tolist()
    model.buffers = [model.buffers[index] for index in old]
    for part in (*graph.tensors, *model.metadata):
        part.buffer = new[part.buffer]


@pytest.mark.parametrize("seed", range(8))
def test_equal_graphs_become_equal_bytes(content, seed):
    model = shuffled(content, np.random.default_rng(seed))
    assert pack(model) != content
    order_tflite(model)
    assert pack(model) == content


def test_order_leaves_the_answers_as_they_are(content):
    inputs = make_inputs(make_option(OPTION), 3)
    other = pack(shuffled(content, np.random.default_rng(5)))
    expected = session_of(other, ".tflite").answer(inputs)
    for name, value in session_of(content, ".tflite").answer(inputs).items():
        np.testing.assert_array_equal(value, expected[name])


def test_tensors_stand_in_the_order_of_the_graph_and_nothing_is_idle(content):
    model = unpack(content)
    (graph,) = model.subgraphs
    seen = list(
        dict.fromkeys(
            [*graph.inputs, *(i for o in graph.operators for i in (*o.inputs, *o.outputs))]
        )
    )
    assert seen == list(range(len(graph.tensors)))
    buffers = [tensor.buffer for tensor in graph.tensors if tensor.buffer] + [
        item.buffer for item in model.metadata
    ]
    assert buffers == list(range(1, len(model.buffers)))
