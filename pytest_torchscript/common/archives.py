"""Archives that would fill the memory or the disk of whoever unpacks them."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

#: Weights hardly shrink; what shrinks to less than this was made to.
_MOST_TIMES = 1000


def bomb(path: str | os.PathLike[str]) -> str:
    """Say what an archive would unpack to, where that is a thousand times its own length and more; else an empty string."""
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
    except (
        OSError,
        ValueError,
        NotImplementedError,
        zipfile.BadZipFile,
    ):  # no archive, or one that its reader will refuse
        return ""
    packed = max(Path(path).stat().st_size, 1)
    if unpacked < _MOST_TIMES * packed:
        return ""
    return f"its {packed} bytes unpack to {unpacked}, {unpacked // packed} times as many: not unpacked"
