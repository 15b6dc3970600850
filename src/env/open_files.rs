//! Open files and sockets of the process, of those that the system lets it have.

use std::fs;
use std::io;
use std::time::Duration;

use parking_lot::Mutex;

/// Open files that no server needs more of; some systems answer "unlimited" with a number that they then refuse.
const USEFUL: libc::rlim_t = 1 << 20;
/// The most that macOS grants whatever it says.
const MODEST: libc::rlim_t = 10_240;

/// How often what must not fail for want of a file is tried again, and how long it waits before.
const TRIES_MAX: usize = 100;
const TRY_WAIT: Duration = Duration::from_millis(50);

/// Kept open for what must not fail for want of one.
static SPARE: Mutex<Option<fs::File>> = Mutex::new(None);

/// Whether an error says that the process, or the system, has as many open files as it may have.
pub fn are_too_many_open(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}

/// Opens a file for a moment. Where no more may be opened it takes the place of the spare one; another thread may be quicker,
/// so it waits a while for its turn. `keep_spare` is to be called once it is closed.
pub(super) fn open_in_need<T>(open: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    open_with_pauses(open, || std::thread::sleep(TRY_WAIT))
}

fn open_with_pauses<T>(mut open: impl FnMut() -> io::Result<T>, pause: impl Fn()) -> io::Result<T> {
    let mut opened = open();
    for _ in 0..TRIES_MAX {
        match &opened {
            Err(error) if are_too_many_open(error) => {}
            Ok(_) | Err(_) => break,
        }
        if SPARE.lock().take().is_none() {
            pause();
        }
        opened = open();
    }
    opened
}

/// Has a spare file again, if one may be opened; else the next call tries.
pub(super) fn keep_spare() {
    let mut spare = SPARE.lock();
    if spare.is_none() {
        *spare = fs::File::open("/dev/null").ok();
    }
}

/// How many files and sockets are open, and how many may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenFiles {
    /// Now.
    pub open: u64,
    /// At most.
    pub limit: u64,
}

impl OpenFiles {
    /// Whether what is left should be kept for what there is already: files of the log that are opened when they are
    /// written, and connections.
    pub fn is_short(self) -> bool {
        self.limit.saturating_sub(self.open) < self.limit / 8 + 32
    }
}

/// What the process has open; `None` where the system does not tell.
pub fn open_files() -> Option<OpenFiles> {
    // Reading the directory is one of them.
    let open = fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1);
    Some(OpenFiles { open: open as u64, limit: limits().ok()?.rlim_cur })
}

/// Takes as many as the system lets the process have; answers how many these are.
pub fn raise_open_files() -> io::Result<u64> {
    let limits = limits()?;
    for wanted in [limits.rlim_max.min(USEFUL), limits.rlim_max.min(MODEST)] {
        if limits.rlim_cur < wanted {
            let raised = libc::rlimit { rlim_cur: wanted, rlim_max: limits.rlim_max };
            // SAFETY: `raised` lives through the call, which only reads it.
            if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raised) } == 0 {
                return Ok(wanted);
            }
        }
    }
    Ok(limits.rlim_cur)
}

fn limits() -> io::Result<libc::rlimit> {
    let mut limits = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limits` lives through the call, which only writes it.
    match unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limits) } {
        0 => Ok(limits),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_must_not_fail_takes_the_place_of_the_spare_file() {
        let open = |refused: usize, code: i32| {
            keep_spare();
            let mut tries = 0;
            let open = || {
                tries += 1;
                if tries <= refused { Err(io::Error::from_raw_os_error(code)) } else { Ok(tries) }
            };
            open_with_pauses(open, || ())
        };
        assert_eq!(open(0, 0).expect("there is room"), 1);
        assert_eq!(open(1, libc::ENFILE).expect("the spare one makes room"), 2);
        assert_eq!(open(3, libc::EMFILE).expect("in the end there is room"), 4);
        assert_eq!(open(1, libc::EIO).expect_err("no other failure is tried again").raw_os_error(), Some(libc::EIO));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn an_open_file_is_counted_and_the_limit_is_raised() {
        let raised = raise_open_files().expect("the system tells");
        let _file = std::fs::File::open("/proc/self/status").expect("Linux has it");
        let files = open_files().expect("Linux tells");
        assert!(3 <= files.open && files.open < files.limit, "{files:?}");
        assert_eq!(files.limit, raised);
    }

    #[test]
    fn some_are_kept_for_what_there_is() {
        let short = |open, limit| OpenFiles { open, limit }.is_short();
        assert!(short(150, 200) && !short(100, 200));
        assert!(short(1000, 1024) && !short(800, 1024));
        assert!(!short(10_000, 1 << 20));
    }
}
