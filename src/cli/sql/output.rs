//! Where answers go: standard output, through a pager if they are long, or `\o`'s file or command.

use std::io;
use std::io::IsTerminal;
use std::io::Write;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;

use super::error::SqlError;
use super::report::show;
use super::width::width;
use crate::env::Disk;
use crate::env::Env;
use crate::env::File;
use crate::env::OpenMode;

/// Where answers go.
pub(super) struct Output {
    target: Target,
    pager: Pager,
}

enum Target {
    Standard,
    File { path: String, file: Arc<dyn File>, byte_offset: u64 },
    Command { command: String, child: Child },
}

/// What of an answer is held back until it is known whether it fits on the screen.
enum Pager {
    /// The answer goes straight on.
    Unused,
    /// It fits so far, into so many columns and rows.
    Holding { text: String, size: (usize, usize) },
    /// It is longer, and the pager has it.
    Running(Child),
    /// The reader has seen enough.
    Left,
}

impl Output {
    /// Standard output.
    pub fn standard() -> Self {
        Self { target: Target::Standard, pager: Pager::Unused }
    }

    /// Whether it is a terminal.
    pub fn is_terminal(&self) -> bool {
        matches!(self.target, Target::Standard) && io::stdout().is_terminal()
    }

    /// `\o`: to a file, to a command behind a `|`, or with no text back to standard output.
    pub async fn redirect(&mut self, env: &Env, text: &str) -> Result<(), SqlError> {
        self.close(env).await?;
        self.target = if let Some(command) = text.strip_prefix('|') {
            let child = shell(command).stdin(Stdio::piped()).spawn().map_err(|source| program(command, source))?;
            Target::Command { command: command.to_string(), child }
        } else if text.is_empty() {
            Target::Standard
        } else {
            Target::file(env.disk.as_ref(), text)?
        };
        Ok(())
    }

    /// Ends `\o`: waits for its command.
    pub async fn close(&mut self, env: &Env) -> Result<(), SqlError> {
        match std::mem::replace(&mut self.target, Target::Standard) {
            Target::Command { command, child } => {
                let ended = env.threads.blocking(move || wait(child)).await;
                ended.map_err(|source| program(&command, source))
            }
            Target::Standard | Target::File { .. } => Ok(()),
        }
    }

    /// From here on an answer is held back until it is longer than a screen of this size; then a pager gets it.
    pub fn page(&mut self, size: (usize, usize)) {
        if matches!(self.target, Target::Standard) {
            self.pager = Pager::Holding { text: String::new(), size };
        }
    }

    /// Writes a piece of an answer.
    pub fn write(&mut self, text: &str) -> Result<(), SqlError> {
        match &mut self.pager {
            Pager::Unused => self.target.write(text),
            Pager::Left => Ok(()),
            Pager::Holding { text: held, size } => {
                held.push_str(text);
                if fits(held, *size) {
                    return Ok(());
                }
                let held = std::mem::take(held);
                match start_pager() {
                    Some(child) => {
                        self.pager = Pager::Running(child);
                        self.write(&held)
                    }
                    None => {
                        self.pager = Pager::Unused;
                        self.target.write(&held)
                    }
                }
            }
            Pager::Running(child) => {
                let Some(stdin) = &mut child.stdin else { return Ok(()) };
                match stdin.write_all(text.as_bytes()).and_then(|()| stdin.flush()) {
                    Ok(()) => Ok(()),
                    // Who quits a pager has seen enough.
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                        child.stdin = None;
                        let ended = child.wait();
                        self.pager = Pager::Left;
                        ended.map(|_| ()).map_err(SqlError::Output)
                    }
                    Err(error) => Err(SqlError::Output(error)),
                }
            }
        }
    }

    /// Whether nobody reads the rest of this answer.
    pub fn is_left(&self) -> bool {
        matches!(self.pager, Pager::Left)
    }

    /// Ends an answer: shows what was held back, or waits until the pager is quit.
    pub async fn finish(&mut self, env: &Env) -> Result<(), SqlError> {
        match std::mem::replace(&mut self.pager, Pager::Unused) {
            Pager::Unused | Pager::Left => Ok(()),
            Pager::Holding { text, .. } => self.target.write(&text),
            Pager::Running(child) => env.threads.blocking(move || wait(child)).await.map_err(SqlError::Output),
        }
    }
}

impl Target {
    fn file(disk: &dyn Disk, path: &str) -> Result<Self, SqlError> {
        let failed = |source| SqlError::File { path: path.to_string(), source };
        let file = disk.open(Path::new(path), OpenMode::Create).map_err(failed)?;
        file.set_len(0).map_err(failed)?;
        Ok(Target::File { path: path.to_string(), file, byte_offset: 0 })
    }

    fn write(&mut self, text: &str) -> Result<(), SqlError> {
        match self {
            Target::Standard => show(text),
            Target::File { path, file, byte_offset } => {
                let written = file.write_at(text.as_bytes(), *byte_offset);
                written.map_err(|source| SqlError::File { path: path.clone(), source })?;
                *byte_offset += text.len() as u64;
                Ok(())
            }
            Target::Command { command, child } => {
                let Some(stdin) = &mut child.stdin else { return Ok(()) };
                let written = stdin.write_all(text.as_bytes()).and_then(|()| stdin.flush());
                written.map_err(|source| program(command, source))
            }
        }
    }
}

fn wait(mut child: Child) -> io::Result<()> {
    // Its end of input.
    child.stdin = None;
    child.wait().map(|_| ())
}

fn program(command: &str, source: io::Error) -> SqlError {
    SqlError::Program { program: command.trim().to_string(), source }
}

/// A command line for the shell, as in psql.
pub(super) fn shell(command: &str) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(command);
    shell
}

/// The pager of the environment, `less`, or `more`; `None` if it is turned off or there is none.
fn start_pager() -> Option<Child> {
    let told = ["TIDEMILL_PAGER", "PSQL_PAGER", "PAGER"].into_iter().find_map(|name| std::env::var(name).ok());
    let candidates = match told {
        Some(pager) => vec![pager],
        None => vec!["less".to_string(), "more".to_string()],
    };
    candidates.iter().filter(|pager| !pager.trim().is_empty()).find_map(|pager| {
        // The shell would be there even where the pager is not.
        let program = pager.split_whitespace().next().unwrap_or_default();
        if !shell(&format!("command -v {program} >/dev/null")).status().is_ok_and(|status| status.success()) {
            return None;
        }
        let mut command = shell(pager);
        if std::env::var_os("LESS").is_none() {
            // Long lines are cut and can be scrolled to, and what was seen stays on the screen.
            command.env("LESS", "-SRX");
        }
        command.stdin(Stdio::piped()).spawn().ok()
    })
}

/// Whether a text needs less than a screen of so many columns and rows.
fn fits(text: &str, (columns, rows): (usize, usize)) -> bool {
    let lines = text.lines().map(|line| width(line).max(1).div_ceil(columns));
    // The prompt has the last one.
    lines.sum::<usize>() < rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Simulation;

    #[test]
    fn an_answer_fits_if_its_wrapped_lines_leave_one_free() {
        assert!(fits("a\nb\n", (40, 3)));
        assert!(!fits("a\nb\nc\n", (40, 3)));
        assert!(!fits(&"x".repeat(81), (40, 3)));
    }

    #[tokio::test]
    async fn a_file_takes_what_is_written_until_it_is_closed() {
        let env = Simulation::new(1).env;
        let mut output = Output::standard();
        output.redirect(&env, "/out").await.expect("a file can be made");
        output.page((80, 2));
        output.write("one\ntwo\nthree\n").expect("it is written, not paged");
        output.finish(&env).await.expect("nothing is held back");
        assert!(!output.is_terminal());
        let file = env.disk.open(Path::new("/out"), OpenMode::Read).expect("it is there");
        assert_eq!(file.len().expect("it has a length"), 14);
        output.redirect(&env, "").await.expect("standard output is always there");
        assert!(matches!(output.redirect(&env, "/no/such/folder/x").await, Err(SqlError::File { .. })));
    }
}
