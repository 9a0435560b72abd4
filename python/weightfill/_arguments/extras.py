"""What is installed by an extra only, and the message where it is not."""

from __future__ import annotations


class NotInstalledError(ImportError):
    """A package is not installed that an extra of weightfill brings.

    >>> str(NotInstalledError("create_csr", "scipy", "scipy"))
    "create_csr needs scipy: pip install 'weightfill[scipy]'"
    """

    def __init__(self, what: str, package: str, extra: str) -> None:
        super().__init__(f"{what} needs {package}: pip install 'weightfill[{extra}]'", name=package)
