"""Connects to a Ray cluster, or starts Ray on this machine."""

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType

from distilwhy.errors import ConfigError, RunError, first_line

CONNECTS_WITHIN_S = 10.0


@contextmanager
def connect_ray() -> Iterator[ModuleType]:
    """Ray on the cluster that this machine belongs to, or on this machine alone.

    It is shut down at the end of the context, unless it was connected before.

    Raises:
        ConfigError: if Ray is not installed.
        RunError: if there is a cluster, and it cannot be reached.
    """
    try:
        ray = import_module("ray")
    except ModuleNotFoundError:
        raise ConfigError(
            "engine 'ray' is not installed; pip install \"distilwhy[ray]\", or leave out --engine"
        ) from None
    begun_here = not ray.is_initialized()
    if begun_here:
        _connect(ray)
    try:
        yield ray
    finally:
        if begun_here:
            ray.shutdown()


def _connect(ray: ModuleType) -> None:
    address = os.environ.get("RAY_ADDRESS", "")
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        if port.isdigit():  # If nothing listens there, Ray itself would try for many minutes.
            socket.create_connection((host, int(port)), timeout=CONNECTS_WITHIN_S).close()
        ray.init(log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError, ValueError) as error:
        raise RunError(
            f"the Ray cluster cannot be reached ({first_line(error)}); check that $RAY_ADDRESS "
            f"({address or 'not set'}) is its head, or unset it to start Ray on this machine"
        ) from error
