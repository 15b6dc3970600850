//! A server of a bench's own: the real binary, data in the build's folder, and what it takes of the machine.

#![allow(dead_code, reason = "each bench uses a part of it")]

use std::io::BufRead;
use std::io::BufReader;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use tempfile::TempDir;
use tokio_postgres::Client;
use tokio_postgres::NoTls;

/// A server that ends with the bench, however that ends.
pub struct Server {
    child: Child,
    port: u16,
    settings: Vec<(&'static str, String)>,
    data: TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        // A server that has ended by itself needs no end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The binary, without what its environment would tell it.
pub fn tidemill() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidemill"));
    let settings = std::env::vars_os().map(|(name, _)| name);
    for name in settings.filter(|name| name.to_string_lossy().starts_with("TIDEMILL_")) {
        command.env_remove(name);
    }
    command
}

impl Server {
    /// A server with an empty log.
    pub fn start() -> Self {
        Self::start_with(Vec::new())
    }

    /// A server with an empty log and settings by the names of their variables.
    pub fn start_with(settings: Vec<(&'static str, String)>) -> Self {
        // Not the folder for temporary files, which may lie in memory.
        let data = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let (child, port) = spawn(data.path(), &settings);
        Self { child, port, settings, data }
    }

    /// `kill -9`, then a start over what is left; how long that took until it was ready.
    pub fn kill_and_start(&mut self) -> Duration {
        // `kill` is SIGKILL.
        self.child.kill().expect("it is killed");
        self.child.wait().expect("it is gone");
        let killed = Instant::now();
        (self.child, self.port) = spawn(self.data.path(), &self.settings);
        killed.elapsed()
    }

    /// Where its PostgreSQL door is.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where its data lies.
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// A session.
    pub async fn connect(&self) -> Client {
        connect_to(self.port).await.expect("the server takes a connection")
    }

    /// Processor time that it took so far, in seconds.
    pub fn processor_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("the server is there");
        let fields: Vec<&str> = stat.rsplit(')').next().expect("a name in brackets").split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>().expect("utime") + fields[12].parse::<u64>().expect("stime");
        // USER_HZ is 100 on every Linux that this runs on.
        ticks as f64 / 100.0
    }

    /// Resident memory of its own, without pages of files, in MB of 1,000,000 bytes.
    pub fn resident_megabytes(&self) -> f64 {
        self.kibibytes("RssAnon:") * 1_024.0 / 1e6
    }

    /// All of its resident memory, pages of the binary too, in MiB.
    pub fn resident_mebibytes(&self) -> f64 {
        self.kibibytes("VmRSS:") / 1_024.0
    }

    fn kibibytes(&self, name: &str) -> f64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("the server is there");
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("the kernel tells it");
        line.trim().trim_end_matches(" kB").parse().expect("a number of KiB")
    }
}

/// A session of a server that may be gone.
pub async fn connect_to(port: u16) -> Result<Client, tokio_postgres::Error> {
    let address = format!("host=127.0.0.1 port={port} user=bench dbname=tidemill");
    let (client, connection) = tokio_postgres::connect(&address, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

fn spawn(data: &Path, settings: &[(&'static str, String)]) -> (Child, u16) {
    let mut command = tidemill();
    command.arg("server").arg("--data-dir").arg(data.join("data"));
    for door in ["--pg-listen", "--http-listen", "--kafka-listen"] {
        command.args([door, "127.0.0.1:0"]);
    }
    let errors = std::fs::OpenOptions::new().create(true).append(true).open(data.join("stderr"));
    let mut child = command
        .envs(settings.iter().map(|(name, value)| (name, value)))
        .stdout(Stdio::piped())
        .stderr(errors.map_or(Stdio::null(), Stdio::from))
        .spawn()
        .expect("the server starts");
    let output = BufReader::new(child.stdout.take().expect("piped"));
    let ready = output.lines().map_while(Result::ok).find(|line| line.starts_with("ready: "));
    let ready = ready.expect("the server becomes ready");
    let address = ready.split("pg=").nth(1).and_then(|rest| rest.split_whitespace().next()).expect("pg=address");
    let port = address.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    (child, port)
}
