import signal

from hypothesis import settings

signal.signal(signal.SIGINT, signal.default_int_handler)
"""A shell lets what it runs in the background ignore it, and so would the children of these tests, for ever."""
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # as nohup does

settings.register_profile("throughtime", deadline=None, derandomize=True, max_examples=15)
settings.load_profile("throughtime")
