//! Parquet files over `env`'s disk: the reader and the writer that the parquet crate wants.

use std::io;
use std::io::Read;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::cast;
use arrow::datatypes::Schema;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::errors::ParquetError;
use parquet::file::reader::ChunkReader;
use parquet::file::reader::Length;

use super::error::SqlError;
use crate::env::Disk;
use crate::env::File;
use crate::env::OpenMode;
use crate::model::SqlType;

const BATCH_ROWS: usize = 8192;

/// A Parquet file's rows, each column in the one Arrow type of its SQL type.
pub(in crate::cli) struct ParquetRows {
    path: String,
    reader: ParquetRecordBatchReader,
    schema: SchemaRef,
}

impl ParquetRows {
    /// Opens a file.
    pub fn open(disk: &dyn Disk, path: &str) -> Result<Self, SqlError> {
        let file_error = |source| SqlError::File { path: path.to_string(), source };
        let file = disk.open(Path::new(path), OpenMode::Read).map_err(file_error)?;
        let length = file.len().map_err(file_error)?;
        Self::read(path, DiskFile { file, length })
    }

    /// Reads a file that is in memory.
    pub fn from_bytes(name: &str, bytes: Bytes) -> Result<Self, SqlError> {
        Self::read(name, bytes)
    }

    fn read(path: &str, file: impl ChunkReader + 'static) -> Result<Self, SqlError> {
        let wrong = |message: String| SqlError::Parquet { path: path.to_string(), message };
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| wrong(error.to_string()))?;
        let mut fields = Vec::new();
        for field in builder.schema().fields() {
            let Some(sql_type) = SqlType::from_arrow(field.data_type()) else {
                return Err(wrong(format!(
                    "column \"{}\" has a type that SQL here lacks: {}",
                    field.name(),
                    field.data_type()
                )));
            };
            fields.push(field.as_ref().clone().with_data_type(sql_type.arrow()));
        }
        let reader = builder.with_batch_size(BATCH_ROWS).build().map_err(|error| wrong(error.to_string()))?;
        Ok(Self { path: path.to_string(), reader, schema: Arc::new(Schema::new(fields)) })
    }

    /// The columns' names.
    pub fn columns(&self) -> Vec<String> {
        self.schema.fields().iter().map(|field| field.name().clone()).collect()
    }

    /// The next batch, `None` at the end.
    pub fn next_batch(&mut self) -> Result<Option<RecordBatch>, SqlError> {
        let wrong =
            |error: arrow::error::ArrowError| SqlError::Parquet { path: self.path.clone(), message: error.to_string() };
        let Some(batch) = self.reader.next() else { return Ok(None) };
        let batch = batch.map_err(wrong)?;
        let columns = batch.columns().iter().zip(self.schema.fields());
        let columns = columns.map(|(column, field)| cast(column, field.data_type())).collect::<Result<_, _>>();
        RecordBatch::try_new(self.schema.clone(), columns.map_err(wrong)?).map(Some).map_err(wrong)
    }
}

/// Writes a Parquet file.
pub(super) struct ParquetFile {
    path: String,
    writer: ArrowWriter<DiskWriter>,
}

impl ParquetFile {
    /// Makes the file, or makes it anew.
    pub fn create(disk: &dyn Disk, path: &str, schema: SchemaRef) -> Result<Self, SqlError> {
        let file_error = |source| SqlError::File { path: path.to_string(), source };
        let file = disk.open(Path::new(path), OpenMode::Create).map_err(file_error)?;
        file.set_len(0).map_err(file_error)?;
        let writer = ArrowWriter::try_new(DiskWriter { file, byte_offset: 0 }, schema, None)
            .map_err(|error| SqlError::Parquet { path: path.to_string(), message: error.to_string() })?;
        Ok(Self { path: path.to_string(), writer })
    }

    /// Adds rows.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), SqlError> {
        self.writer.write(batch).map_err(|error| self.wrong(&error))
    }

    /// Writes the end of the file, without which it is none.
    pub fn finish(mut self) -> Result<(), SqlError> {
        let finished = self.writer.finish();
        finished.map(|_| ()).map_err(|error| self.wrong(&error))
    }

    fn wrong(&self, error: &ParquetError) -> SqlError {
        SqlError::Parquet { path: self.path.clone(), message: error.to_string() }
    }
}

struct DiskFile {
    file: Arc<dyn File>,
    length: u64,
}

impl Length for DiskFile {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for DiskFile {
    type T = DiskReader;

    fn get_read(&self, start: u64) -> Result<DiskReader, ParquetError> {
        Ok(DiskReader { file: self.file.clone(), byte_offset: start })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        // The length comes from the file's own footer: it is believed only as far as the file reaches.
        if self.length < start.saturating_add(length as u64) {
            return Err(ParquetError::EOF(format!("bytes {start}+{length} lie behind the end {}", self.length)));
        }
        let mut bytes = vec![0; length];
        let read = self.file.read_at(&mut bytes, start)?;
        if read < length {
            return Err(ParquetError::EOF(format!("bytes {start}+{length} are not there")));
        }
        Ok(bytes.into())
    }
}

/// Reads a file from a place onwards.
struct DiskReader {
    file: Arc<dyn File>,
    byte_offset: u64,
}

impl Read for DiskReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.byte_offset)?;
        self.byte_offset += read as u64;
        Ok(read)
    }
}

/// Writes a file from its beginning onwards.
struct DiskWriter {
    file: Arc<dyn File>,
    byte_offset: u64,
}

impl Write for DiskWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_at(bytes, self.byte_offset)?;
        self.byte_offset += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
