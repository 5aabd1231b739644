//! `biqa completions` and `biqa man`: written from the definitions in `args`, nothing by hand.

use std::io::{self, Write};

use anyhow::Context;
use clap::CommandFactory;

use crate::args::{Cli, CompletionsArgs, ManArgs};
use crate::exit::Exit;
use crate::words::shown;

pub fn completions(args: &CompletionsArgs) -> anyhow::Result<Exit> {
    // Into memory first: the generators panic where a pipe is closed early.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "biqa", &mut script);
    to_stdout(&script)
}

pub fn man(args: &ManArgs) -> anyhow::Result<Exit> {
    let Some(folder) = &args.out else {
        let mut page = Vec::new();
        clap_mangen::Man::new(Cli::command()).render(&mut page)?;
        return to_stdout(&page);
    };
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", shown(folder)))?;
    clap_mangen::generate_to(Cli::command(), folder)
        .with_context(|| format!("cannot write into {}", shown(folder)))?;
    Ok(Exit::Fine)
}

fn to_stdout(text: &[u8]) -> anyhow::Result<Exit> {
    let mut out = io::stdout().lock();
    out.write_all(text)?;
    out.flush()?;
    Ok(Exit::Fine)
}
