//! The simple protocol: a text with any number of statements, each answered in full.

use bytes::Bytes;

use super::answer::RowCursor;
use super::conversation::Conversation;
use super::parameter::statement_text;
use super::row::ResultFormats;
use super::socket::Failure;
use crate::engine::Notice;
use crate::engine::Outcome;
use crate::error::SqlState;

impl Conversation {
    /// Runs the statements of a Query message up to the first error; the caller sends ReadyForQuery.
    pub async fn simple_query(&mut self, text: Bytes) -> Result<(), Failure> {
        // A simple query ends the unnamed statement and portal.
        self.statements.remove("");
        self.portals.remove("");
        let statements = self.session.parse(&statement_text(text)?)?;
        if statements.is_empty() {
            self.socket.outgoing.empty_query();
        }
        for statement in &statements {
            let outcome = self.execute(statement, &[]).await?;
            self.answer(outcome).await?;
        }
        Ok(())
    }

    async fn answer(&mut self, outcome: Outcome) -> Result<(), Failure> {
        match outcome {
            Outcome::Rows { fields, rows, push, tag } => {
                if push && tag == "SELECT" && self.session.application_name() == "psql" {
                    self.socket.outgoing.notice(&endless_result());
                }
                self.socket.outgoing.row_description(&fields, |_| super::frontend::Format::Text);
                let mut cursor = RowCursor::new(rows, fields, ResultFormats::text(), tag);
                let (count, _) = cursor.send(&mut self.socket, &mut self.guard, None).await?;
                self.socket.outgoing.command_complete(&format!("{tag} {count}"));
            }
            Outcome::Done { tag } => self.socket.outgoing.command_complete(&tag),
            Outcome::Empty => self.socket.outgoing.empty_query(),
            Outcome::CopyOut(copy) => self.answer_copy_out(copy).await?,
            Outcome::CopyOutRows(copy) => self.answer_copy_out_binary(copy).await?,
            Outcome::CopyIn(sink) => self.answer_copy_in(*sink).await?,
        }
        Ok(())
    }
}

/// psql shows nothing of a result before its end.
fn endless_result() -> Notice {
    Notice {
        severity: "NOTICE",
        state: SqlState("00000"),
        message: "this result does not end, and psql waits for its end".to_string(),
        detail: None,
        hint: Some(
            "Ctrl-C cancels. To see rows as they come: \\set FETCH_COUNT 1, or COPY (SELECT ...) TO STDOUT."
                .to_string(),
        ),
    }
}
