//! How the command ends: the exit codes, a promise of architecture.md.

use std::io;
use std::process::ExitCode;

/// The ends that a command can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything was done.
    Fine,
    /// Some images have no score; their rows say why.
    SomeFailed,
    /// Usage or environment: nothing was done. Also the end of every error that comes up to `main`.
    Refused,
    /// An image scored below `--fail-under`, whatever else failed.
    GateTripped,
    /// Ctrl-C or a polite kill: 128 + SIGINT, as shells expect.
    Interrupted,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Fine => 0,
            Exit::SomeFailed => 1,
            Exit::Refused => 2,
            Exit::GateTripped => 3,
            Exit::Interrupted => 130,
        })
    }
}

/// Whether `error` is, somewhere in its chain, a reader that went away.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
    })
}
