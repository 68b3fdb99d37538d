"""An event that is set when this process is asked to stop."""

from __future__ import annotations

import os
import signal
import threading


def stopped_by_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set; to be made in the main thread.

    A handler runs in the main thread wherever that is, also within the event's own lock: setting
    the event there would wait for itself, as soon as a second signal follows the first (``make``
    and the terminal send one each). So the handler writes a byte, and a thread that reads it sets
    the event.
    """
    stop = threading.Event()
    reader, writer = os.pipe()
    os.set_blocking(writer, False)

    def note(*_: object) -> None:
        try:
            os.write(writer, b"!")
        except BlockingIOError:  # so many that one was read long ago
            return

    def wait() -> None:
        os.read(reader, 1)
        stop.set()

    threading.Thread(target=wait, name="stop", daemon=True).start()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, note)
    return stop
