"""TensorRT's descriptions of engines, and its messages."""

from __future__ import annotations

import pytest

from resgen.tensorrt.layers import describe
from resgen.tensorrt.listening import reasons, unrelated

# As TensorRT for RTX 1.7 prints layers, shortened. The first is no kernel, and the
# second reads weights alone.
ELEVEN = (
    "Layers:\n"
    "Name: __mye2175_0_myl0_0, LayerType: shape_call, Inputs: [], Constants: [], "
    "Outputs: [], TacticName: , StreamId: 0, Metadata: \n"
    "Name: weights_myl0_1, LayerType: kgen, Inputs: [], Constants: [ { Name: w, "
    "Dimensions: [16,4,3,3], Datatype: Int8, Format: (NHWC) Channel major format }], "
    "Outputs: [ { Name: v, Dimensions: [16,4,3,3], Datatype: Half, Format: (NHWC) "
    "Channel major format }], TacticName: t, Metadata: [ONNX Layer: conv1/weight]\n"
    "Name: conv1_U70_myl0_2, LayerType: correlation, Inputs: [ { Name: x, Dimensions: "
    "[-1,4,32,32], Strides: [4096,1,128,4], StrideOrder: [3,0,2,1], Datatype: Int8, "
    "Format: (NHWC) Channel major format }], Constants: [ { Name: w, Dimensions: "
    "[16,4,3,3], Datatype: Float, Format: (NHWC) Channel major format }], Outputs: [ { "
    "Name: y, Dimensions: [-1,16,32,32], Datatype: Half, Format: (NHWC) Channel major "
    "format }], TacticName: t, StreamId: 0, Metadata: [ONNX Layer: conv1]\x1f"
    "[ONNX Layer: input.dequantize]\x1e[ONNX Layer: conv1/weight]\n\n"
    "I/O Tensors:\n Name: input, IOMode: Input, DataType: Float\n"
)
# The same of TensorRT 10, where format and type are one phrase.
TEN = (
    "Layers:\nName: conv1 + act, LayerType: CaskConvolution, Inputs: [ { Name: x, "
    "Location: Device, Dimensions: [1,3,8,8], Format/Datatype: Channel major FP16 "
    "format where channel % 8 == 0 }], Outputs: [ { Name: y, Location: Device, "
    "Dimensions: [1,8,8,8], Format/Datatype: Row major linear FP32 format }], "
    "ParameterType: Convolution, Metadata: [ONNX Layer: conv1]\x1e[ONNX Layer: act]\n"
)


def test_a_layer_says_its_types_and_the_nodes_in_it():
    found = describe(ELEVEN, "build log", "sm_89", 8)
    assert found == {
        "source": "build log",
        "target": "sm_89",
        "precisions": {"int8": 2},
        "kernels": 2,
        # int8 in, float weights, fp16 out, and weights that become fp16.
        "bytes": 8 * 4 * 32 * 32 + 4 * 576 + 2 * 8 * 16 * 32 * 32 + 576 + 2 * 576,
        "layers": [
            {
                "name": "weights_myl0_1",
                "type": "kgen",
                "precision": "int8",
                "outputs": ["fp16"],
                "nodes": ["conv1/weight"],
            },
            {
                "name": "conv1_U70_myl0_2",
                "type": "correlation",
                "precision": "int8",
                "outputs": ["fp16"],
                "nodes": ["conv1", "input.dequantize", "conv1/weight"],
            },
        ],
    }


def test_older_descriptions_are_read_too():
    found = describe(TEN, "engine inspector", "sm_89")
    assert found["bytes"] == 2 * 3 * 8 * 8 + 4 * 8 * 8 * 8
    (layer,) = found["layers"]
    assert layer["precision"] == "fp16"
    assert layer["outputs"] == ["fp32"]
    assert layer["nodes"] == ["conv1", "act"]


def test_no_description_is_no_layers():
    assert describe("", "build log", "sm_89")["layers"] == []


def test_bytes_are_not_made_up_where_more_than_the_batch_is_open():
    told = describe(ELEVEN.replace("[-1,4,32,32]", "[-1,4,-1,32]"), "log", "sm_89")
    assert (told["kernels"], told["bytes"]) == (2, None)


@pytest.mark.parametrize(
    "message",
    [
        "[checkMacros.cpp::catchCudaError::250] Error Code 1: Cuda Runtime (In "
        "catchCudaError at /_src/checkMacros.cpp:250 (cudaError 35: CUDA driver "
        "version is insufficient for CUDA runtime version))",
        "Unable to determine GPU memory usage: CUDA error code: 35",
    ],
)
def test_the_missing_driver_is_not_the_reason(message):
    assert unrelated(message)
    assert reasons(f"Resize: bad\n{message}") == ["Resize: bad"]


def test_other_cuda_errors_are_reasons():
    assert not unrelated("Cuda Runtime (cudaError 2: out of memory)")
    assert not unrelated("Cuda Runtime (cudaError 350: whatever)")


def test_places_in_the_sources_of_tensorrt_are_left_out():
    told = "API Usage Error (b: has type Int32. In checkType at /_src/nodeBase.cpp:456)"
    assert reasons(told) == ["API Usage Error (b: has type Int32.)"]
