"""Where a device is: ``ssh://[USER@]HOST[:PORT][/PYTHON]``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from resgen.options.kinds import Kind, told

_FORM: Final = re.compile(
    r"ssh://(?:(?P<user>[^@/:\s\0-][^@/:\s\0]*)@)?"
    r"(?:\[(?P<ip>[0-9A-Fa-f:.]+(?:%\w+)?)\]|(?P<name>\w[\w.-]*))"
    r"(?::(?P<port>\d{1,5}))?(?P<python>/[^\0\n]*)?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Address:
    """A host as ssh knows it; ``python`` is the program there, found on its path.

    As text it is what a person calls the host: without the port and the program.
    """

    host: str
    user: str | None = None
    port: int | None = None
    python: str = "python3"

    def __str__(self) -> str:
        return self.host if self.user is None else f"{self.user}@{self.host}"

    @property
    def url(self) -> str:
        """The address as it is written."""
        user = "" if self.user is None else f"{self.user}@"
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port is None else f":{self.port}"
        python = self.python if self.python.startswith("/") else ""
        return f"ssh://{user}{host}{port}{python}"


def _address(value: Any) -> Address:
    if isinstance(value, Address):
        return value
    found = _FORM.fullmatch(value) if isinstance(value, str) else None
    port = int(found["port"] or 22) if found else 0
    if found is None or not 0 < port < 2**16 or found["python"] == "/":
        raise ValueError(
            f"{told(value)} is no address such as ssh://pi@board or "
            "ssh://board:2222/opt/venv/bin/python"
        )
    return Address(
        found["ip"] or found["name"],
        found["user"],
        port if found["port"] else None,
        found["python"] or "python3",
    )


ADDRESS: Final = Kind(
    "ssh://[USER@]HOST[:PORT]", _address, _address, lambda address: address.url
)
