"""A family of inputs for benchmarks.fuzz: each has one kind of fault, or none."""

import multiprocessing
import os
import time

import numpy as np

from benchmarks.fuzz import core
from benchmarks.fuzz.core import Input, Tally
from darkroom.base.errors import InputError

SECONDS = 0.5
if multiprocessing.parent_process() is not None:  # a worker, which cannot be patched from outside
    core.SECONDS = SECONDS
KINDS = ("sound", "refused", "lost", "raises", "two lines", "dies", "hangs", "slow", "large")


def family(folder):
    return Faulty()


class Faulty:
    def make(self, generator):
        return Input(KINDS[generator.integers(len(KINDS))], b"")

    def attempt(self, given):
        match given.name:
            case "lost":
                return Tally(3, 1, 1)
            case "raises":
                raise KeyError("a\nb")
            case "two lines":
                raise InputError("two\nlines")
            case "refused":
                raise InputError("not read")
            case "dies":
                os._exit(3)
            case "hangs":
                time.sleep(60)
            case "slow":
                time.sleep(0.6)
            case "large":
                np.ones(core.MEMORY // 8 + 10**7)
        return Tally(2, 1, 1)
