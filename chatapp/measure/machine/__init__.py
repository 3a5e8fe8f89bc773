"""The machine: GPUs, memory, the ledger of planned and real."""
