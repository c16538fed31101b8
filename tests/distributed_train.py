"""Started as one of several processes: trains experiments, one after the other.

With ``--sharded`` as FSDP does on GPUs, every student once killed on its way. On a CPU accelerate
never shards; here it takes the CPUs for GPUs.
"""

import os
import sys
from pathlib import Path

import torch
import yaml
from accelerate import PartialState
from accelerate.utils import DistributedType

from distilwhy.cli.app import main
from distilwhy.students.training.loop import TrainingLoop

KILLED_AT = 28
LAYERS = {"seq2seq": "T5Block", "causal": "LlamaDecoderLayer", "encoder": "BertLayer"}


class Killed(BaseException):
    """Stands for a kill in the middle of a training."""


def pretend_to_be_gpus() -> None:
    os.environ["ACCELERATE_TORCH_DEVICE"] = "cpu"
    PartialState._prepare_backend = lambda *_: ("gloo", DistributedType.MULTI_GPU)
    torch.distributed.init_process_group("gloo")


def die_once_each() -> set[Path]:
    """Let every training be killed once, in all processes alike; the folders of those that were."""
    step, killed = TrainingLoop.step, set[Path]()

    def dying(loop: TrainingLoop) -> torch.Tensor:
        if loop.state.step == KILLED_AT and loop.checkpoint.folder not in killed:
            killed.add(loop.checkpoint.folder)
            raise Killed
        return step(loop)

    TrainingLoop.step = dying
    return killed


def train(file: str) -> None:
    """``distilwhy train``, again and again until it is not killed."""
    sys.argv = ["distilwhy", "train", file]
    try:
        main()
    except Killed:
        train(file)
    except SystemExit as end:
        if end.code:
            raise


def train_sharded(files: list[str]) -> None:
    pretend_to_be_gpus()
    killed = die_once_each()
    for file in files:
        family = yaml.safe_load(Path(file).read_text())["student"]["family"]
        os.environ["FSDP_TRANSFORMER_CLS_TO_WRAP"] = LAYERS[family]
        train(file)
    assert len(killed) == len(files)


if __name__ == "__main__":
    if sys.argv[1] == "--sharded":
        train_sharded(sys.argv[2:])
    else:
        for file in sys.argv[1:]:
            train(file)
