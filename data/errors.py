"""The bases of all errors and warnings that absentia raises on purpose.

Each is also what Python or its users expect there, so that ``except ValueError`` goes on working;
``except absentia.AbsentiaError`` catches what absentia refuses and lets through what is broken.

>>> import absentia as ab
>>> try:
...     ab.IncompleteData.from_numpy([[1.0], [2.0]], columns=["pay", "age"])
... except ab.AbsentiaError as error:
...     print(isinstance(error, ValueError))
True
"""

from __future__ import annotations


class AbsentiaError(Exception):
    """The base of every error that absentia raises on purpose."""


class AbsentiaWarning(UserWarning):
    """The base of every warning that absentia gives."""


class AbsentiaDeprecationWarning(AbsentiaWarning, DeprecationWarning):
    """An old name was used, which works for one more version; the message gives the new one."""


class InputError(AbsentiaError, ValueError):
    """A value that cannot be used; the message says what was given and what is allowed."""


class KindError(AbsentiaError, TypeError):
    """An object of a type that cannot be used, or an argument that does not exist."""


class NameLookupError(AbsentiaError, KeyError):
    """A name that is not there; the message lists the names that are."""


class FileError(AbsentiaError, OSError):
    """A file or folder that cannot be read, fetched or written."""


class FolderInsteadError(FileError, IsADirectoryError):
    """A folder where a file is to be written."""


class NoFolderError(FileError, FileNotFoundError):
    """The folder of a file that is to be written does not exist."""


class NotInstalledError(AbsentiaError, ImportError):
    """An optional library that is needed here and is not installed."""


class AnalysisError(AbsentiaError, RuntimeError):
    """A user's analysis of a completed table failed; the cause is attached."""
