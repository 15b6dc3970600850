//! `tidemill sql` from its arguments to its exit code.

use std::io::IsTerminal;

use super::arguments::SqlArguments;
use super::client::Client;
use super::error::SqlError;
use super::input::Input;
use super::names::NameCache;
use super::report::complain;
use super::report::show;
use super::report::tell;
use super::shell::Flow;
use super::shell::OnError;
use super::shell::Shell;
use super::splitter::is_blank;
use super::terminal::Line;
use super::terminal::Terminal;
use crate::env::Env;

/// psql's exit code for a script that failed.
const EXIT_SCRIPT_FAILED: u8 = 3;

/// Connects, runs what is asked for or shows the prompt, and tells the exit code.
pub async fn run(env: &Env, arguments: &SqlArguments) -> u8 {
    match session(env, arguments).await {
        Ok(()) => 0,
        Err((error, code)) => {
            complain(&error, "");
            code
        }
    }
}

/// An error with the exit code that it leads to.
type Ended = (SqlError, u8);

fn failed(error: SqlError) -> Ended {
    let code = error.exit_code();
    (error, code)
}

async fn session(env: &Env, arguments: &SqlArguments) -> Result<(), Ended> {
    let target = arguments.target().map_err(failed)?;
    let beginning = arguments.beginning();
    let client = Client::begin(env, &target, &beginning).await.map_err(failed)?;
    let display = arguments.display(std::io::stdout().is_terminal());
    let mut shell = Shell::new(env.clone(), (target, beginning), client, display).map_err(failed)?;
    if let Some(output) = &arguments.output {
        shell.output.redirect(env, output).await.map_err(failed)?;
    }
    let run = work(&mut shell, arguments).await;
    let closed = shell.output.close(env).await.map_err(failed);
    shell.client.close().await;
    run.and(closed)
}

async fn work(shell: &mut Shell, arguments: &SqlArguments) -> Result<(), Ended> {
    for command in &arguments.command {
        let mut input = Input::text(command);
        if shell.script(&mut input, 0, OnError::Stop).await.map_err(failed)? == Flow::Quit {
            return Ok(());
        }
    }
    for path in &arguments.file {
        let text;
        let mut input = match path.as_str() {
            "-" => Input::standard(),
            path => {
                text = shell.read_script(path).map_err(failed)?;
                Input::text(&text)
            }
        };
        let flow = shell.script(&mut input, 0, OnError::Stop).await.map_err(|error| match error {
            SqlError::Told(inner) if !matches!(*inner, SqlError::Interrupted) => {
                (SqlError::Told(inner), EXIT_SCRIPT_FAILED)
            }
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
        return prompt(shell).await.map_err(failed);
    }
    shell.script(&mut Input::standard(), 0, OnError::GoOn).await.map(|_| ()).map_err(failed)
}

/// Reads entries until Ctrl-D.
async fn prompt(shell: &mut Shell) -> Result<(), SqlError> {
    let names = NameCache::kept(&shell.env, &shell.target);
    let mut terminal = Terminal::new(&shell.env, std::sync::Arc::clone(&names), shell.screen.colours())?;
    shell.names = Some(names);
    let (own, server) = (env!("CARGO_PKG_VERSION"), shell.client.version());
    show(&format!("Tidemill {own}, server {server}. \\? lists commands, Tab completes.\n"))?;
    let ended = entries(shell, &mut terminal).await;
    terminal.save();
    ended
}

async fn entries(shell: &mut Shell, terminal: &mut Terminal) -> Result<(), SqlError> {
    loop {
        let begun = std::mem::take(&mut shell.pending);
        let sign = if is_blank(&begun) { "tidemill=> " } else { "tidemill-> " };
        match terminal.statements(sign, begun).await? {
            Line::Text(entry) => {
                if is_blank(&entry) {
                    continue;
                }
                terminal.remember(&entry);
                // What was pressed before belongs to what ran before.
                while shell.interrupts.pressed() {}
                let mut input = Input::typed(&entry, terminal);
                match shell.script(&mut input, 0, OnError::GoOn).await {
                    Ok(Flow::Next) => {}
                    Ok(Flow::Quit) => return Ok(()),
                    Err(error @ (SqlError::Lost(_) | SqlError::Fatal(_))) => {
                        complain(&error, "");
                        shell.pending.clear();
                        tell("Trying to connect again.\n");
                        match shell.reconnect().await {
                            Ok(()) => tell("Connected; settings of the session are as at its start.\n"),
                            // The next statement tries again.
                            Err(error) => complain(&error, ""),
                        }
                    }
                    Err(error) => return Err(error),
                }
            }
            Line::Interrupted => {}
            Line::End => {
                show("\n")?;
                return Ok(());
            }
        }
    }
}
