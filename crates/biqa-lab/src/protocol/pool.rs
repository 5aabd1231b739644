//! Several jobs at once, as many as memory allows.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use biqa::parallel::cores;

use super::{Job, ProtocolError, Settings, Watch};
use crate::train::bench::kilobytes;

/// Calls `work(job, threads)` for every job. The first one runs alone: what it needed says how many
/// may follow at once. After a failure no further job is begun.
pub(super) fn run(
    jobs: &[&Job],
    settings: &Settings,
    watch: &dyn Watch,
    work: &(dyn Fn(&Job, usize) -> Result<(), ProtocolError> + Sync),
) -> Result<(), ProtocolError> {
    let threads = if settings.threads == 0 { cores() } else { settings.threads };
    let Some((first, rest)) = jobs.split_first() else { return Ok(()) };
    work(first, threads)?;
    if rest.is_empty() {
        return Ok(());
    }
    let wanted = settings.jobs.clamp(1, rest.len());
    let at_once = match (wanted, memory()) {
        (1, _) | (_, None) => wanted,
        (wanted, Some(memory)) => memory.jobs(wanted),
    };
    if at_once < wanted {
        watch.note("", &format!("memory allows {at_once} trainings at once, not {wanted}"));
    }
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(None));
    let share = (threads / at_once).max(1);
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some(job) = rest.get(next.fetch_add(1, Ordering::SeqCst)) {
                    if let Err(error) = work(job, share) {
                        next.store(rest.len(), Ordering::SeqCst);
                        failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                    }
                }
            });
        }
    });
    failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

/// Bytes of memory after one job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Memory {
    /// The most that the process held.
    peak: u64,
    /// What it holds.
    held: u64,
    /// What the system could still give.
    available: u64,
}

impl Memory {
    /// How many jobs fit, each taken to need as much as the first at its peak; at least one.
    fn jobs(self, wanted: usize) -> usize {
        let fit = (self.available + self.held) / self.peak.max(1);
        wanted.min(usize::try_from(fit).unwrap_or(wanted)).max(1)
    }
}

/// As the system says it under `/proc`; `None` on systems that don't have it.
fn memory() -> Option<Memory> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let system = std::fs::read_to_string("/proc/meminfo").ok()?;
    Some(Memory {
        peak: kilobytes(&status, "VmHWM:")?,
        held: kilobytes(&status, "VmRSS:")?,
        available: kilobytes(&system, "MemAvailable:")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_jobs_as_memory_holds() {
        let memory = Memory { peak: 4, held: 3, available: 10 };
        assert_eq!(memory.jobs(2), 2);
        assert_eq!(memory.jobs(10), 3);
        assert_eq!(Memory { available: 0, held: 1, ..memory }.jobs(4), 1);
    }

    #[test]
    fn sizes_are_read_as_the_kernel_writes_them() {
        let text = "VmPeak:\t 10 kB\nVmHWM:\t    2048 kB\n";
        assert_eq!(kilobytes(text, "VmHWM:"), Some(2048 * 1024));
        assert_eq!(kilobytes(text, "VmRSS:"), None);
        if cfg!(target_os = "linux") {
            let found = memory().expect("/proc is there");
            assert!(found.peak >= found.held && found.held > 0);
        }
    }
}
