//! A configuration from its layers: defaults, file, environment, flags.

use std::collections::BTreeMap;

use toml::de::DeTable;

use super::Config;
use super::ConfigError;
use super::error::unknown;
use super::quantity::EXPECTED;
use super::quantity::NOT;

/// The text of each place that may set a knob.
#[derive(Debug, Default)]
pub struct Layers {
    /// The TOML file's name and its text.
    pub file: Option<(String, String)>,
    /// The environment: names with `TIDEMILL_`; others are not looked at.
    pub environment: Vec<(String, String)>,
    /// Flags, by the knob's path.
    pub flags: Vec<(&'static str, String)>,
}

/// Names in the environment that are no knobs: the configuration file, and what `tidemill sql`, `topic`, `group` and `transaction` read.
const NOT_KNOBS: [&str; 3] = ["TIDEMILL_CONFIG", "TIDEMILL_HISTORY", "TIDEMILL_KAFKA"];

/// A knob's value, and who says it.
struct Told {
    value: toml::Value,
    /// What the knob is called there.
    name: String,
    origin: String,
}

impl Config {
    /// Defaults, then the file, then the environment, then flags.
    pub fn load(layers: Layers) -> Result<Self, ConfigError> {
        let paths = Self::paths();
        let mut told: BTreeMap<String, Told> = BTreeMap::new();
        if let Some((file, text)) = layers.file {
            let of = |error: toml::de::Error| ConfigError::NotToml { file: file.clone(), message: error.to_string() };
            let (table, lines) = (text.parse::<toml::Table>().map_err(of)?, lines(&text).map_err(of)?);
            for (path, value) in flatten(&table) {
                let origin = lines.get(&path).map_or_else(|| file.clone(), |line| format!("{file} line {line}"));
                if !paths.contains(&path) {
                    return Err(unknown(path, origin, &paths));
                }
                told.insert(path.clone(), Told { value, name: path, origin });
            }
        }
        for (name, text) in layers.environment {
            if !name.starts_with("TIDEMILL_") || NOT_KNOBS.contains(&name.as_str()) {
                continue;
            }
            let origin = "the environment".to_string();
            let Some(path) = paths.iter().find(|path| environment_name(path) == name) else {
                let names: Vec<String> = paths.iter().map(|path| environment_name(path)).collect();
                return Err(unknown(name, origin, &names));
            };
            told.insert(path.clone(), Told { value: of_text(path, text), name, origin });
        }
        for (path, text) in layers.flags {
            assert!(paths.iter().any(|known| known == path), "flag {path} names no knob");
            let (name, origin) = (format!("--{}", path.replace('_', "-")), "the arguments".to_string());
            told.insert(path.to_string(), Told { value: of_text(path, text), name, origin });
        }
        let mut config = default_table();
        for (path, Told { value, name, origin }) in &told {
            set(&mut config, path, value.clone());
            // One at a time, so that it is known which one is wrong.
            if let Err(error) = config.clone().try_into::<Self>() {
                let wanted = wanted(path, error.message());
                let (name, origin, value) = (name.clone(), origin.clone(), value.to_string());
                return Err(ConfigError::Invalid { name, origin, wanted, value });
            }
        }
        let config: Config = config.try_into().expect("it was read just now");
        let Some((path, wanted)) = config.out_of_bounds() else { return Ok(config) };
        if let Some(Told { value, name, origin }) = told.remove(path) {
            return Err(ConfigError::Invalid { name, origin, wanted: wanted.to_string(), value: value.to_string() });
        }
        // A default beside which another knob does not fit.
        let value = flatten(&default_table()).into_iter().find(|(known, _)| *known == path);
        let value = value.map(|(_, value)| value.to_string()).unwrap_or_default();
        let (name, origin) = (path.to_string(), "the defaults".to_string());
        Err(ConfigError::Invalid { name, origin, wanted: wanted.to_string(), value })
    }

    /// The paths of all knobs, in the file's spelling.
    pub fn paths() -> Vec<String> {
        flatten(&default_table()).into_iter().map(|(path, _)| path).collect()
    }
}

/// The name of a knob in the environment.
pub fn environment_name(path: &str) -> String {
    format!("TIDEMILL_{}", path.replace('.', "_").to_uppercase())
}

pub(super) fn default_table() -> toml::Table {
    toml::Table::try_from(Config::default()).expect("the defaults are tables of text and numbers")
}

/// The line of each leaf of a TOML text.
fn lines(text: &str) -> Result<BTreeMap<String, usize>, toml::de::Error> {
    fn walk(table: &DeTable<'_>, before: &str, text: &str, lines: &mut BTreeMap<String, usize>) {
        for (key, value) in table {
            let path = format!("{before}{}", key.get_ref());
            match value.get_ref().as_table() {
                Some(inner) => walk(inner, &format!("{path}."), text, lines),
                None => {
                    let line = text[..key.span().start].matches('\n').count() + 1;
                    lines.insert(path, line);
                }
            }
        }
    }
    let mut lines = BTreeMap::new();
    walk(DeTable::parse(text)?.get_ref(), "", text, &mut lines);
    Ok(lines)
}

/// What a knob takes: it may have said so itself, as `told`.
fn wanted(path: &str, told: &str) -> String {
    let defaults = flatten(&default_table());
    match defaults.iter().find(|(known, _)| known == path).map(|(_, value)| value) {
        Some(toml::Value::Integer(_)) if path == "kafka.default_partitions" => {
            "a whole number from 0 to 65535".to_string()
        }
        Some(toml::Value::Integer(_)) => "a whole number, 0 or more".to_string(),
        Some(toml::Value::Boolean(_)) => "true or false".to_string(),
        _ => match told.strip_prefix(EXPECTED).and_then(|rest| rest.split_once(NOT)) {
            Some((wanted, _)) => wanted.to_string(),
            None => "a text in quotes".to_string(),
        },
    }
}

/// The leaves of nested tables with their dotted paths.
pub(super) fn flatten(table: &toml::Table) -> Vec<(String, toml::Value)> {
    let mut leaves = Vec::new();
    for (name, value) in table {
        match value {
            toml::Value::Table(inner) => {
                leaves.extend(flatten(inner).into_iter().map(|(path, value)| (format!("{name}.{path}"), value)));
            }
            leaf => leaves.push((name.clone(), leaf.clone())),
        }
    }
    leaves
}

fn set(table: &mut toml::Table, path: &str, value: toml::Value) {
    match path.split_once('.') {
        None => {
            table.insert(path.to_string(), value);
        }
        Some((section, rest)) => {
            let section = table.get_mut(section).and_then(toml::Value::as_table_mut);
            set(section.expect("a known path's section is a table"), rest, value);
        }
    }
}

/// A knob's value from text, in the kind that its default has; text that does not read so stays text, and is refused as such.
fn of_text(path: &str, text: String) -> toml::Value {
    let defaults = flatten(&default_table());
    let of_kind = match defaults.iter().find(|(known, _)| known == path).map(|(_, value)| value) {
        Some(toml::Value::Integer(_)) => text.trim().parse().ok().map(toml::Value::Integer),
        Some(toml::Value::Boolean(_)) => text.trim().parse().ok().map(toml::Value::Boolean),
        _ => None,
    };
    of_kind.unwrap_or(toml::Value::String(text))
}
