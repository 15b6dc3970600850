//! What the values of knobs must be to make sense.

use std::time::Duration;

use super::Config;

/// Threads of a kind that a machine can be asked for.
const THREADS_MAX: usize = 1024;

impl Config {
    /// The first knob whose value makes no sense, and what would.
    pub(super) fn out_of_bounds(&self) -> Option<(&'static str, &'static str)> {
        let wrong = |(.., fits): &(&str, &str, bool)| !fits;
        let mut bounds = self.bounds_of_doors().into_iter().chain(self.bounds_of_work()).chain(self.bounds_of_kafka());
        bounds.find(wrong).map(|(path, wanted, _)| (path, wanted))
    }

    /// Knobs with what their values must be, and whether they are.
    fn bounds_of_doors(&self) -> Vec<(&'static str, &'static str, bool)> {
        const ADDRESS: &str = "host:port";
        let limits = &self.limits;
        vec![
            ("data_dir", "a path", !self.data_dir.as_os_str().is_empty()),
            ("pg_listen", ADDRESS, is_address(&self.pg_listen)),
            ("http_listen", ADDRESS, is_address(&self.http_listen)),
            ("kafka_listen", "host:port, or off", self.kafka_listen == "off" || is_address(&self.kafka_listen)),
            ("limits.connections_max", "at least 1", 1 <= limits.connections_max),
            ("limits.message_bytes_max", "at least 64 KiB", 64 << 10 <= limits.message_bytes_max.0),
            ("limits.startup_timeout", "at least 100 ms", Duration::from_millis(100) <= limits.startup_timeout),
            ("limits.prepared_statements_max", "at least 1", 1 <= limits.prepared_statements_max),
            ("limits.temporary_tables_max", "at least 1", 1 <= limits.temporary_tables_max),
            ("limits.portals_max", "at least 1", 1 <= limits.portals_max),
            ("limits.query_threads", "at most 1024", limits.query_threads <= THREADS_MAX),
            ("limits.push_rows_max", "at least 1", 1 <= limits.push_rows_max),
        ]
    }

    fn bounds_of_work(&self) -> Vec<(&'static str, &'static str, bool)> {
        let (log, exec) = (&self.log, &self.exec);
        let least = Duration::from_millis(1);
        vec![
            ("log.journal_bytes", "at least 64 KiB", 64 << 10 <= log.journal_bytes.0),
            ("log.pending_bytes_max", "at least 64 KiB", 64 << 10 <= log.pending_bytes_max.0),
            ("log.segment_bytes", "at least 16 KiB", 16 << 10 <= log.segment_bytes.0),
            ("log.producers_max", "at least 1", 1 <= log.producers_max),
            ("log.compaction_keys_max", "at least 1", 1 <= log.compaction_keys_max),
            ("log.compaction_interval", "at least 1 ms", least <= log.compaction_interval),
            ("log.compaction_bytes_per_second", "at least 64 KiB", 64 << 10 <= log.compaction_bytes_per_second.0),
            ("log.retention_check_interval", "at least 1 ms", least <= log.retention_check_interval),
            ("log.scrub_interval", "at least 1 ms", least <= log.scrub_interval),
            ("log.scrub_bytes_per_second", "at least 64 KiB", 64 << 10 <= log.scrub_bytes_per_second.0),
            ("exec.commit_interval", "at least 1 ms", least <= exec.commit_interval),
            (
                "exec.commit_interval",
                "at least exec.commit_interval_min",
                exec.commit_interval_min <= exec.commit_interval,
            ),
            ("exec.round_rows_max", "at least 1", 1 <= exec.round_rows_max),
            ("exec.round_bytes_max", "at least 1 KiB", 1 << 10 <= exec.round_bytes_max.0),
            ("exec.cut_bytes_max", "at least 1 KiB", 1 << 10 <= exec.cut_bytes_max.0),
            ("exec.workers", "at most 1024", exec.workers <= THREADS_MAX),
            ("state.threads", "1 to 1024", (1..=THREADS_MAX).contains(&self.state.threads)),
            ("memory.limit", "at least 32 MiB", 32 << 20 <= self.memory.limit.0),
        ]
    }

    fn bounds_of_kafka(&self) -> Vec<(&'static str, &'static str, bool)> {
        let kafka = &self.kafka;
        let advertised = kafka.advertised_listen.as_str();
        vec![
            ("kafka.advertised_listen", "host:port, or empty", advertised.is_empty() || is_address(advertised)),
            ("kafka.default_partitions", "at least 1", 1 <= kafka.default_partitions),
            ("kafka.connections_max", "at least 1", 1 <= kafka.connections_max),
            ("kafka.request_bytes_max", "at least 1 KiB", 1 << 10 <= kafka.request_bytes_max.0),
            ("kafka.fetch_bytes_max", "at least 1 KiB", 1 << 10 <= kafka.fetch_bytes_max.0),
            ("kafka.idle_timeout", "at least 1 s", Duration::from_secs(1) <= kafka.idle_timeout),
            ("kafka.stall_timeout", "at least 1 s", Duration::from_secs(1) <= kafka.stall_timeout),
        ]
    }
}

/// Whether a door may listen there: a host and a port.
fn is_address(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}
