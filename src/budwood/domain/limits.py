"""Every bound Budwood enforces, by name. docs/limits.md is tested against this list.

Sizes are bytes, times are seconds, counts are counts. A limit is a promise to the reader of an error
(``limit_exceeded`` names it) and a wall for hostile input; none is a tuning knob.
"""

from typing import Final

KIB: Final = 1 << 10
MIB: Final = 1 << 20

NAME_CHARS: Final = 128
LABEL_CHARS: Final = 128
PATH_BYTES: Final = 1 * KIB
PATH_DEPTH: Final = 64
FILES_PER_VERSION: Final = 100_000
SPANS_PER_FILE: Final = 1_000_000
SHAPE_DIMENSIONS: Final = 64
MANIFEST_BYTES: Final = 256 * MIB
BUNDLE_RECORD_BYTES: Final = 512 * MIB

MESSAGE_BYTES: Final = 64 * KIB
TAGS_PER_VERSION: Final = 1_000
KEY_CHARS: Final = 250
VALUE_BYTES: Final = 8 * KIB
METRICS_PER_VERSION: Final = 10_000
PARAMS_PER_VERSION: Final = 10_000
PARENTS_PER_VERSION: Final = 64
DATASETS_PER_VERSION: Final = 1_000
ALIASES_PER_MODEL: Final = 1_000
PACKAGES_RECORDED: Final = 5_000
SETTINGS_BYTES: Final = 256 * KIB

FILTER_CHARS: Final = 4 * KIB
FILTER_TERMS: Final = 100
FILTER_DEPTH: Final = 20
PAGE_ROWS: Final = 1_000
INDEX_ROWS: Final = 100_000
CURSOR_BYTES: Final = 32 * KIB

WRITE_QUEUE: Final = 1_024
WRITE_BATCH: Final = 128
READERS_KEPT: Final = 16
POSTGRES_READERS: Final = 32
STALLED_WRITE_S: Final = 60
BUSY_S: Final = 10

HEADER_BYTES: Final = 25 * MIB
PICKLE_BYTES: Final = 64 * MIB
PICKLE_OPCODES: Final = 5_000_000
ZIP_ENTRIES: Final = 200_000
PROTOBUF_FIELDS: Final = 5_000_000
PROTOBUF_DEPTH: Final = 64
GGUF_ITEMS: Final = 2_000_000
CONFIG_BYTES: Final = 16 * MIB
SNIFF_BYTES: Final = 4 * KIB
TENSORS_PER_FILE: Final = 200_000
TENSOR_NAME_CHARS: Final = 500
FLAGS_PER_FILE: Final = 50
JSON_ITEMS: Final = 2_000_000
FACT_ITEMS: Final = 5_000
FACT_CHARS: Final = 8 * KIB
FACT_DEPTH: Final = 16
YAML_BYTES: Final = 128 * KIB
YAML_ALIASES: Final = 20
PICKLE_OBJECTS: Final = 3_000_000
PICKLE_LINE_BYTES: Final = 64 * KIB
PICKLE_GLOBALS: Final = 1_000
PICKLE_ARRAY_BYTES: Final = 16 * KIB
ZIP_DIRECTORY_BYTES: Final = 64 * MIB
NPY_HEADER_BYTES: Final = 64 * KIB
SCAN_BYTES: Final = 256 * MIB
HDF5_REPLY_BYTES: Final = 64 * MIB
HDF5_MEMORY_BYTES: Final = 2_048 * MIB
HDF5_TIME_S: Final = 30
JSON_DEPTH: Final = 200
DIFF_CHANGES: Final = 1_000
DIFF_DEPTH: Final = 64

BLOCK_BYTES: Final = 2 * MIB
PACK_BYTES: Final = 256 * MIB
PACK_BLOCKS: Final = 4_000_000
CHAIN_DEPTH: Final = 2
BACKUP_RECORD_BYTES: Final = 256 * MIB
BACKUP_LINE_BYTES: Final = 64 * MIB
LEASE_S: Final = 3_600
ANSWER_BYTES: Final = 64 * MIB
REQUEST_TRIES: Final = 5
CONNECT_S: Final = 10
IDLE_S: Final = 120
SIGNED_S: Final = 7 * 24 * 3_600
GRACE_S: Final = 24 * 3_600
