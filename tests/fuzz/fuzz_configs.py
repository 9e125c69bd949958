"""Fuzz the readers of small text files; the first byte chooses the file's name."""

from tests.fuzz import common  # first, because it instruments what is imported after it

# isort: split
from budwood.store.api import Reading, Source
from budwood.store.formats.bounded import Memory
from budwood.store.formats.configs import read_config
from budwood.store.formats.hdf5 import keras_flags

NAMES = (
    "config.json", "adapter_config.json", "tokenizer_config.json", "model.safetensors.index.json", "MLmodel",
    "README.md", "requirements.txt", "conda.yaml", "chat_template.jinja", "config_sentence_transformers.json",
)  # fmt: skip
SEEDS = [
    b'\x00{"architectures": ["BertModel"], "vocab_size": 5, "hidden_size": 4, "auto_map": {"a": "b"}}',
    b'\x01{"base_model_name_or_path": "a", "r": 1}',
    b'\x02{"chat_template": [{"name": "a", "template": "{{ x.__class__ }}"}]}',
    b'\x03{"metadata": {"total_size": 1}, "weight_map": {"a": "b"}}',
    b'\x04flavors: {sklearn: {sklearn_version: 1}}\nsignature: {inputs: \'[{"type": "long"}]\'}\n',
    b"\x05---\nbase_model: [a]\ntags: &x [b]\nlicense: *x\n---\n",
    b"\x06a==1\n",
    b"\x07dependencies: [a, {pip: [b]}]\n",
    b'\x0a{"module": "os", "class_name": "function", "config": "system"}',
]


def read(source: Source) -> Reading:
    content = source.read(0, source.size)
    choice = content[0] % (len(NAMES) + 1) if content else 0
    if choice == len(NAMES):
        list(keras_flags(content[1:], "a.keras"))
        return Reading()
    return read_config(Memory(content[1:], NAMES[choice]))


if __name__ == "__main__":
    common.fuzz("a", read, SEEDS)
