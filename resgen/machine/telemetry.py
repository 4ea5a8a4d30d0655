"""What libraries would tell about this machine, and how it is kept from them."""

from __future__ import annotations

import os
from typing import Final

#: Under the names that releases of ONNX Runtime know.
_NO_TELEMETRY: Final = ("ORT_DISABLE_TELEMETRY", "ORT_TELEMETRY_DISABLED")


def switch_off() -> None:
    """Switch ONNX Runtime's telemetry off, unless the user's environment says else.

    Its builds for Linux send events, and keep an identifier of the device in the cache
    folder of the user. Whether they do is settled when the library is loaded, so this
    comes before (https://github.com/microsoft/onnxruntime/pull/27379).
    """
    for name in _NO_TELEMETRY:
        os.environ.setdefault(name, "1")
