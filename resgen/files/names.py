"""The names of files by which resgen knows what it made."""

from __future__ import annotations

from typing import Final

#: What a build or an export lists its files in.
MANIFEST: Final = "manifest.json"
#: What an import lists its files in.
IMPORT: Final = "import.json"
#: What a folder with a smaller network lists its files in.
SHRINK: Final = "shrink.json"
#: The keys by which such a file is told from those of others: of a network, of what was
#: made of somebody's file, of an import, and of a smaller network.
MARKS: Final = (
    "resgen_manifest",
    "resgen_file_manifest",
    "resgen_import",
    "resgen_shrink",
)
