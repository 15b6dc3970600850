//! Memory of the process: what the system counts, and what its allocator says of itself. Which one that is, the binary decides.

/// Memory of the whole process as its allocator counts it, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AllocatorFigures {
    /// What was asked for and not given back.
    pub allocated: usize,
    /// Pages that it holds of the system: what is allocated, what lies unused between, and what is kept for the next.
    pub resident: usize,
}

/// Bytes of the machine's memory that the process takes, pages of its binary among them; `None` where the system does not tell.
pub fn resident_bytes() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: usize = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    #[test]
    #[cfg(target_os = "linux")]
    fn a_process_takes_more_than_it_has_just_filled() {
        let filled = vec![1u8; 16 << 20];
        let resident = super::resident_bytes().expect("Linux tells");
        assert!(filled.len() < resident && resident < 1 << 40, "{resident}");
    }
}
