//! `schism schema topology|experiment`: prints JSON Schema, for editors.

use clap::{Args, ValueEnum};

use crate::schema;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Of what
    of: Of,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Of {
    Topology,
    Experiment,
}

pub(super) fn schema(arguments: &Arguments) -> miette::Result<i32> {
    let schema = match arguments.of {
        Of::Topology => schema::topology(),
        Of::Experiment => schema::experiment(),
    };
    println!("{schema:#}");
    Ok(0)
}
