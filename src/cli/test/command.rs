//! The command: files in, verdicts out.

use std::io;
use std::io::Write;
use std::path::PathBuf;

use super::CaseFile;
use super::expand;
use super::report::Report;
use super::run;
use crate::env::Env;
use crate::env::OpenMode;
use crate::error::Error;
use crate::error::SqlState;

/// What is run.
#[derive(Debug, Clone, clap::Args)]
pub struct TestArguments {
    /// Files of cases.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Runs only the cases whose file and name contain this text.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Writes every verdict to this file, as JSON.
    #[arg(long, value_name = "FILE.json")]
    report: Option<PathBuf>,
}

/// Runs the cases; `false` if one failed.
pub async fn run_files(env: &Env, arguments: &TestArguments) -> Result<bool, Error> {
    let mut report = Report::default();
    for path in &arguments.files {
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let file = CaseFile::read(env.disk.as_ref(), path)?;
        for case in file.tests.iter().flat_map(|node| expand::expand(&stem, node)) {
            if arguments.filter.as_ref().is_some_and(|filter| !case.id.contains(filter)) {
                continue;
            }
            let verdict = run::run(&case).await;
            Report::write_verdict(&verdict, &mut io::stdout().lock()).map_err(cannot_write)?;
            report.cases.push(verdict);
        }
    }
    if let Some(path) = &arguments.report {
        let bytes = serde_json::to_vec_pretty(&report).map_err(|error| Error::internal(error.to_string()))?;
        let file = env.disk.open(path, OpenMode::Create).map_err(cannot_write)?;
        file.set_len(0).and_then(|()| file.write_at(&bytes, 0)).map_err(cannot_write)?;
    }
    report.write_counts(&mut io::stdout().lock()).and_then(|()| io::stdout().flush()).map_err(cannot_write)?;
    Ok(report.is_good())
}

fn cannot_write(error: io::Error) -> Error {
    Error::new(SqlState::IO_ERROR, format!("could not write the report: {error}"))
}
