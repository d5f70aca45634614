"""What can go wrong on the way to a working toolchain, said in one line."""


class ToolchainError(Exception):
    """A foreseeable failure. Its text is one line: what failed and what to do."""


class DownloadError(ToolchainError):
    """A file could not be fetched whole: no answer, an HTTP error, or cut off half way."""


class ChecksumError(ToolchainError):
    """A file came whole, but it is not the file that its publisher described."""


class InterruptedWorkError(ToolchainError):
    """The operator stopped the work; nothing half-made is left."""
