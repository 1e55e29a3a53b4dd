# This is put at the top of each module that is traced, and runs there: it may use nothing but the standard
# library. A name that it binds becomes a name of the module, so all of them begin with an underscore.
import sys as _sys

if not hasattr(_sys, "_call_trace"):
    import threading as _threading

    class _CallTrace:
        """Prints to stderr. Calls that the printing itself makes (a ``__repr__``) are not traced."""

        def __init__(self):
            self.busy = _threading.local()

        def call(self, name, arguments):
            self.show(lambda: f"-> {name}({', '.join(f'{key}={self.text(arguments[key])}' for key in arguments)})")

        def result(self, name, value):
            self.show(lambda: f"<- {name} = {self.text(value)}")

        def error(self, name, error):
            self.show(lambda: f"!! {name} raised {self.text(error)}")

        def show(self, line):
            if not getattr(self.busy, "now", False):
                self.busy.now = True
                try:
                    print(line(), file=_sys.stderr)
                finally:
                    self.busy.now = False

        def text(self, value):
            try:
                return repr(value)
            except Exception:  # such as that of an object whose __init__ has not run yet
                return object.__repr__(value)

    _sys._call_trace = _CallTrace()

_call_trace = _sys._call_trace
