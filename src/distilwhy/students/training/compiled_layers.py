"""A decoder's layers, compiled for a GPU.

A layer of a small student is some forty short operations, forward and backward, and Python takes
longer to start them than a GPU to finish them. ``torch.compile`` fuses them into a few. All layers
of a decoder share what is compiled.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch

from distilwhy.config import TrainingConfig
from distilwhy.students.forwards import Forwards, using_forwards
from distilwhy.students.lora import is_adapted
from distilwhy.students.network import Network
from distilwhy.students.training.distributed import is_alone

# Shorter trainings gain less time than compiling takes, which is about half a minute.
FROM_STEPS = 1000
Result = TypeVar("Result")


class CompiledLayers:
    """Runs the layers of a decoder compiled, on a GPU and in one process.

    Nothing is compiled for short trainings, with adapters, or where activations are checkpointed.
    Nor are encoder–decoders and encoders, whose layers are of several kinds: compiling them had
    taken longer than a minute on an H100 when it was given up.

    Args:
        say: Called with a message if layers cannot be compiled.
        backend: That of ``torch.compile``.
    """

    def __init__(
        self,
        network: Network,
        device: torch.device,
        config: TrainingConfig,
        say: Callable[[str], None] = lambda line: None,
        backend: Any = "inductor",
    ) -> None:
        self._forwards: Forwards = {}
        self._say, self._has_run = say, False
        pays = device.type == "cuda" and is_alone() and config.steps >= FROM_STEPS
        is_plain = not config.gradient_checkpointing and not is_adapted(network.model)
        if network.family == "causal" and pays and is_plain:
            self._forwards = compile_layers(network, backend)

    def run(self, work: Callable[[], Result]) -> Result:
        """What the work returns when the layers run compiled.

        Work that fails so is done once more with the layers as they are, which then stay so. The
        first work is also done beforehand with the layers as they are: a network tries out what its
        model can do when it is first run, and those few runs are not worth compiling for. So work
        must begin anew each time.
        """
        if not self._forwards:
            return work()
        if not self._has_run:
            self._has_run = True
            work()
        try:
            with self._compiled():
                return work()
        except torch.cuda.OutOfMemoryError:
            raise
        except Exception as error:  # noqa: BLE001
            self._forwards = {}
            result = work()  # raises the error again if compiling did not cause it
            why = " ".join(str(error).splitlines()[:2]) or type(error).__name__
            self._say(f"the student's layers cannot be compiled, so steps take longer ({why})")
            return result

    @contextmanager
    def _compiled(self) -> Iterator[None]:
        with warnings.catch_warnings(), using_forwards(self._forwards):
            # They are advice to whoever wrote the model.
            warnings.simplefilter("ignore")
            yield


def compile_layers(network: torch.nn.Module, backend: Any) -> Forwards:
    """Compiled forwards of all layers that a network repeats, for inputs of any length."""
    # torch keeps a few versions of a layer only, and those of earlier students would count.
    torch.compiler.reset()
    return {
        layer: torch.compile(layer.forward, dynamic=True, backend=backend)
        for layer in repeated_layers(network)
    }


def repeated_layers(module: torch.nn.Module) -> Iterator[torch.nn.Module]:
    """The modules of each list of modules of one kind; of a list within such a module, none."""
    for child in module.children():
        is_list = isinstance(child, torch.nn.ModuleList)
        if is_list and len(set(map(type, child.children()))) == 1:
            yield from child.children()
        else:
            yield from repeated_layers(child)
