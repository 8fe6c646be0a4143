//! Any header maps, each canonical column filled from one place and its alternatives, or is
//! explained. An input is the names of a header, separated by commas.
#![no_main]

// The schema needs `arrow::datatypes` alone: all of arrow takes minutes to instrument.
extern crate self as arrow;
mod datatypes {
    pub use arrow_schema::*;
}

use libfuzzer_sys::fuzz_target;

#[allow(dead_code, unused_imports)]
#[path = "../../src/schema/mod.rs"]
mod schema;
#[allow(dead_code, unused_imports)]
#[path = "../../src/trip/mod.rs"]
mod trip;

use schema::{HeaderError, Mapping, PICKUP, Target, columns};
use trip::{Colour, Month, TripFile};

fuzz_target!(|header: &[u8]| {
    let header = String::from_utf8_lossy(header);
    let names: Vec<String> = header.split(',').map(str::to_owned).collect();
    let padded = names.iter().map(|name| format!("\t{name} "));
    // Two names that differ in case are still two.
    let swapped = |letter: char| match letter {
        'a'..='z' => letter.to_ascii_uppercase(),
        letter => letter.to_ascii_lowercase(),
    };
    let padded: Vec<String> = padded.map(|name| name.chars().map(swapped).collect()).collect();
    for colour in Colour::ALL {
        let file = TripFile::new(colour, Month::known(2020, 1));
        let mapping = Mapping::of(file, &names);
        match &mapping {
            Ok(mapping) => check(mapping, colour, &names),
            Err(error) => explained(error, file),
        }
        let again = Mapping::of(file, &padded).map(|mapping| mapping.targets);
        assert_eq!(
            again.map_err(|error| std::mem::discriminant(&error)),
            mapping.map(|mapping| mapping.targets).map_err(|error| std::mem::discriminant(&error)),
            "case and padding of a header do not matter"
        );
    }
});

fn check(mapping: &Mapping, colour: Colour, names: &[String]) {
    let known = columns(colour);
    let mut filled = vec![false; known.len()];
    let mut unknown = Vec::new();
    assert_eq!(mapping.targets.len(), names.len());
    for (target, name) in mapping.targets.iter().zip(names) {
        let name = name.trim();
        let key = name.to_lowercase();
        match *target {
            Target::Column(index) => {
                assert!(!filled[index], "two columns fill {}", known[index].name);
                assert!(known[index].is_called(&key));
                filled[index] = true;
            }
            Target::Alternative(index) => {
                assert!(filled[index], "an alternative to nothing");
                assert!(known[index].is_called(&key));
            }
            Target::Unknown => {
                assert!(!known.iter().any(|column| column.is_called(&key)));
                unknown.extend((!name.is_empty()).then_some(name));
            }
        }
    }
    assert_eq!(mapping.unknown, unknown);
    let pickup = known.iter().position(|column| column.name == PICKUP);
    assert!(pickup.is_some_and(|index| filled[index]));
}

/// An explanation names the month, and says no more than people would read.
fn explained(error: &HeaderError, file: TripFile) {
    let text = error.to_string();
    assert!(text.contains(&file.to_string()));
    if !matches!(error, HeaderError::Twice { .. }) {
        assert!(text.chars().count() < 500, "{text}");
    }
}
