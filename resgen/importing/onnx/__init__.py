"""From an ONNX file that anybody wrote to a graph: :func:`~.read.read`."""
