//! The binary: arguments to a command, a command's end to an exit code.

use std::process::ExitCode;

use clap::Parser;
use tidemill::cli;
use tidemill::env::Env;
use tidemill::error::Error;
use tidemill::error::SqlState;

/// A SQL streaming database in one binary.
#[derive(Parser)]
#[command(name = "tidemill", version, about, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// A prompt for statements, or runs them from -c, -f or standard input.
    Sql(cli::SqlArguments),
    /// Runs pipeline tests: statements, records in, records expected.
    Test(cli::TestArguments),
    /// Looks into the files of the log.
    #[command(subcommand)]
    Log(LogCommand),
}

#[derive(clap::Subcommand)]
enum LogCommand {
    /// Shows the batches and records of a partition's directory.
    Dump(cli::LogDumpArguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return fail(&Error::new(SqlState::IO_ERROR, format!("could not start the runtime: {error}")));
        }
    };
    let code = runtime.block_on(run(arguments.command));
    // A prompt's thread that still waits for a line must not hold the process.
    runtime.shutdown_background();
    code
}

async fn run(command: Command) -> ExitCode {
    let env = Env::real();
    let done = match command {
        Command::Sql(arguments) => return ExitCode::from(cli::run_sql(&env, &arguments).await),
        Command::Test(arguments) => match cli::run_test(&env, &arguments).await {
            Ok(true) => Ok(()),
            Ok(false) => return ExitCode::FAILURE,
            Err(error) => Err(error),
        },
        Command::Log(LogCommand::Dump(arguments)) => cli::run_log_dump(env.disk.as_ref(), &arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn fail(error: &Error) -> ExitCode {
    use std::io::Write;
    let mut text = format!("tidemill: {}\n", error.message());
    for extra in [error.detail_text(), error.hint_text()].into_iter().flatten() {
        text.push_str(&format!("  {extra}\n"));
    }
    // Without a standard error the exit code is all there is.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
    ExitCode::FAILURE
}
