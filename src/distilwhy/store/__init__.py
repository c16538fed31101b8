"""Disk: rows, the ledger of paid answers, and run folders."""
