"""The precision and the devices that a training uses."""

from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedType

from distilwhy.errors import StudentError
from distilwhy.hardware import choose_precision
from distilwhy.students.training.distributed import join_processes


def open_accelerator(wanted: str, width: int) -> tuple[str, Accelerator]:
    """The precision to train in, from ``training.precision``, and an accelerator for it.

    Raises:
        StudentError: if the device does not support the precision, or FSDP 1 shards the weights.
    """
    # Otherwise accelerate uses the first student's precision for all students of a process, and
    # shards only the first.
    AcceleratorState._reset_state(reset_partial_state=True)
    device = join_processes().device
    precision = choose_precision(wanted, device, width)
    if precision == "fp16" and device.type != "cuda":
        raise StudentError("training.precision fp16 needs a GPU; use auto, bf16 or fp32")
    accelerator = Accelerator(
        mixed_precision="no" if precision == "fp32" else precision,
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
    )
    if accelerator.distributed_type == DistributedType.FSDP and not accelerator.is_fsdp2:
        raise StudentError(
            "FSDP version 1 loses the optimizer's state when a training resumes; set "
            "fsdp_version to 2 in accelerate's config, or by 'accelerate launch --fsdp_version 2'"
        )
    return precision, accelerator
