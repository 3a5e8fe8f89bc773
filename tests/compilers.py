"""The compilers of this machine, for tests that compile. Where there are none, as on a
machine that uses the CPU, those tests have nothing to say."""

from __future__ import annotations

import shutil

import pytest

GCC, GPP = shutil.which("gcc"), shutil.which("g++")
compiles = pytest.mark.skipif(not (GCC and GPP), reason="there is no g++ here to compile with")
