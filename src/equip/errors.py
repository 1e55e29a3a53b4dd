"""Every error that equip raises on purpose. Each message says what, where and what to do."""

from __future__ import annotations


class EquipError(Exception):
    """Root of all errors of equip."""


class UnsupportedPythonError(EquipError):
    """This interpreter's bytecode is not one that equip knows."""


class InvalidCodeError(EquipError):
    """A code object, or one of its tables, is damaged or of another interpreter."""


class SnippetError(EquipError):
    """A snippet cannot be compiled, or not for this target: the user's mistake."""


class JoinPointError(EquipError):
    """The place asked for does not exist in this code."""


class ProbeError(EquipError):
    """A probe is asked for in a way that has no meaning: a malformed place, an impossible option."""


class PatchError(EquipError):
    """What is to be patched has no Python code, or none that may be changed."""


class LaunchError(EquipError):
    """A program that cannot be started."""


class AttachError(EquipError):
    """Another process cannot be attached to, or has not done what it was asked for."""


class EquipWarning(UserWarning):
    """Something that the user asked for has no effect: a probe without a match, a module left as it is."""


class PycError(EquipError):
    """A .pyc file (or the source it belongs to) cannot be read, trusted or written."""


class VerificationError(EquipError):
    """Code that could break the interpreter. ``problems`` has what is wrong (each an ``equip.Problem``)."""

    def __init__(self, problems: tuple[object, ...], report: str) -> None:
        super().__init__(problems, report)
        self.problems = problems
        self.report = report

    def __str__(self) -> str:
        return self.report
