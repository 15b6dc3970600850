//! Events in files: `tagged/part-0.jsonl`, `split/bid/part-0.jsonl`, and `meta.json` which tells what they are.

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use super::EventKind;
use super::Generator;
use super::command::Layout;
use super::command::NexmarkArguments;
use super::command::WRITE_AT;
use super::command::cannot_write;
use crate::env::Disk;
use crate::env::File;
use crate::env::OpenMode;
use crate::error::Error;
use crate::error::SqlState;

/// Events that go to one part before the next one's turn.
const TURN: u64 = 50;

/// A file that grows.
struct Part {
    path: PathBuf,
    file: Arc<dyn File>,
    written: u64,
    lines: Vec<u8>,
}

impl Part {
    /// A new file; one that is there is somebody's.
    fn create(disk: &dyn Disk, path: PathBuf) -> Result<Self, Error> {
        let file = disk.open(&path, OpenMode::CreateNew).map_err(|error| {
            let failed = Error::new(SqlState::IO_ERROR, format!("could not make {}: {error}", path.display()));
            match error.kind() {
                std::io::ErrorKind::AlreadyExists => failed.hint("Name a directory in which there is no such file."),
                _ => failed,
            }
        })?;
        Ok(Self { path, file, written: 0, lines: Vec::new() })
    }

    fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), Error> {
        write(&mut self.lines);
        self.lines.push(b'\n');
        if WRITE_AT <= self.lines.len() { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Error> {
        let written = self.file.write_at(&self.lines, self.written);
        written.map_err(|error| cannot_write(self.path.display(), error))?;
        self.written += self.lines.len() as u64;
        self.lines.clear();
        Ok(())
    }
}

/// Makes a directory below `directory` with its parts.
fn parts(disk: &dyn Disk, directory: &Path, below: &str, count: u64) -> Result<Vec<Part>, Error> {
    let directory = directory.join(below);
    disk.create_dir_all(&directory).map_err(|error| cannot_write(directory.display(), error))?;
    (0..count).map(|part| Part::create(disk, directory.join(format!("part-{part}.jsonl")))).collect()
}

/// Writes the events, then `meta.json`.
pub(super) fn write(
    disk: &dyn Disk,
    directory: &Path,
    generator: &Generator,
    arguments: &NexmarkArguments,
) -> Result<(), Error> {
    let count = arguments.parts;
    let mut tagged = match arguments.layout {
        Layout::Split => Vec::new(),
        Layout::Tagged | Layout::Both => parts(disk, directory, "tagged", count)?,
    };
    let mut split = match arguments.layout {
        Layout::Tagged => Vec::new(),
        Layout::Split | Layout::Both => EventKind::ALL
            .iter()
            .map(|kind| parts(disk, directory, &format!("split/{}", kind.name()), count))
            .collect::<Result<Vec<_>, _>>()?,
    };
    let mut made = [0_u64; EventKind::ALL.len()];
    for number in 0..arguments.events {
        let event = generator.event(number);
        let (kind, part) = (event.kind() as usize, (number / TURN % count) as usize);
        made[kind] += 1;
        if let Some(part) = tagged.get_mut(part) {
            part.add(|out| event.write_tagged(out))?;
        }
        if let Some(part) = split.get_mut(kind).and_then(|parts| parts.get_mut(part)) {
            part.add(|out| event.write_row(out))?;
        }
    }
    tagged.iter_mut().chain(split.iter_mut().flatten()).try_for_each(Part::flush)?;
    let meta = serde_json::json!({
        "events": arguments.events,
        "seed": arguments.seed,
        "rate": arguments.rate,
        "ooo_prob": arguments.ooo_prob,
        "ooo_max_ms": arguments.ooo_max_ms,
        "layout": arguments.layout.word(),
        "parts": count,
        "person": made[EventKind::Person as usize],
        "auction": made[EventKind::Auction as usize],
        "bid": made[EventKind::Bid as usize],
    });
    let mut file = Part::create(disk, directory.join("meta.json"))?;
    file.add(|out| out.extend_from_slice(meta.to_string().as_bytes()))?;
    file.flush()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::datagen::nexmark::Options;
    use crate::env::Simulation;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: NexmarkArguments,
    }

    fn arguments(words: &[&str]) -> NexmarkArguments {
        Line::try_parse_from([&["nexmark"], words].concat()).expect("the words are arguments").arguments
    }

    fn read(disk: &dyn Disk, path: &str) -> String {
        let file = disk.open(Path::new(path), OpenMode::Read).expect("the file is there");
        let mut bytes = vec![0; file.len().expect("a length") as usize];
        let read = file.read_at(&mut bytes, 0).expect("it is read");
        assert_eq!(read, bytes.len());
        String::from_utf8(bytes).expect("text")
    }

    #[test]
    fn parts_of_both_layouts_hold_all_events_and_meta_counts_them() {
        let simulation = Simulation::new(1);
        let disk = simulation.env.disk.as_ref();
        let arguments = arguments(&["--events", "1000", "--layout", "both", "--parts", "3"]);
        let generator = Generator::new(Options::default());
        write(disk, Path::new("/out"), &generator, &arguments).expect("it is written");
        let mut expected: [Vec<u8>; 3] = Default::default();
        for number in 0..1_000 {
            let part = &mut expected[(number / 50 % 3) as usize];
            generator.event(number).write_tagged(part);
            part.push(b'\n');
        }
        let mut bids = 0;
        for (part, expected) in expected.iter().enumerate() {
            assert_eq!(read(disk, &format!("/out/tagged/part-{part}.jsonl")).as_bytes(), expected);
            bids += read(disk, &format!("/out/split/bid/part-{part}.jsonl")).lines().count();
        }
        assert_eq!(bids, 920);
        let meta: serde_json::Value = serde_json::from_str(&read(disk, "/out/meta.json")).expect("JSON");
        assert_eq!((&meta["person"], &meta["auction"], &meta["bid"]), (&20.into(), &60.into(), &920.into()));
        let again = write(disk, Path::new("/out"), &generator, &arguments).expect_err("the files are there");
        assert!(again.hint_text().is_some(), "{again:?}");
    }
}
