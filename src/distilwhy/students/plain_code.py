"""Code that asks a saved student with plain ``transformers``, or an exported one."""

import json

from distilwhy.core.method import INPUT_RATIONALE
from distilwhy.students.spec import StudentSpec

_LOAD = """\
from transformers import {auto}, AutoTokenizer

folder = "{folder}"
tokenizer = AutoTokenizer.from_pretrained(folder)
model = {auto}.from_pretrained(folder)

# A whole input, as the task's template renders it: {template}
text = {text}
"""
_EXPORTED = """\
import {package}
from transformers import AutoTokenizer

folder = "{folder}"
tokenizer = AutoTokenizer.from_pretrained(folder)
# A whole input, as the task's template renders it: {template}
text = {text}
"""
_READ = """\
inputs = tokenizer(
    {prompt},
{options}    return_tensors="pt",
    return_token_type_ids=False,
)
"""
_CHAT = """\
turns = [{"role": "user", "content": text}]
chat = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
"""
_CUT = "    truncation=True,\n    max_length={longest},\n    split_special_tokens=True,\n"


def seq2seq_code(spec: StudentSpec, folder: str) -> str:
    """For an encoder–decoder."""
    cut = _CUT.format(longest=spec.config.max_input_tokens)
    code = _load(spec, folder, "AutoModelForSeq2SeqLM") + _READ.format(prompt="text", options=cut)
    if spec.method.place == "before":
        code += f"""\
written = model.generate(**inputs, max_new_tokens={_most(spec)})[0].tolist()
# The label follows the rationale.
label = tokenizer.convert_tokens_to_ids("<label>")
written = written[written.index(label) + 1 :] if label in written else []
"""
    elif spec.method.place == "after":
        code += """\
# The label ends where the rationale begins.
ends = [tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids("<rationale>")]
written = model.generate(**inputs, eos_token_id=ends)[0]
"""
    else:
        code += "written = model.generate(**inputs)[0]\n"
    return code + "print(tokenizer.decode(written, skip_special_tokens=True).strip())\n"


def causal_code(spec: StudentSpec, folder: str, template_end: str | None) -> str:
    """For a decoder.

    Args:
        template_end: What its chat template ends with; None without a template.
    """
    rationale_first = spec.method.place == "before"
    cue = "Rationale:" if rationale_first else "Answer:"
    cue = cue if template_end is not None and template_end.endswith("\n") else f"\\n{cue}"
    code = _load(spec, folder, "AutoModelForCausalLM")
    code += "# The student answers to the words that end its prompt.\n"
    if template_end is None:
        code += f'prompt = text + "{cue}"\n' + _READ.format(
            prompt="prompt", options="    split_special_tokens=True,\n"
        )
    else:
        code += (
            _CHAT
            + f'prompt = chat + "{cue}"\n'
            + _READ.format(prompt="prompt", options="    add_special_tokens=False,\n")
        )
    most = f", max_new_tokens={_most(spec)}" if rationale_first else ""
    code += f"written = model.generate(**inputs{most})[0, inputs.input_ids.shape[1] :]\n"
    code += "answer = tokenizer.decode(written, skip_special_tokens=True)\n"
    if rationale_first:
        code += 'answer = answer.partition("\\nAnswer:")[2]\n'
    if spec.method.place == "after":
        code += 'answer = answer.partition("\\nRationale:")[0]\n'
    return code + "print(answer.strip())\n"


def causal_head_code(spec: StudentSpec, folder: str, template_end: str | None) -> str:
    """For a decoder whose head chooses among fixed labels.

    Args:
        template_end: As for ``causal_code``.
    """
    labels = json.dumps(spec.task.answer.labels, ensure_ascii=False)
    code = "import torch\nfrom safetensors.torch import load_file\n"
    code += _load(spec, folder, "AutoModel")
    if template_end is None:
        code += _READ.format(prompt="text", options="    split_special_tokens=True,\n")
    else:
        code += _CHAT + _READ.format(prompt="chat", options="    add_special_tokens=False,\n")
    return (
        code
        + f"""\
# A head beside the model reads the state at the end of the prompt.
head = load_file(folder + "/head.safetensors")
labels = {labels}
state = model(**inputs).last_hidden_state[0, -1].float()
scores = head["weight"] @ torch.nn.functional.layer_norm(state, state.shape) + head["bias"]
print(labels[int(scores.argmax())])
"""
    )


def encoder_code(spec: StudentSpec, folder: str) -> str:
    """For an encoder over fixed labels whose head reads the text alone."""
    longest = spec.config.max_input_tokens
    return (
        _load(spec, folder, "AutoModelForSequenceClassification")
        + f"""\
inputs = tokenizer(
    text, truncation=True, max_length={longest}, split_special_tokens=True, return_tensors="pt"
)
print(model.config.id2label[int(model(**inputs).logits.argmax())])
"""
    )


def onnx_code(spec: StudentSpec, folder: str, model: str) -> str:
    """For an encoder over fixed labels, exported to ONNX.

    Args:
        model: The graph's place in the folder.
    """
    labels = json.dumps(spec.task.answer.labels, ensure_ascii=False)
    return (
        _EXPORTED.format(package="onnxruntime", folder=folder, **_example(spec))
        + f"""\
session = onnxruntime.InferenceSession(folder + "/{model}")
read = {{one.name for one in session.get_inputs()}}
labels = {labels}

inputs = tokenizer(
    text, truncation=True, max_length={spec.config.max_input_tokens}, split_special_tokens=True,
    return_tensors="np",
)
[logits] = session.run(None, {{name: value for name, value in inputs.items() if name in read}})
print(labels[int(logits[0].argmax())])
"""
    )


def translator_code(spec: StudentSpec, folder: str, model: str, start: str) -> str | None:
    """For an encoder–decoder exported to CTranslate2; None where the rationale comes first.

    Args:
        model: The place of CTranslate2's model in the folder.
        start: The token that a target starts with.
    """
    if spec.method.place == "before":
        return None
    longest = spec.config.max_label_tokens + 1
    end = ', end_token="<rationale>"' if spec.method.place == "after" else ""
    return (
        _EXPORTED.format(package="ctranslate2", folder=folder, **_example(spec))
        + f"""\
translator = ctranslate2.Translator(folder + "/{model}")

ids = tokenizer(
    text, truncation=True, max_length={spec.config.max_input_tokens}, split_special_tokens=True
).input_ids
source = tokenizer.convert_ids_to_tokens(ids)
[found] = translator.translate_batch(
    [source], target_prefix=[["{start}"]], beam_size=1, max_decoding_length={longest}{end}
)
written = tokenizer.convert_tokens_to_ids(found.hypotheses[0])
print(tokenizer.decode(written, skip_special_tokens=True).strip())
"""
    )


def _load(spec: StudentSpec, folder: str, auto: str) -> str:
    return _LOAD.format(auto=auto, folder=folder, **_example(spec))


def _example(spec: StudentSpec) -> dict[str, str]:
    """A text that a student may be asked about, in Python, and the template that renders it."""
    text = spec.source("The gate is stuck.", "label")
    if spec.method.asks_teacher:
        text += INPUT_RATIONALE.format("Stuck gates are damage.")
    quoted = '"' + text.replace("\n", "\\n") + '"'
    template = repr(spec.task.row_format.template.strip())
    return {"template": template, "text": quoted}


def _most(spec: StudentSpec) -> int:
    """The most tokens of a rationale with its label, the words between them included."""
    return spec.config.max_rationale_tokens + spec.config.max_label_tokens + 8
