//! Holds the shape of the source tree, which the compiler does not.
//!
//! `ROOMS` is the architecture: a room names only rooms that its own line allows, and a line allows only rooms
//! listed above it, so the graph has no cycle. `docs/architecture.md` has the same table for people, and is held to it.

use std::fs;
use std::path::{Path, PathBuf};

/// Every room in `src/`, bottom first, with the rooms it may use.
const ROOMS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("env", &["model"]),
    ("protocol", &["model"]),
    ("security", &["model", "env"]),
    ("format", &["model", "protocol"]),
    ("functions", &["model", "format"]),
    ("log", &["model", "env", "protocol"]),
    ("cluster", &["model", "env", "protocol", "security", "log"]),
    ("broker", &["model", "env", "protocol", "security", "log", "cluster"]),
    ("sql", &["model"]),
    ("catalog", &["model", "security", "format", "sql"]),
    ("plan", &["model", "format", "functions", "sql", "catalog"]),
    ("state", &["model", "env"]),
    (
        "exec",
        &["model", "env", "protocol", "security", "format", "functions", "broker", "sql", "catalog", "plan", "state"],
    ),
    (
        "engine",
        &[
            "model",
            "env",
            "protocol",
            "security",
            "format",
            "functions",
            "cluster",
            "broker",
            "sql",
            "catalog",
            "plan",
            "state",
            "exec",
        ],
    ),
    ("wire", &["model", "env", "protocol", "security", "broker", "engine"]),
];

/// Root files any room may use. They name no room themselves.
const FLOOR: &[&str] = &["error", "config", "metrics"];

/// Root files that wire rooms together or stand outside them. They may use any room.
const ROOF: &[&str] = &["main", "lib", "node", "cli"];

const LINES_MAX: usize = 1000;

/// Tokens that production code never contains, and what to use instead.
const BANNED: &[(&str, &str)] = &[
    (".unwrap()", "`?`, or `.expect(\"why it cannot fail\")`"),
    ("todo!(", "an error, or finish it"),
    ("dbg!(", "`tracing`"),
    ("println!(", "`tracing`"),
    ("SystemTime::now", "`env::Clock`"),
    ("Instant::now", "`env::Clock`"),
    ("std::fs", "`env`"),
    ("tokio::fs", "`env`"),
    ("tokio::net", "`env`"),
    ("tokio::time", "`env::Clock`"),
    ("std::thread", "`env`"),
    ("rand::", "`env`"),
    ("std::net", "`env`"),
    ("UNIX_EPOCH.elapsed", "`env::Clock`"),
    ("Utc::now", "`env::Clock`"),
    ("Local::now", "`env::Clock`"),
    ("new_v4", "`env::Random`"),
    ("getrandom", "`env::Random`"),
    ("spawn_blocking", "`env`"),
    ("use std::{", "one `use` a line, so that this test can read it"),
    ("use tokio::{", "one `use` a line, so that this test can read it"),
    ("super::super", "`crate::room`"),
];

#[test]
fn rooms_are_listed_bottom_up() {
    for (index, (room, uses)) in ROOMS.iter().enumerate() {
        for used in *uses {
            let below = ROOMS[..index].iter().any(|(name, _)| name == used);
            assert!(below, "room `{room}` may use `{used}` only if `{used}` is listed above it");
        }
    }
}

#[test]
fn source_is_tidy() {
    let mut errors = Vec::new();
    for path in rust_files(Path::new("src")) {
        let text = fs::read_to_string(&path).expect("a source file is text");
        check(&path, &text, &mut errors);
    }
    assert!(errors.is_empty(), "\n{}\n", errors.join("\n"));
}

#[test]
fn the_architecture_page_has_the_same_rooms() {
    let page = fs::read_to_string("docs/architecture.md").expect("docs/architecture.md is there");
    for (room, uses) in ROOMS {
        let line = format!("| `{room}` | {} |", if uses.is_empty() { "-".to_string() } else { uses.join(" ") });
        assert!(page.contains(&line), "docs/architecture.md lacks the line: {line}");
        assert!(Path::new("src").join(room).join("mod.rs").exists(), "room `{room}` is listed and not there");
    }
}

fn check(path: &Path, text: &str, errors: &mut Vec<String>) {
    let room = room_of(path);
    let is_test = path.ends_with("tests.rs") || path.components().any(|part| part.as_os_str() == "tests");
    let mut report = |line: usize, what: String| {
        errors.push(format!("{}:{line}: {what}", path.display()));
    };
    if !text.starts_with("//!") {
        report(1, "file has no module doc".into());
    }
    if text.lines().count() > LINES_MAX {
        report(LINES_MAX, format!("file exceeds {LINES_MAX} lines"));
    }
    if ROOF.contains(&room.as_str()) {
        return;
    }
    let uses: &[&str] = match ROOMS.iter().find(|(name, _)| *name == room) {
        Some((_, uses)) => uses,
        None if FLOOR.contains(&room.as_str()) => &[],
        None => return report(1, format!("`{room}` is not a room; add it to tests/tidy.rs")),
    };
    for (index, line) in text.lines().enumerate() {
        if line.trim() == "#[cfg(test)]" {
            break;
        }
        let code = line.split("//").next().unwrap_or_default();
        for rest in code.split("crate::").skip(1) {
            let named: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            // `room::item::..` with a lower-case item is a module of that room; only this one path is looked at
            let inside = rest[named.len()..].strip_prefix("::").unwrap_or_default();
            let item: String = inside.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let deep = item.starts_with(|c: char| c.is_lowercase()) && inside[item.len()..].starts_with("::");
            // a test of any room may draw from a seed and simulate a disk
            let of_test = is_test && named == "env";
            if named.is_empty() || (!of_test && named != room && !uses.contains(&&*named) && !FLOOR.contains(&&*named))
            {
                report(
                    index + 1,
                    format!("`{room}` may not use `{}`", if named.is_empty() { "crate::{..}" } else { &named }),
                );
            } else if named != room && deep {
                report(index + 1, format!("reach `{named}` through its mod.rs, not its insides"));
            }
        }
        for (token, instead) in BANNED {
            if has_token(code, token) && !is_test && room != "env" {
                report(index + 1, format!("`{token}` is banned, use {instead}"));
            }
        }
    }
}

/// Whether `code` contains `token` at a word border (`rand::` is not in `Operand::`).
fn has_token(code: &str, token: &str) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(token).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        !token.starts_with(word) || !before.is_some_and(word)
    })
}

/// The first path component under `src/`, without `.rs`.
fn room_of(path: &Path) -> String {
    let first = path.strip_prefix("src").expect("below src").components().next().expect("not src itself");
    first.as_os_str().to_string_lossy().trim_end_matches(".rs").to_string()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|it| it == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}
