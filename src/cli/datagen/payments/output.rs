//! Where payments go: standard output, a file, or the relations of a running server.

use std::io;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use super::generator::Payments;
use super::payment::PAYMENT_COLUMNS;
use super::payment::Payment;
use crate::cli::sql::Client;
use crate::cli::sql::SqlError;
use crate::cli::sql::send_lines;
use crate::env::Disk;
use crate::env::File;
use crate::env::OpenMode;

/// A file that lines are written to, one after the other.
pub(super) struct LineFile {
    path: String,
    file: Arc<dyn File>,
    byte_offset: u64,
}

impl LineFile {
    /// An empty file; one that is there loses what it holds.
    pub fn create(disk: &dyn Disk, path: &str) -> Result<Self, SqlError> {
        let failed = |source| SqlError::File { path: path.to_string(), source };
        let file = disk.open(Path::new(path), OpenMode::Create).map_err(failed)?;
        file.set_len(0).map_err(failed)?;
        Ok(Self { path: path.to_string(), file, byte_offset: 0 })
    }

    /// Writes lines at its end.
    pub fn write(&mut self, lines: &str) -> Result<(), SqlError> {
        let written = self.file.write_at(lines.as_bytes(), self.byte_offset);
        written.map_err(|source| SqlError::File { path: self.path.clone(), source })?;
        self.byte_offset += lines.len() as u64;
        Ok(())
    }
}

/// Where payments go.
pub(super) enum Output {
    Standard,
    File(LineFile),
    Server(Box<Client>),
}

impl Output {
    /// Writes lines of JSON; a server takes none.
    pub fn write_lines(&mut self, lines: &str) -> Result<(), SqlError> {
        match self {
            Self::Standard => {
                let mut out = io::stdout().lock();
                out.write_all(lines.as_bytes()).and_then(|()| out.flush()).map_err(SqlError::Output)
            }
            Self::File(file) => file.write(lines),
            Self::Server(_) => Err(SqlError::Usage("a server takes payments, not lines".to_string())),
        }
    }

    /// Writes payments as this output wants them.
    pub async fn write_payments(&mut self, payments: &[Payment]) -> Result<(), SqlError> {
        if let Self::Server(client) = self {
            return send_payments(client, payments).await;
        }
        let mut lines = String::new();
        for payment in payments {
            payment.json_line(&mut lines);
        }
        self.write_lines(&lines)
    }
}

/// Sends payments to the stream `payments`; they are durable when it returns.
pub(in crate::cli) async fn send_payments(client: &mut Client, payments: &[Payment]) -> Result<(), SqlError> {
    let mut lines = String::new();
    for payment in payments {
        payment.copy_line(&mut lines);
    }
    send_lines(client, &format!("payments ({PAYMENT_COLUMNS})"), lines.as_bytes()).await.map(|_| ())
}

/// Sends all cards and merchants to their tables.
pub(in crate::cli) async fn send_tables(client: &mut Client, payments: &Payments) -> Result<(), SqlError> {
    for rows in payments.tables() {
        send_lines(client, &rows.target(), rows.copy_lines().as_bytes()).await?;
    }
    Ok(())
}
