//! `tidemill datagen payments-check`: what a server's alerts are worth.

use std::io;
use std::io::Write;
use std::path::Path;

use super::command::connect;
use super::payment::Kind;
use super::score::Alert;
use super::score::Labels;
use super::score::Score;
use crate::cli::sql::Client;
use crate::cli::sql::SqlError;
use crate::env::Env;
use crate::env::OpenMode;
use crate::error::Error;

/// Columns of the table that is printed.
const WIDTH: usize = 80;

/// The arguments of `tidemill datagen payments-check`.
#[derive(Debug, Clone, clap::Args)]
pub struct CheckArguments {
    /// The file that `datagen payments --labels` wrote
    #[arg(long, value_name = "FILE")]
    labels: String,
    /// The server whose stream `alerts` is read
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:7432")]
    server: String,
}

/// Reads all alerts and prints how good they are. Alerts that still come are not waited for.
pub async fn check(env: &Env, arguments: &CheckArguments) -> Result<(), Error> {
    let labels = read_labels(env, &arguments.labels)?;
    let mut client = connect(env, &arguments.server).await?;
    let alerts = read_alerts(&mut client).await?;
    client.close().await;
    let table = Score::of(&labels, &alerts).table(WIDTH);
    io::stdout().lock().write_all(table.as_bytes()).map_err(SqlError::Output)?;
    Ok(())
}

fn read_labels(env: &Env, path: &str) -> Result<Labels, SqlError> {
    let failed = |source| SqlError::File { path: path.to_string(), source };
    let file = env.disk.open(Path::new(path), OpenMode::Read).map_err(failed)?;
    let length =
        usize::try_from(file.len().map_err(failed)?).map_err(|_| failed(io::ErrorKind::FileTooLarge.into()))?;
    let mut bytes = vec![0; length];
    let read = file.read_at(&mut bytes, 0).map_err(failed)?;
    bytes.truncate(read);
    let text = String::from_utf8(bytes).map_err(|_| failed(io::ErrorKind::InvalidData.into()))?;
    Labels::read(&text).map_err(|line| SqlError::Usage(format!("{path}: line {line} is no label")))
}

async fn read_alerts(client: &mut Client) -> Result<Vec<Alert>, SqlError> {
    let (_, rows) = client.rows("SELECT reason, payment_id, earlier_payment_id FROM alerts").await?;
    rows.iter().map(|row| Alert::from_texts(row).ok_or(SqlError::Protocol("an alert is not as it should be"))).collect()
}

impl Alert {
    /// Reads `reason`, `payment_id` and `earlier_payment_id`, of which the last may be null.
    pub fn from_texts(row: &[Option<String>]) -> Option<Self> {
        let [Some(reason), Some(payment), earlier] = row else { return None };
        let mut payments = vec![payment.parse().ok()?];
        if let Some(earlier) = earlier {
            payments.push(earlier.parse().ok()?);
        }
        Some(Self { reason: Kind::named(reason)?, payments })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_are_read_from_rows() {
        let row = |cells: [Option<&str>; 3]| Alert::from_texts(&cells.map(|cell| cell.map(str::to_string)));
        let alert = |reason, payments: &[u64]| Some(Alert { reason, payments: payments.to_vec() });
        assert_eq!(row([Some("velocity"), Some("7"), None]), alert(Kind::Velocity, &[7]));
        assert_eq!(row([Some("impossible travel"), Some("7"), Some("3")]), alert(Kind::ImpossibleTravel, &[7, 3]));
        assert_eq!(row([Some("other"), Some("7"), None]), None);
        assert_eq!(row([Some("velocity"), None, None]), None);
    }
}
