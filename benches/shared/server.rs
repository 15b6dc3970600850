//! A server of a bench's own: the real binary, data in the build's folder, and what it takes of the machine.

#![allow(dead_code, reason = "each bench uses a part of it")]

use std::io::BufRead;
use std::io::BufReader;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;

use tempfile::TempDir;
use tokio_postgres::Client;
use tokio_postgres::NoTls;

/// A server that ends with the bench, however that ends.
pub struct Server {
    child: Child,
    port: u16,
    _data: TempDir,
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
        // Not the folder for temporary files, which may lie in memory.
        let data = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let mut child = tidemill()
            .args([
                "server",
                "--pg-listen",
                "127.0.0.1:0",
                "--http-listen",
                "127.0.0.1:0",
                "--kafka-listen",
                "127.0.0.1:0",
                "--data-dir",
            ])
            .arg(data.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server starts");
        let port = port_of(&mut child);
        Self { child, port, _data: data }
    }

    /// Where its PostgreSQL door is.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A session.
    pub async fn connect(&self) -> Client {
        let address = format!("host=127.0.0.1 port={} user=bench dbname=tidemill", self.port);
        let connected = tokio_postgres::connect(&address, NoTls).await;
        let (client, connection) = connected.expect("the server takes a connection");
        tokio::spawn(connection);
        client
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
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("the server is there");
        let resident = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("RssAnon");
        let kibibytes: f64 = resident.trim().trim_end_matches(" kB").parse().expect("a number of KiB");
        kibibytes * 1_024.0 / 1e6
    }
}

fn port_of(child: &mut Child) -> u16 {
    let output = BufReader::new(child.stdout.take().expect("piped"));
    let ready = output
        .lines()
        .map_while(Result::ok)
        .find(|line| line.starts_with("ready: "))
        .expect("the server becomes ready");
    let address = ready.split("pg=").nth(1).and_then(|rest| rest.split_whitespace().next()).expect("pg=address");
    address.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port")
}
