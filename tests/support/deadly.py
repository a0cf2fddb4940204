"""A file that kills its reader. A process that reads it imports this module, and no more of the tests."""

import os
import signal

from darkroom.data.formats.samples import File


class Deadly(File):
    """A file with which the process that reads it comes to an end."""

    def read(self):
        os.kill(os.getpid(), signal.SIGKILL)
