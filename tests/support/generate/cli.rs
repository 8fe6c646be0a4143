//! The maker by hand: `support generate`.

use std::io;
use std::path::PathBuf;

use super::calendar::Month;
use super::dirt::Dirt;
use super::{Colour, Form, Recipe};

/// Options of `support generate`
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    #[arg(long)]
    pub colour: Colour,
    /// As 2019-01
    #[arg(long)]
    pub month: Month,
    #[arg(long, default_value_t = 1000)]
    pub rows: u64,
    #[arg(long, value_enum, default_value_t = Form::CsvGz)]
    pub form: Form,
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Kinds of dirt and how often, as negative_fare=5,pickup_outside_month=3
    #[arg(long, num_args = 1.., value_delimiter = ',', value_parser = dirt)]
    pub dirt: Vec<(Dirt, usize)>,
    /// How many rows in a hundred have no meter
    #[arg(long, default_value_t = 0)]
    pub meterless_percent: u8,
    /// Timestamps of a Parquet file as pandas re-saves them
    #[arg(long)]
    pub nanoseconds: bool,
    /// The later edition of fhv months from 2019 on
    #[arg(long)]
    pub newer_edition: bool,
    #[arg(long)]
    pub out: PathBuf,
    /// Prints the dirty rows as well
    #[arg(long)]
    pub planted: bool,
}

fn dirt(text: &str) -> Result<(Dirt, usize), String> {
    let (dirt, times) = text.split_once('=').ok_or("write it as negative_fare=5")?;
    let times = times.parse().map_err(|_| format!("{times:?} is no count"))?;
    Ok((dirt.parse()?, times))
}

/// Writes the file, and to stdout what is in it, as JSON.
pub fn run(args: Args) -> io::Result<()> {
    let recipe = Recipe {
        colour: args.colour,
        month: args.month,
        rows: args.rows,
        seed: args.seed,
        dirt: args.dirt,
        form: args.form,
        meterless_percent: args.meterless_percent,
        nanoseconds: args.nanoseconds,
        newer_edition: args.newer_edition,
    };
    let made = recipe.try_write(&args.out)?;
    let mut json = made.to_json();
    if args.planted {
        json["planted"] = made.planted_json();
    }
    println!("{json:#}");
    Ok(())
}
