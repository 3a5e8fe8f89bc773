"""Benchmarks: questions, jobs, journals, tables, reports."""
