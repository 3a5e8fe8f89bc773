"""One way to count: memory as nvidia-smi does, files as disks do."""

from __future__ import annotations

import pytest

from chatapp.units import GIB, MIB, disk_gb, disk_size, memory_gb


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (memory_gb(24564 * MIB), "24.0"),  # what an RTX 4090 says of itself
        (memory_gb(24 * 10**9), "22.4"),
        (memory_gb(580 * MIB), "0.57"),
        (memory_gb(GIB - MIB), "1.0"),
        (memory_gb(0), "0.00"),
        (memory_gb(-3 * GIB // 2), "-1.5"),
        (disk_gb(8_500_000_000), "8.5"),
        (disk_size(8_500_000_000), "8.50 GB"),
        (disk_size(14_200_000), "14.2 MB"),
    ],
)
def test_sizes(written: str, expected: str) -> None:
    assert written == expected
