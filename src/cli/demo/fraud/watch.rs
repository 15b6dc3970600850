//! The reader of alerts: a push query, as any client would run it.

use super::progress::Shared;
use super::progress::Told;
use crate::cli::datagen::Alert;
use crate::cli::sql::Client;
use crate::cli::sql::Event;
use crate::cli::sql::SqlError;
use crate::env::Env;

const ALERTS: &str =
    "COPY (SELECT reason, payment_id, earlier_payment_id, card_id, details FROM alerts EMIT CHANGES) TO STDOUT";

/// Takes in alerts from the first one on; it ends only with the session.
pub(super) async fn watch(env: &Env, client: &mut Client, shared: &Shared) -> Result<(), SqlError> {
    client.execute("SET auto_offset_reset = 'earliest'").await?;
    client.query(ALERTS).await?;
    // A message may hold a part of a line, or several.
    let mut pending = Vec::new();
    loop {
        match client.next().await? {
            Event::CopyData(bytes) => {
                pending.extend_from_slice(&bytes);
                while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = pending.drain(..=end).collect();
                    let (alert, told) =
                        read(&line[..end]).ok_or(SqlError::Protocol("an alert is not as it should be"))?;
                    shared.with(|progress| progress.alert(alert, told, env.clock.monotonic()));
                }
            }
            Event::Failed(report) => return Err(SqlError::Statement(report)),
            Event::Ready => return Err(SqlError::Protocol("the alerts have ended")),
            _ => {}
        }
    }
}

/// A line of COPY's text format: the alert, and how it is shown.
fn read(line: &[u8]) -> Option<(Alert, Told)> {
    let cells: Vec<Option<String>> =
        std::str::from_utf8(line).ok()?.split('\t').map(|cell| (cell != "\\N").then(|| cell.to_string())).collect();
    let [reason, payment, earlier, Some(card), details] = &cells[..] else { return None };
    let alert = Alert::from_texts(&[reason.clone(), payment.clone(), earlier.clone()])?;
    let details = details.clone().unwrap_or_default();
    let told = Told { card: card.clone(), reason: alert.reason, details };
    Some((alert, told))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::datagen::Kind;

    #[test]
    fn alerts_are_read_from_lines() {
        let (alert, told) = read(b"velocity\t7\t\\N\tc00012\t6 payments in 10 minutes").expect("an alert");
        assert_eq!(alert, Alert { reason: Kind::Velocity, payments: vec![7] });
        let details = "6 payments in 10 minutes".to_string();
        assert_eq!(told, Told { card: "c00012".to_string(), reason: Kind::Velocity, details });
        for wrong in [&b""[..], b"velocity\t7", b"velocity\tx\t\\N\tc\td", b"\\N\t7\t\\N\tc\td", b"\xff"] {
            assert!(read(wrong).is_none());
        }
    }
}
