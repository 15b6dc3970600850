//! `tidemill sql` from its arguments to its exit code.

use std::io::IsTerminal;
use std::path::PathBuf;

use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;

use super::client::Client;
use super::client::Target;
use super::error::SqlError;
use super::shell::Flow;
use super::shell::OnError;
use super::shell::Shell;
use super::shell::complain;
use super::shell::show;
use super::splitter::is_blank;
use super::splitter::statement_end;
use crate::env::Env;

/// psql's exit code for a script that failed.
const EXIT_SCRIPT_FAILED: u8 = 3;

/// The arguments of `tidemill sql`.
#[derive(Debug, Clone, clap::Args)]
#[command(disable_help_flag = true)]
pub struct SqlArguments {
    /// The server's host.
    #[arg(short = 'h', long, env = "PGHOST", default_value = "127.0.0.1")]
    host: String,
    /// The server's port.
    #[arg(short, long, env = "PGPORT", default_value_t = 7432)]
    port: u16,
    /// The user's name.
    #[arg(short = 'U', long, env = "PGUSER", default_value = "tidemill")]
    user: String,
    /// The database.
    #[arg(short, long, env = "PGDATABASE", default_value = "tidemill")]
    database: String,
    /// Runs these statements and leaves; may be given again.
    #[arg(short, long)]
    command: Vec<String>,
    /// Runs the statements of a file, after those of -c, and leaves; may be given again.
    #[arg(short, long)]
    file: Vec<String>,
    /// Shows one line a field.
    #[arg(short = 'x', long)]
    expanded: bool,
    /// Shows rows only, `|` between fields.
    #[arg(short = 'A', long)]
    bare: bool,
    /// Prints help.
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

/// Connects, runs what is asked for or shows the prompt, and tells the exit code.
pub async fn run(env: &Env, arguments: &SqlArguments) -> u8 {
    let target = Target {
        address: format!("{}:{}", arguments.host, arguments.port),
        user: arguments.user.clone(),
        database: arguments.database.clone(),
    };
    let client = match Client::connect(env, &target).await {
        Ok(client) => client,
        Err(error) => {
            complain(&error, "");
            return error.exit_code();
        }
    };
    let mut shell = Shell::new(env.clone(), client, arguments.expanded, arguments.bare);
    let code = match session(env, &mut shell, arguments).await {
        Ok(()) => 0,
        Err((error, code)) => {
            // Errors of statements were told where they happened.
            if !matches!(error, SqlError::Statement(_)) {
                complain(&error, "");
            }
            code
        }
    };
    shell.client.close().await;
    code
}

async fn session(env: &Env, shell: &mut Shell, arguments: &SqlArguments) -> Result<(), (SqlError, u8)> {
    let failed = |error: SqlError| {
        let code = error.exit_code();
        (error, code)
    };
    for command in &arguments.command {
        if shell.script(command, 0, OnError::Stop).await.map_err(failed)? == Flow::Quit {
            return Ok(());
        }
    }
    for path in &arguments.file {
        let text = shell.read_script(path).map_err(failed)?;
        let flow = shell.script(&text, 0, OnError::Stop).await.map_err(|error| match error {
            SqlError::Statement(_) => (error, EXIT_SCRIPT_FAILED),
            other => failed(other),
        })?;
        if flow == Flow::Quit {
            return Ok(());
        }
    }
    if !arguments.command.is_empty() || !arguments.file.is_empty() {
        return Ok(());
    }
    if std::io::stdin().is_terminal() {
        return prompt(env, shell).await.map_err(failed);
    }
    let text = std::io::read_to_string(std::io::stdin()).map_err(|error| failed(SqlError::Output(error)))?;
    shell.script(&text, 0, OnError::GoOn).await.map(|_| ()).map_err(failed)
}

/// Reads lines until Ctrl-D.
async fn prompt(env: &Env, shell: &mut Shell) -> Result<(), SqlError> {
    let broken = |error: ReadlineError| SqlError::Output(std::io::Error::other(error));
    let mut editor = DefaultEditor::new().map_err(broken)?;
    let history = history_path();
    if let Some(path) = &history {
        // The first session has none.
        let _ = editor.load_history(path);
    }
    show(&format!("Tidemill {}, server {}. \\? lists commands.\n", env!("CARGO_PKG_VERSION"), shell.client.version()))?;
    let mut pending = String::new();
    loop {
        let sign = if is_blank(&pending) { "tidemill=> " } else { "tidemill-> " };
        let (returned, line) = env
            .threads
            .blocking(move || {
                let line = editor.readline(sign);
                (editor, line)
            })
            .await;
        editor = returned;
        match line {
            Ok(line) => {
                if is_blank(&pending) && line.trim_start().starts_with('\\') {
                    let _ = editor.add_history_entry(&line);
                    if shell.script(&line, 0, OnError::GoOn).await? == Flow::Quit {
                        break;
                    }
                    continue;
                }
                pending.push_str(&line);
                pending.push('\n');
                if let Some(end) = last_statement_end(&pending) {
                    let statements: String = pending.drain(..end).collect();
                    let _ = editor.add_history_entry(statements.trim());
                    shell.script(&statements, 0, OnError::GoOn).await?;
                }
            }
            Err(ReadlineError::Interrupted) => pending.clear(),
            Err(ReadlineError::Eof) => {
                show("\n")?;
                break;
            }
            Err(error) => return Err(broken(error)),
        }
    }
    if let Some(path) = &history {
        // A history that cannot be kept is no reason to fail.
        let _ = editor.save_history(path);
    }
    Ok(())
}

/// Where the last whole statement of a text ends.
fn last_statement_end(text: &str) -> Option<usize> {
    let mut end = None;
    while let Some(length) = statement_end(&text[end.unwrap_or(0)..]) {
        end = Some(end.unwrap_or(0) + length);
    }
    end
}

fn history_path() -> Option<PathBuf> {
    match std::env::var_os("TIDEMILL_HISTORY") {
        Some(path) => Some(path.into()),
        None => std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".tidemill_history")),
    }
}
