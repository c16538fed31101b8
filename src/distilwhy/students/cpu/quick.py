"""What trains wide students faster on a CPU."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from distilwhy.hardware import CPU_WIDE
from distilwhy.students.cpu.fused_layers import find_fused
from distilwhy.students.cpu.operations import attention, dropout
from distilwhy.students.forwards import using_forwards


class QuickOnCpu:
    """Contexts in which a wide student trains faster on a CPU.

    - Dropout and attention are those of ``operations``, and some layers those of
      ``fused_layers``.
    - Linear layers under autocast: layers that read the same values share one copy of them in 16
      bits.

    Nothing changes on other devices, nor for students too narrow to gain much.

    Args:
        width: The model's hidden size.
    """

    def __init__(self, model: torch.nn.Module, device: torch.device, width: int) -> None:
        self._is_quick = device.type == "cpu" and width >= CPU_WIDE
        self._fused = find_fused(model) if self._is_quick else {}

    @property
    def is_fused(self) -> bool:
        """Whether a layer has a fused forward."""
        return bool(self._fused)

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with using_forwards(self._fused), self._operations():
            yield

    def checkpoint_activations(self, model: Any) -> None:
        """Have a model checkpoint its activations, for passes within a context.

        The backward pass runs layers again where torch ignores the context, so they get their own.
        """
        options = {"use_reentrant": False, "context_fn": self._checkpoint_contexts}
        model.activation_checkpointing_enable(options)

    def _checkpoint_contexts(
        self,
    ) -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
        """The contexts in which a layer runs, and runs again: both begin anew."""
        return self._operations(), self._operations()

    def _operations(self) -> AbstractContextManager[Any]:
        return _QuickOperations() if self._is_quick else nullcontext()


class _QuickOperations(TorchFunctionMode):
    def __init__(self) -> None:
        super().__init__()
        # What a linear layer read last, all else that its copy in 16 bits depends on, and the copy.
        self._read: torch.Tensor | None = None
        self._state: tuple[Any, ...] = ()
        self._copy: torch.Tensor | None = None

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func is functional.linear and args:
            args = (self._narrow(args[0]), *args[1:])
        elif func is functional.dropout:
            func = dropout
        elif func is functional.scaled_dot_product_attention:
            func = attention
        return func(*args, **(kwargs or {}))

    def _narrow(self, values: torch.Tensor) -> Any:
        """The values as autocast would cast them."""
        if values.dtype != torch.float32 or not torch.is_autocast_enabled("cpu"):
            return values
        dtype = torch.get_autocast_dtype("cpu")
        # Values may be changed in place, or be read without gradients first.
        has_gradient = values.requires_grad and torch.is_grad_enabled()
        state = (values._version, has_gradient, dtype)
        if self._read is not values or self._state != state:
            self._read, self._state, self._copy = values, state, values.to(dtype)
        return self._copy
