//! The command `biqa`: arguments in, calls, words out; no logic of its own.
//!
//! `args` declares every command and flag. One `cmd_*` file runs each command and returns an
//! [`exit::Exit`]. Errors come up here as one chain and are printed on one line.

mod args;
mod choose;
mod cmd_bench;
mod cmd_data;
mod cmd_degrade;
mod cmd_docs;
mod cmd_evaluate;
mod cmd_models;
mod cmd_pretrain;
mod cmd_protocol;
mod cmd_report;
mod cmd_score;
mod cmd_train;
mod cmd_transfer;
mod exit;
mod feed;
mod glob;
mod inputs;
mod loader;
mod memory;
mod output;
mod papers;
mod progress;
mod shard;
mod summary;
mod walk;
mod words;

use std::process::ExitCode;

/// A training step allocates and frees megabytes by the hundred; the system's allocator gives them
/// back to the kernel each time and pays for every page again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use std::path::Path;

use clap::Parser;
use clap::error::{ContextKind, ContextValue};

use crate::args::{Cli, Command};
use crate::exit::Exit;

fn main() -> ExitCode {
    let exit = match Cli::try_parse().map_err(no_command).map_or_else(|e| e.exit(), run) {
        Ok(exit) => exit,
        // Whoever read our output has seen enough: `biqa score DIR | head` is no failure.
        Err(error) if exit::is_broken_pipe(&error) => Exit::Fine,
        Err(error) => {
            words::say(&format!("error: {}", words::chain(&error)));
            Exit::Refused
        }
    };
    exit.into()
}

/// Whoever leaves out the command and names a picture at once is told the command.
fn no_command(mut error: clap::Error) -> clap::Error {
    let given = error.get(ContextKind::InvalidSubcommand).map(ToString::to_string);
    if let Some(path) = given.filter(|given| Path::new(given).exists()) {
        let tip = format!("to score it: biqa score {path}").into();
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip]));
    }
    error
}

fn run(cli: Cli) -> anyhow::Result<Exit> {
    match cli.command {
        Command::Score(args) => cmd_score::run(&args),
        Command::Models(args) => cmd_models::run(&args),
        Command::Train(args) => cmd_train::run(&args),
        Command::Pretrain(args) => cmd_pretrain::run(&args),
        Command::Evaluate(args) => cmd_evaluate::run(&args),
        Command::Protocol(args) => cmd_protocol::run(&args),
        Command::Data(args) => cmd_data::run(&args),
        Command::Degrade(args) => cmd_degrade::run(&args),
        Command::Transfer(args) => cmd_transfer::run(&args),
        Command::Report(args) => cmd_report::run(&args),
        Command::Bench(args) => cmd_bench::run(&args),
        Command::Completions(args) => cmd_docs::completions(&args),
        Command::Man(args) => cmd_docs::man(&args),
    }
}
