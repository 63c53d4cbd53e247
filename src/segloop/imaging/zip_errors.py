"""What Python's zipfile raises for archives that are broken or lie, told from what is the disk's fault."""

import errno
import lzma
import struct
import zipfile
import zlib

RAISED: tuple[type[Exception], ...] = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(EOFError, RuntimeError, NotImplementedError, ValueError, OverflowError, OSError),
    LookupError,  # an entry without a name
)
"""To be caught; `require_zips_fault` then lets through what is not about the archive."""
_OF_A_ZIP = (None, errno.EINVAL, errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTDIR, errno.EEXIST)
"""bz2 gives no number, a place before the file's start EINVAL, and names that can't be files the rest."""


def require_zips_fault(error: Exception) -> None:
    """Raise an error again that the archive can't have caused, such as a full disk."""
    if isinstance(error, OSError) and error.errno not in _OF_A_ZIP:
        raise error
