//! The binary: arguments to a command, a command's end to an exit code.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc;

use clap::Parser;
use tikv_jemalloc_ctl::epoch;
use tikv_jemalloc_ctl::stats;
use tracing_subscriber::EnvFilter;

use tidemill::cli;
use tidemill::config::Config;
use tidemill::config::Layers;
use tidemill::env::AllocatorFigures;
use tidemill::env::Env;
use tidemill::env::OpenMode;
use tidemill::env::STACK_BYTES;
use tidemill::env::Threads;
use tidemill::env::open_files;
use tidemill::env::raise_open_files;
use tidemill::env::resident_bytes;
use tidemill::error::Error;
use tidemill::error::SqlState;

/// Gives back what is freed, whichever thread took it: the memory of a server with a large state is two thirds of what
/// glibc's allocator leaves it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// jemalloc's own settings, text that ends in a zero byte: freed pages go back within a tenth of a second, by a thread
/// of its own. Within a second would be a quarter more memory for a view of millions of keys.
#[unsafe(export_name = "_rjem_malloc_conf")]
pub static ALLOCATOR_SETTINGS: &[u8; 60] = b"background_thread:true,dirty_decay_ms:100,muzzy_decay_ms:0\0\0";

/// What jemalloc counts, as of now.
fn allocator_figures() -> Option<AllocatorFigures> {
    epoch::advance().ok()?;
    Some(AllocatorFigures { allocated: stats::allocated::read().ok()?, resident: stats::resident::read().ok()? })
}

/// The longest configuration file that is read.
const CONFIG_BYTES_MAX: u64 = 1 << 20;

/// A SQL streaming database in one binary.
#[derive(Parser)]
#[command(name = "tidemill", version, about, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Runs a server until SIGTERM or Ctrl-C.
    Server(ServerArguments),
    /// A prompt for statements, or runs them from -c, -f or standard input.
    Sql(cli::SqlArguments),
    /// Runs pipeline tests: statements, records in, records expected.
    Test(cli::TestArguments),
    /// A server that tells fraud among card payments as they come; goes on until Ctrl-C.
    Demo(DemoArguments),
    /// Makes data up: the same for the same seed.
    #[command(subcommand)]
    Datagen(cli::DatagenCommand),
    /// Lists, shows, makes, changes, fills, reads and drops topics over the Kafka wire.
    #[command(subcommand)]
    Topic(cli::TopicCommand),
    /// Lists, shows, moves and deletes consumer groups over the Kafka wire.
    #[command(subcommand)]
    Group(cli::GroupCommand),
    /// Lists, shows and aborts transactions over the Kafka wire.
    #[command(subcommand)]
    Transaction(cli::TransactionCommand),
    /// Looks into the files of the log.
    #[command(subcommand)]
    Log(LogCommand),
}

#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
struct DemoArguments {
    #[command(subcommand)]
    other: Option<DemoCommand>,
    #[command(flatten)]
    fraud: cli::FraudArguments,
    #[command(flatten)]
    server: ServerArguments,
}

#[derive(clap::Subcommand)]
enum DemoCommand {
    /// Shows 336,776 flights streaming into views instead; goes on until Ctrl-C.
    Flights(ServerArguments),
}

#[derive(clap::Subcommand)]
enum LogCommand {
    /// Shows the batches and records of a partition's directory.
    Dump(cli::LogDumpArguments),
    /// Reads every byte of a stopped server's log; fails if something is damaged.
    Verify(cli::LogVerifyArguments),
    /// Gives up what is damaged in one partition of a stopped server's log.
    Repair(cli::LogRepairArguments),
}

/// Flags win over the environment (TIDEMILL_PG_LISTEN ...), the environment over the file, the file over defaults.
#[derive(clap::Args)]
struct ServerArguments {
    /// Where all data lies [default: ./tidemill-data; demo: ./tidemill-demo-data]
    #[arg(long, value_name = "DIRECTORY")]
    data_dir: Option<String>,
    /// Where the PostgreSQL door listens; port 0 takes a free one [default: 127.0.0.1:7432]
    #[arg(long, value_name = "HOST:PORT")]
    pg_listen: Option<String>,
    /// Where the HTTP door listens [default: 127.0.0.1:8088]
    #[arg(long, value_name = "HOST:PORT")]
    http_listen: Option<String>,
    /// Where the Kafka door listens, or off [default: 127.0.0.1:9092]
    #[arg(long, value_name = "HOST:PORT")]
    kafka_listen: Option<String>,
    /// A TOML file with settings (docs/reference/config.md)
    #[arg(long, value_name = "FILE", env = "TIDEMILL_CONFIG")]
    config: Option<PathBuf>,
    /// Listens elsewhere than on loopback, although nobody has to prove who they are
    #[arg(long)]
    allow_remote_without_auth: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Not on this thread, whose stack is as the system made it.
    let (done, code) = mpsc::channel();
    let started = Threads.spawn("tidemill-main", move || {
        // It is waited for as long as this lives.
        let _ = done.send(work(arguments));
    });
    match started {
        Ok(_) => code.recv().unwrap_or(ExitCode::FAILURE),
        Err(error) => fail(&Error::new(SqlState::IO_ERROR, format!("could not start a thread: {error}"))),
    }
}

fn work(arguments: Arguments) -> ExitCode {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = match builder.enable_all().thread_stack_size(STACK_BYTES).build() {
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
    let env = Env { allocator_figures, resident_bytes, open_files, ..Env::real() };
    let done = match command {
        Command::Server(arguments) => match server_config(&env, arguments, None) {
            Ok(config) => {
                listen_to_tracing(&config.log_filter);
                // Not within the line, which a filter may leave out.
                let open_files_limit = most_open_files();
                tracing::info!(open_files_limit, "starting");
                cli::run_server(&env, config).await
            }
            Err(error) => Err(error),
        },
        Command::Demo(arguments) => run_demo(&env, arguments).await,
        Command::Sql(arguments) => return ExitCode::from(cli::run_sql(&env, &arguments).await),
        Command::Test(arguments) => match cli::run_test(&env, &arguments).await {
            Ok(true) => Ok(()),
            Ok(false) => return ExitCode::FAILURE,
            Err(error) => Err(error),
        },
        Command::Datagen(command) => cli::run_datagen(&env, &command).await,
        Command::Topic(command) => cli::run_topic(&env, command).await,
        Command::Group(command) => cli::run_group(&env, command).await,
        Command::Transaction(command) => cli::run_transaction(&env, command).await,
        Command::Log(LogCommand::Dump(arguments)) => cli::run_log_dump(env.disk.as_ref(), &arguments),
        Command::Log(LogCommand::Verify(arguments)) => match cli::run_log_verify(&env, &arguments) {
            Ok(true) => Ok(()),
            Ok(false) => return ExitCode::FAILURE,
            Err(error) => Err(error),
        },
        Command::Log(LogCommand::Repair(arguments)) => cli::run_log_repair(&env, &arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

async fn run_demo(env: &Env, arguments: DemoArguments) -> Result<(), Error> {
    let DemoArguments { other, fraud, server } = arguments;
    listen_to_tracing("warn");
    most_open_files();
    let config = |server| server_config(env, server, Some("./tidemill-demo-data"));
    match other {
        Some(DemoCommand::Flights(server)) => cli::run_demo_flights(env, config(server)?).await,
        None => cli::run_demo_fraud(env, config(server)?, &fraud).await,
    }
}

fn server_config(env: &Env, arguments: ServerArguments, data_dir: Option<&str>) -> Result<Config, Error> {
    let read = |path: &std::path::Path| -> tidemill::error::Result<_> {
        Ok((path.display().to_string(), read_config(env, path)?))
    };
    let file = arguments.config.as_deref().map(read).transpose()?;
    let environment: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let told = environment.iter().any(|(name, _)| name == "TIDEMILL_DATA_DIR");
    let data_dir = arguments.data_dir.or_else(|| data_dir.filter(|_| !told).map(str::to_string));
    let flags = [
        ("data_dir", data_dir),
        ("pg_listen", arguments.pg_listen),
        ("http_listen", arguments.http_listen),
        ("kafka_listen", arguments.kafka_listen),
        ("allow_remote_without_auth", arguments.allow_remote_without_auth.then(|| "true".to_string())),
    ];
    let flags = flags.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    Ok(Config::load(Layers { file, environment, flags })?)
}

/// Takes as many open files as the system lets the process have: each partition, connection and table of state takes some.
fn most_open_files() -> u64 {
    const FEW: u64 = 4096;
    let limit = raise_open_files().unwrap_or_else(|error| {
        tracing::warn!(%error, "the limit of open files could not be raised");
        0
    });
    if limit < FEW {
        tracing::warn!(limit, "few files may be open: some 25 a view of 8 partitions (ulimit -n, LimitNOFILE)");
    }
    limit
}

fn read_config(env: &Env, path: &std::path::Path) -> Result<String, Error> {
    let failed = |error: std::io::Error| {
        let message = format!("could not read the configuration file {}: {error}", path.display());
        Error::new(SqlState::IO_ERROR, message).caused_by(error)
    };
    let file = env.disk.open(path, OpenMode::Read).map_err(failed)?;
    let length = file.len().map_err(failed)?.min(CONFIG_BYTES_MAX);
    let mut bytes = vec![0; length as usize];
    let read = file.read_at(&mut bytes, 0).map_err(failed)?;
    bytes.truncate(read);
    String::from_utf8(bytes).map_err(|_| failed(std::io::ErrorKind::InvalidData.into()))
}

/// The server log goes to standard error; RUST_LOG wins over the setting.
fn listen_to_tracing(filter: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(filter));
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours).init();
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
