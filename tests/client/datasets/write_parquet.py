"""Writes the parquet files beside this program, with pyarrow, which is no dependency of Budwood or of its tests.

    python -m venv pq && pq/bin/pip install pyarrow==26.0.1 && pq/bin/python tests/client/datasets/write_parquet.py

Run again it writes the same bytes. What each file holds is said below and asserted by test_parquet.py.
"""

# mypy: ignore-errors
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).resolve().parent / "files"

TICKETS = pa.table(
    {
        "id": pa.array([3, 1, 2, 5, 4], pa.int64()),
        "small": pa.array([200, 1, None, 7, 0], pa.uint8()),
        "text": pa.array(["lost card", "öffnungszeiten", None, "", "a"], pa.string()),
        "score": pa.array([0.5, None, -1.25, 2.0, 0.0], pa.float64()),
        "half": pa.array([1.5, 2.5, 3.5, 4.5, 5.5], pa.float32()),
        "paid": pa.array(
            [Decimal("12.30"), Decimal("-0.05"), None, Decimal("7.00"), Decimal("1.00")], pa.decimal128(9, 2)
        ),
        "day": pa.array([date(2026, 1, 2), date(2025, 12, 31), None, date(2026, 11, 5), date(2026, 1, 1)], pa.date32()),
        "at": pa.array([datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC)] * 4 + [None], pa.timestamp("us", "UTC")),
        "is_open": pa.array([True, False, None, True, True], pa.bool_()),
        "tags": pa.array([["a"], [], None, ["b", "c"], ["d"]], pa.list_(pa.string())),
        "where": pa.array(
            [{"city": "Bonn", "zip": 53111}] * 5, pa.struct([("city", pa.string()), ("zip", pa.int32())])
        ),
    }
)

HERE.mkdir(exist_ok=True)
# Two row groups, compressed: figures must be put together, and no page is decoded.
pq.write_table(TICKETS, HERE / "tickets.parquet", row_group_size=3, compression="zstd")
pq.write_table(TICKETS.slice(0, 2), HERE / "two_rows.parquet", version="1.0", compression="snappy", store_schema=False)
pq.write_table(TICKETS.slice(0, 0), HERE / "no_rows.parquet", store_schema=False)
pq.write_table(TICKETS.select(["id", "score"]), HERE / "no_figures.parquet", write_statistics=False, store_schema=False)
