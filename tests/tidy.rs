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
    ("state", &["model", "env", "format"]),
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
const FLOOR: &[&str] = &["error", "config", "metrics", "memory", "nearest"];

/// Root files that wire rooms together or stand outside them. They may use any room.
const ROOF: &[&str] = &["main", "lib", "node", "probe", "cli"];

const LINES_MAX: usize = 1000;

const FUNCTION_LINES_MAX: usize = 70;

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
    ("ast::visit_", "`sql::walk`, which is compiled once"),
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

#[test]
fn functions_fit_on_a_screen() {
    let mut errors = Vec::new();
    for path in rust_files(Path::new("src")) {
        let text = fs::read_to_string(&path).expect("a source file is text");
        let lines: Vec<&str> = text.lines().collect();
        for (start, line) in lines.iter().enumerate().filter(|(_, line)| is_function(line)) {
            // rustfmt closes a body at its function's own indent
            let indent = &line[..line.len() - line.trim_start().len()];
            let end = lines[start..].iter().position(|line| line.strip_prefix(indent).is_some_and(|it| it == "}"));
            if let Some(length) = end.filter(|end| FUNCTION_LINES_MAX <= *end) {
                errors.push(format!("{}:{}: a function of {} lines", path.display(), start + 1, length + 1));
            }
        }
    }
    assert!(errors.is_empty(), "\n{}\n", errors.join("\n"));
}

/// Whether a function with a body of several lines, or the signature of one, begins here.
fn is_function(line: &str) -> bool {
    let mut words = line
        .split_whitespace()
        .skip_while(|word| matches!(*word, "const" | "async" | "unsafe") || word.starts_with("pub"));
    words.next() == Some("fn") && !line.ends_with('}') && !line.ends_with(';')
}

#[test]
fn every_source_file_is_compiled() {
    let mut errors = Vec::new();
    for root in ["src", "tests/it"] {
        for path in rust_files(Path::new(root)) {
            let name = path.file_stem().expect("a file has a name").to_string_lossy().to_string();
            let folder = path.parent().expect("a file is in a folder");
            if ["main", "lib"].contains(&&*name) && folder == Path::new(root) {
                continue;
            }
            let (module, declared_in) = match name.as_str() {
                "mod" => (folder.file_name().expect("a folder").to_string_lossy().to_string(), folder.parent()),
                _ => (name, Some(folder)),
            };
            let declared_in = declared_in.expect("below the root");
            let parents = ["mod.rs", "lib.rs", "main.rs"].map(|file| declared_in.join(file));
            let declaration = format!("mod {module};");
            let is_declared = parents.iter().filter_map(|parent| fs::read_to_string(parent).ok()).any(|text| {
                text.lines()
                    .any(|line| line.trim_start_matches("pub").trim_start_matches("(crate)").trim() == declaration)
            });
            if !is_declared {
                errors.push(format!("{}: no file says `{declaration}`", path.display()));
            }
        }
    }
    assert!(errors.is_empty(), "\n{}\n", errors.join("\n"));
}

#[test]
fn every_link_of_a_page_leads_to_a_file() {
    let mut errors = Vec::new();
    let mut pages = vec![PathBuf::from("README.md")];
    pages.extend(files_below(Path::new("docs"), "md"));
    for page in pages {
        let text = fs::read_to_string(&page).expect("a page is text");
        let folder = page.parent().expect("a file is in a folder");
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap_or_default();
            if !target.contains("://") && !file.is_empty() && !folder.join(file).exists() {
                errors.push(format!("{}: `{target}` leads nowhere", page.display()));
            }
        }
    }
    assert!(errors.is_empty(), "\n{}\n", errors.join("\n"));
}

#[test]
fn every_sample_is_run_by_a_test() {
    let mut code = String::new();
    for folder in ["tests", "src"] {
        for path in rust_files(Path::new(folder)) {
            code += &fs::read_to_string(&path).expect("a source file is text");
        }
    }
    for path in files_below(Path::new("sql"), "sql") {
        let folder = path.parent().expect("a file is in a folder");
        let name = folder.file_name().expect("a folder has a name").to_string_lossy();
        let is_named = code.contains(&format!("\"{name}\"")) || code.contains(&folder.display().to_string());
        assert!(is_named, "no test or command names `{name}`, so nothing runs {}", path.display());
    }
}

/// Pages name files that are there: a path of ours in backticks, if it is no pattern.
#[test]
fn pages_name_files_that_exist() {
    let mut pages = files_below(Path::new("docs"), "md");
    pages.push(PathBuf::from("README.md"));
    let mut missing = Vec::new();
    for page in pages {
        let text = fs::read_to_string(&page).expect("a page is text");
        for name in text.split('`').skip(1).step_by(2) {
            let ours = ["src/", "tests/", "benches/", "docs/", "sql/"].iter().any(|folder| name.starts_with(folder));
            let plain = !name.contains(['*', ' ', '<', '{', '\n']);
            if ours && plain && !Path::new(name.trim_end_matches('/')).exists() {
                missing.push(format!("{}: {name}", page.display()));
            }
        }
    }
    assert!(missing.is_empty(), "pages name what is not there: {missing:#?}");
}

/// A planted fault whose place has changed would be told by `tests/planted/run` alone, which is rarely run.
#[test]
fn planted_faults_find_their_place() {
    let mut missing = Vec::new();
    for patch in files_below(Path::new("tests/planted"), "patch") {
        let text = fs::read_to_string(&patch).expect("a patch is text");
        for file in text.split("--- a/").skip(1) {
            let (path, hunks) = file.split_once('\n').expect("a patch names a file and its lines");
            let source = fs::read_to_string(path).unwrap_or_default();
            for hunk in hunks.split("\n@@ ").skip(1) {
                let before = hunk.lines().skip(1).take_while(|line| line.starts_with([' ', '+', '-']));
                let before: String =
                    before.filter(|line| !line.starts_with('+')).map(|line| format!("{}\n", &line[1..])).collect();
                if before.is_empty() || !source.contains(&before) {
                    missing.push(format!("{}: not in {path}:\n{before}", patch.display()));
                }
            }
        }
    }
    assert!(missing.is_empty(), "\n{}\n", missing.join("\n"));
}

fn check(path: &Path, text: &str, errors: &mut Vec<String>) {
    let room = room_of(path);
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let is_test = stem.ends_with("tests") || path.components().any(|part| part.as_os_str() == "tests");
    let mut report = |line: usize, what: String| {
        errors.push(format!("{}:{line}: {what}", path.display()));
    };
    if !text.starts_with("//!") {
        report(1, "file has no module doc".into());
    }
    if text.lines().count() > LINES_MAX {
        report(LINES_MAX, format!("file exceeds {LINES_MAX} lines"));
    }
    let is_roof = ROOF.contains(&room.as_str());
    let uses: &[&str] = match ROOMS.iter().find(|(name, _)| *name == room) {
        Some((_, uses)) => uses,
        None if is_roof || FLOOR.contains(&room.as_str()) => &[],
        None => return report(1, format!("`{room}` is not a room; add it to tests/tidy.rs")),
    };
    let lines: Vec<&str> = text.lines().collect();
    for (index, line) in lines.iter().enumerate() {
        // Where a file's own tests begin; a `mod tests;` in a contents page is one line, and the rest is code again.
        let opens_block = lines.get(index + 1).is_some_and(|next| next.trim_end().ends_with('{'));
        if line.trim() == "#[cfg(test)]" && opens_block {
            break;
        }
        let code = line.split("//").next().unwrap_or_default();
        let named_rooms = if is_roof { "" } else { code };
        for rest in named_rooms.split("crate::").skip(1) {
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
    files_below(folder, "rs")
}

fn files_below(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(files_below(&path, extension));
        } else if path.extension().is_some_and(|it| it == extension) {
            files.push(path);
        }
    }
    files.sort();
    files
}
