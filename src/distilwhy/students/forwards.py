"""Other forwards for the layers of a model, for a while."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

Forwards = Mapping[torch.nn.Module, Callable[..., Any]]


@contextmanager
def using_forwards(forwards: Forwards) -> Iterator[None]:
    """Within the context, these layers have these forwards; their hooks run as before."""
    own = {layer: vars(layer).get("forward") for layer in forwards}
    for layer, forward in forwards.items():
        vars(layer)["forward"] = forward
    try:
        yield
    finally:
        for layer, before in own.items():
            del vars(layer)["forward"]
            if before is not None:
                vars(layer)["forward"] = before
