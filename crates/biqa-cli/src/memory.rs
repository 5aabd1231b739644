//! How the allocator treats freed memory, for commands that train.
//!
//! Measured on a step of `lite`: with the allocator's default, pages go back to the kernel ten
//! milliseconds after they are freed, and 37 % of the time is spent in the kernel clearing them
//! again. A training run keeps them instead. The allocator reads this from its environment before
//! `main`, so the command starts itself once more in place.

/// The variable of `mimalloc` that says after how many milliseconds freed pages go back; -1: never.
#[cfg(unix)]
const PURGE_DELAY: &str = "MIMALLOC_PURGE_DELAY";

/// Replaces this process by itself with freed memory kept, unless the user has set the variable.
/// Where that can't be done it returns, and training is slower.
#[cfg(unix)]
pub fn keep_freed() {
    use std::os::unix::process::CommandExt;
    if std::env::var_os(PURGE_DELAY).is_some() {
        return;
    }
    if let Ok(program) = std::env::current_exe() {
        let mut arguments = std::env::args_os();
        let mut again = std::process::Command::new(program);
        if let Some(name) = arguments.next() {
            again.arg0(name);
        }
        // `exec` returns only when it failed.
        let _ = again.args(arguments).env(PURGE_DELAY, "-1").exec();
    }
}

/// Nothing to do where a process can't be replaced.
#[cfg(not(unix))]
pub fn keep_freed() {}
