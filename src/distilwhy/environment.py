"""Environment variables that libraries read while they are imported."""

import os

DEFAULTS = {
    # OpenMP threads that spin for long while they wait bring processes that share the cores almost
    # to a standstill; those that do not spin at all take long to wake up. These spin for a moment.
    "OMP_WAIT_POLICY": "PASSIVE",
    "GOMP_SPINCOUNT": "1000",
    # torch caches compiled code for up to 1,024 shapes of matrix products. Texts of many lengths
    # keep adding shapes, and these small blocks fragment the heap: a process grows step by step.
    "LRU_CACHE_CAPACITY": "16",
    "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "64",
    # Silences a warning of distributed training about batches that use all the weights.
    "TORCH_CPP_LOG_LEVEL": "ERROR",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    # transformers shows a bar while it de-quantizes a GGUF file.
    "TQDM_DISABLE": "1",
}


def set_defaults() -> None:
    """Set those that the user has not set."""
    has_policy = "OMP_WAIT_POLICY" in os.environ
    for name, value in DEFAULTS.items():
        if not (has_policy and name == "GOMP_SPINCOUNT"):  # it would overrule the policy
            os.environ.setdefault(name, value)
