"""Writes flights.parquet from flights.csv.gz (336,776 rows, in the file's own order), `NA` as null.

    pip install pyarrow
    python make_parquet.py path/to/flights.csv.gz flights.parquet

Times of day are local to New York; `time_hour` is UTC.
"""

import sys

import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as parquet

TEXT = ["carrier", "tailnum", "origin", "dest"]
NUMBERS = [
    "year", "month", "day", "dep_time", "sched_dep_time", "dep_delay", "arr_time", "sched_arr_time",
    "arr_delay", "flight", "air_time", "distance", "hour", "minute",
]


def main(source: str, target: str) -> None:
    types = {name: pa.string() for name in TEXT} | {name: pa.int32() for name in NUMBERS}
    types["time_hour"] = pa.timestamp("us", tz="UTC")
    table = csv.read_csv(
        source,
        convert_options=csv.ConvertOptions(column_types=types, null_values=["NA"], strings_can_be_null=True),
    )
    assert table.num_rows == 336_776, table.num_rows
    parquet.write_table(table, target, compression="zstd", compression_level=9, row_group_size=65_536)
    print(f"{table.num_rows} rows, {table.num_columns} columns")


if __name__ == "__main__":
    main(*sys.argv[1:])
