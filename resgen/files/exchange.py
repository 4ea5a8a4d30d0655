"""Two folders change places in one step, where the system can do that."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Any, Final

#: renameat2(2) and its RENAME_EXCHANGE; AT_FDCWD of <fcntl.h>.
_EXCHANGE: Final = 2
_HERE: Final = -100
#: A kernel, a sandbox or a file system (NFS, FAT) that knows no exchange.
_UNKNOWN: Final = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM}


def exchange(one: Path, other: Path) -> bool:
    """Swap what lies at two paths of one file system: at no instant is either missing.

    False, and nothing done, where the system cannot. Raises :class:`OSError`.
    """
    call = _renameat2()
    if call is None:
        return False
    import ctypes

    if call(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _UNKNOWN:
        return False
    raise OSError(number, os.strerror(number), str(other))


def _renameat2() -> Any:
    if sys.platform != "linux":
        return None
    import ctypes

    return getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
