//! `\e`: a text in the editor of whoever types.

use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::process::Stdio;

use super::error::SqlError;
use super::output::shell;
use crate::env::Env;
use crate::env::OpenMode;

/// The longest text that is read back.
const TEXT_BYTES_MAX: u64 = 64 << 20;

/// Lets `text` be edited, or the file of this name, and returns what it is then.
pub(super) async fn edit(env: &Env, file: Option<&str>, text: &str) -> Result<String, SqlError> {
    let path = match file {
        Some(path) => PathBuf::from(path),
        None => {
            // Nobody else can know the name before it is there.
            let path = std::env::temp_dir().join(format!("tidemill-{:016x}.sql", env.random.next_u64()));
            write_text(env, &path, text).map_err(|source| failed(&path, source))?;
            path
        }
    };
    let told =
        ["TIDEMILL_EDITOR", "PSQL_EDITOR", "EDITOR", "VISUAL"].into_iter().find_map(|name| std::env::var(name).ok());
    let editor = told.filter(|editor| !editor.trim().is_empty()).unwrap_or_else(|| "vi".to_string());
    let command = format!("{editor} '{}'", path.display().to_string().replace('\'', "'\\''"));
    let ended = env.threads.blocking(move || shell(&command).stdin(Stdio::inherit()).status()).await;
    let read = read_text(env, &path).map_err(|source| failed(&path, source));
    if file.is_none() {
        // A file that stays behind is no reason to lose the text.
        let _ = env.disk.remove_file(&path);
    }
    let program = |source| SqlError::Program { program: editor, source };
    match ended {
        Ok(status) if status.success() => read,
        Ok(status) => Err(program(io::Error::other(status.to_string()))),
        Err(error) => Err(program(error)),
    }
}

/// The text of a file.
pub(super) fn read_text(env: &Env, path: &Path) -> io::Result<String> {
    let file = env.disk.open(path, OpenMode::Read)?;
    let length = file.len()?;
    if TEXT_BYTES_MAX < length {
        return Err(io::Error::other(format!("it may have {TEXT_BYTES_MAX} bytes, not {length}")));
    }
    let mut bytes = vec![0; length as usize];
    let read = file.read_at(&mut bytes, 0)?;
    bytes.truncate(read);
    String::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData.into())
}

fn write_text(env: &Env, path: &Path, text: &str) -> io::Result<()> {
    let file = env.disk.open(path, OpenMode::Create)?;
    file.set_len(0)?;
    file.write_at(text.as_bytes(), 0)
}

fn failed(path: &Path, source: io::Error) -> SqlError {
    SqlError::File { path: path.display().to_string(), source }
}
