//! Where the lines of a script come from, and those behind its COPY FROM STDIN.

use std::collections::VecDeque;

use tokio::io::AsyncBufReadExt;
use tokio::io::AsyncReadExt;
use tokio::io::BufReader;
use tokio::io::Stdin;

use super::error::SqlError;
use super::terminal::Line;
use super::terminal::Terminal;

/// The longest line of standard input, in bytes.
const LINE_BYTES_MAX: u64 = 64 << 20;

/// Lines, one after the other.
pub(super) enum Input<'a> {
    /// Of `-c` or a file; data that is not in it comes from standard input.
    Text(VecDeque<&'a str>),
    /// Of standard input, as they come.
    Standard(BufReader<Stdin>),
    /// What came out of an editor.
    Edited(VecDeque<&'a str>),
    /// What was typed at a prompt; more is asked for there.
    Typed(VecDeque<&'a str>, &'a mut Terminal),
}

impl<'a> Input<'a> {
    /// The lines of a text.
    pub fn text(text: &'a str) -> Self {
        Input::Text(text.split_inclusive('\n').collect())
    }

    /// The lines of an edited text.
    pub fn edited(text: &'a str) -> Self {
        Input::Edited(text.split_inclusive('\n').collect())
    }

    /// The lines of standard input.
    pub fn standard() -> Self {
        Input::Standard(BufReader::new(tokio::io::stdin()))
    }

    /// The lines that were typed.
    pub fn typed(text: &'a str, terminal: &'a mut Terminal) -> Self {
        Input::Typed(text.split_inclusive('\n').collect(), terminal)
    }

    /// Whether somebody types, so that an answer is waited for.
    pub fn is_typed(&self) -> bool {
        matches!(self, Input::Typed(..))
    }

    /// Whether a last statement is run without its `;`: where somebody types, they may go on with it.
    pub fn ends_statements(&self) -> bool {
        matches!(self, Input::Text(_) | Input::Standard(_))
    }

    /// The next line of statements with its line break, `None` at the end.
    pub async fn line(&mut self) -> Result<Option<String>, SqlError> {
        match self {
            Input::Text(lines) | Input::Edited(lines) | Input::Typed(lines, _) => {
                Ok(lines.pop_front().map(str::to_string))
            }
            Input::Standard(reader) => {
                let Some(bytes) = read_line(reader).await? else { return Ok(None) };
                let line = String::from_utf8(bytes);
                line.map(Some).map_err(|_| failed(std::io::ErrorKind::InvalidData.into()))
            }
        }
    }

    /// The next line of data with its line break, `None` at the end.
    pub async fn data(&mut self) -> Result<Option<Vec<u8>>, SqlError> {
        match self {
            Input::Text(lines) => match lines.pop_front() {
                Some(line) => Ok(Some(line.as_bytes().to_vec())),
                None => {
                    *self = Input::standard();
                    Box::pin(self.data()).await
                }
            },
            Input::Standard(reader) => read_line(reader).await,
            Input::Edited(lines) => Ok(lines.pop_front().map(|line| line.as_bytes().to_vec())),
            Input::Typed(lines, terminal) => match lines.pop_front() {
                Some(line) => Ok(Some(line.as_bytes().to_vec())),
                None => match terminal.data_line().await? {
                    Line::Text(line) => Ok(Some(format!("{line}\n").into_bytes())),
                    Line::End => Ok(None),
                    Line::Interrupted => Err(SqlError::Interrupted),
                },
            },
        }
    }
}

async fn read_line(reader: &mut BufReader<Stdin>) -> Result<Option<Vec<u8>>, SqlError> {
    let mut line = Vec::new();
    let read = reader.take(LINE_BYTES_MAX).read_until(b'\n', &mut line).await.map_err(failed)?;
    if read as u64 == LINE_BYTES_MAX && line.last() != Some(&b'\n') {
        return Err(SqlError::Usage(format!("a line of standard input may have {LINE_BYTES_MAX} bytes")));
    }
    Ok((read != 0).then_some(line))
}

fn failed(source: std::io::Error) -> SqlError {
    SqlError::File { path: "standard input".to_string(), source }
}
