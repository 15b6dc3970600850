//! Layers over each other, and what is refused.

use std::time::Duration;

use super::load::default_table;
use super::load::flatten;
use super::*;
use crate::error::Error;

fn layers(file: &str, environment: &[(&str, &str)], flags: &[(&'static str, &str)]) -> Layers {
    Layers {
        file: Some(("f.toml".to_string(), file.to_string())),
        environment: environment.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect(),
        flags: flags.iter().map(|(n, v)| (*n, v.to_string())).collect(),
    }
}

#[test]
fn flags_win_over_environment_over_file_over_default() {
    let file = "pg_listen = 'file:1'\nhttp_listen = 'file:1'\n[exec]\ncommit_interval = '7 ms'\nworkers = 3\n";
    let environment = [
        ("TIDEMILL_PG_LISTEN", "environment:1"),
        ("TIDEMILL_EXEC_WORKERS", "5"),
        ("HOME", "/x"),
        ("TIDEMILL_CONFIG", "c"),
    ];
    let config = Config::load(layers(file, &environment, &[("pg_listen", "flag:1")])).expect("it is right");
    assert_eq!(config.pg_listen, "flag:1");
    assert_eq!(config.http_listen, "file:1");
    assert_eq!(config.exec.workers, 5);
    assert_eq!(config.exec.commit_interval, Duration::from_millis(7));
    assert_eq!(config.exec.commit_interval_min, Duration::from_millis(5));
}

#[test]
fn an_unknown_name_is_an_error_with_the_nearest_known() {
    let error = Config::load(layers("[exec]\ncomit_interval = '1 s'", &[], &[])).expect_err("misspelt");
    assert_eq!(Error::from(error).hint_text(), Some("Did you mean \"exec.commit_interval\"?"));
    let error = Config::load(layers("", &[("TIDEMILL_PG_LISTN", "x")], &[])).expect_err("misspelt");
    assert_eq!(Error::from(error).hint_text(), Some("Did you mean \"TIDEMILL_PG_LISTEN\"?"));
    let error = Config::load(layers("", &[("TIDEMILL_NOSUCH", "x")], &[])).expect_err("nothing is like it");
    assert_eq!(Error::from(error).hint_text(), Some("docs/reference/config.md has all settings."));
}

#[test]
fn a_wrong_value_is_told_with_its_name_its_place_and_what_would_do() {
    let file = |text: &str| Config::load(layers(text, &[], &[])).expect_err(text).to_string();
    let environment = |name, text| Config::load(layers("", &[(name, text)], &[])).expect_err(name).to_string();
    let flag = |name, text| Config::load(layers("", &[], &[(name, text)])).expect_err(name).to_string();
    let told = [
        (
            file("# first\n[exec]\nworkers = 1\ncommit_interval = '50'"),
            "exec.commit_interval in f.toml line 4 must be a duration such as \"100 ms\", not \"50\"",
        ),
        (file("exec.workers = -1"), "exec.workers in f.toml line 1 must be a whole number, 0 or more, not -1"),
        (
            file("[memory]\nlimit = '1 GB'"),
            "memory.limit in f.toml line 2 must be a size such as \"64 KiB\", not \"1 GB\"",
        ),
        (file("pg_listen = 7432"), "pg_listen in f.toml line 1 must be a text in quotes, not 7432"),
        (file("\n[exec]\nno = 1"), "unknown setting \"exec.no\" in f.toml line 3"),
        (
            environment("TIDEMILL_LIMITS_CONNECTIONS_MAX", "lots"),
            "TIDEMILL_LIMITS_CONNECTIONS_MAX in the environment must be a whole number, 0 or more, not \"lots\"",
        ),
        (
            environment("TIDEMILL_EXEC_COMMIT_INTERVAL", "1 ms"),
            "TIDEMILL_EXEC_COMMIT_INTERVAL in the environment must be at least exec.commit_interval_min, not \"1 ms\"",
        ),
        (flag("pg_listen", "localhost"), "--pg-listen in the arguments must be host:port, not \"localhost\""),
        (flag("data_dir", ""), "--data-dir in the arguments must be a path, not \"\""),
    ];
    for (error, wanted) in told {
        assert_eq!(error, wanted);
    }
}

#[test]
fn values_that_make_no_sense_are_refused() {
    let senseless = [
        ("limits.connections_max = 0", "at least 1"),
        ("memory.limit = '0 B'", "at least 32 MiB"),
        ("memory.limit = '1 MiB'", "at least 32 MiB"),
        ("limits.message_bytes_max = '1 B'", "at least 64 KiB"),
        ("log.segment_bytes = '1 B'", "at least 16 KiB"),
        ("kafka.default_partitions = 0", "at least 1"),
        ("kafka.advertised_listen = 'foo'", "host:port, or empty"),
        ("state.threads = 0", "1 to 1024"),
        ("exec.commit_interval = '0 ms'", "at least 1 ms"),
        ("exec.commit_interval_min = '1 s'", "at least exec.commit_interval_min"),
        ("exec.workers = 100000", "at most 1024"),
        ("pg_listen = ':99999'", "host:port"),
        ("kafka_listen = 'on'", "host:port, or off"),
    ];
    for (file, wanted) in senseless {
        let error = Config::load(layers(file, &[], &[])).expect_err(file).to_string();
        assert!(error.contains(&format!(" must be {wanted}, not ")), "{file}: {error}");
    }
    assert_eq!(Config::default().out_of_bounds(), None);
}

#[test]
fn the_reference_page_lists_exactly_these_knobs_and_defaults() {
    let page = include_str!("../../docs/reference/config.md");
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
    for (path, default) in flatten(&default_table()) {
        let default = default.as_str().map_or_else(|| default.to_string(), str::to_string);
        let row = format!("| `{path}` | `{default}` | ");
        assert!(rows.iter().any(|line| line.starts_with(&row)), "docs/reference/config.md lacks: {row}");
    }
    assert_eq!(rows.len(), Config::paths().len());
}

#[test]
fn sizes_and_durations_read_what_they_write() {
    let config = Config::default();
    let text = toml::to_string(&config).expect("the defaults are TOML");
    assert_eq!(Config::load(layers(&text, &[], &[])), Ok(config));
    for (text, bytes) in [("'64 KiB'", 65_536), ("4096", 4096), ("'1.5GiB'", 1_610_612_736), ("'12 b'", 12)] {
        let config = Config::load(layers(&format!("[kafka]\nrequests_memory = {text}"), &[], &[])).expect("a size");
        assert_eq!(config.kafka.requests_memory, ByteSize(bytes));
    }
    for wrong in ["'64 KB'", "'x'", "-1", "''", "true"] {
        assert!(Config::load(layers(&format!("[kafka]\nrequests_memory = {wrong}"), &[], &[])).is_err(), "{wrong}");
    }
    assert!(Config::load(layers("[exec]\nidle_timeout = 5", &[], &[])).is_err(), "a duration needs its unit");
}
