//! Every edition of the files there ever was, with every dirt it can have, into one schema.

use std::collections::BTreeMap;

use arrow::datatypes::SchemaRef;

use crate::harness::month::{Parquet, SetAside, assert_counts};
use crate::harness::taxi::Taxi;
use taxi_test_support::generate::{Colour, Dirt, Form, Made, Planted, Recipe, VINTAGES};

/// Months whose Parquet files differ in names or types from those before them.
#[rustfmt::skip]
const PARQUET_MONTHS: &[(Colour, &[(u16, u8)])] = &[
    (Colour::Yellow, &[
        (2009, 1), (2009, 12), (2010, 1), (2010, 2), (2011, 7), (2018, 6), (2018, 7), (2021, 4),
        (2023, 1), (2023, 2), (2024, 12), (2025, 1),
    ]),
    (Colour::Green, &[(2014, 1), (2019, 3), (2020, 4), (2023, 2), (2024, 12), (2025, 3)]),
    (Colour::Fhv, &[(2015, 1), (2017, 6), (2019, 7), (2021, 2), (2025, 3)]),
    (Colour::Fhvhv, &[(2019, 2), (2021, 1), (2023, 2), (2025, 6)]),
];

#[test]
fn every_vintage_of_yellow_becomes_one_table() {
    assert_one_table(Colour::Yellow);
}

#[test]
fn every_vintage_of_green_becomes_one_table() {
    assert_one_table(Colour::Green);
}

#[test]
fn every_vintage_of_fhv_becomes_one_table() {
    assert_one_table(Colour::Fhv);
}

#[test]
fn every_vintage_of_fhvhv_becomes_one_table() {
    assert_one_table(Colour::Fhvhv);
}

/// Cleans every edition of a colour, checks each month to its last row, and that all have
/// the same schema.
fn assert_one_table(colour: Colour) {
    let csv = |newer: bool| -> Vec<Recipe> {
        let editions = VINTAGES.iter();
        let editions = editions.filter(|it| it.colour == colour && it.newer == newer);
        editions
            .map(|it| Recipe {
                newer_edition: newer,
                ..Recipe::new(colour, it.from.year, it.from.number).form(Form::CsvGz)
            })
            .collect()
    };
    let months = PARQUET_MONTHS.iter().filter(|(of, _)| *of == colour);
    let parquet: Vec<Recipe> = months
        .flat_map(|(_, months)| months.iter())
        .map(|(year, month)| Recipe::new(colour, *year, *month).form(Form::Parquet))
        .collect();
    let resaved = vec![Recipe::new(colour, 2024, 5).form(Form::Parquet).nanoseconds()];
    let mut schemas = Vec::new();
    for recipes in [csv(false), csv(true), parquet, resaved] {
        if !recipes.is_empty() {
            schemas.extend(clean(colour, &recipes));
        }
    }
    for schema in &schemas {
        assert_eq!(schema.fields(), schemas[0].fields());
    }
}

/// Runs months of a colour, filled with dirt, through one run of the program, and checks what
/// becomes of each; their schemas.
fn clean(colour: Colour, recipes: &[Recipe]) -> Vec<SchemaRef> {
    let taxi = Taxi::new();
    std::fs::create_dir(taxi.folder().join("trips")).unwrap();
    let mut made = BTreeMap::new();
    for recipe in recipes {
        let recipe = recipe.clone().rows(600).meterless_percent(20);
        let recipe = recipe.every_dirt(6).dirt(Dirt::Unreadable, 60);
        let name = format!("{colour}_tripdata_{}.{}", recipe.month, recipe.form);
        let path = taxi.folder().join("trips").join(name);
        let form = recipe.form;
        made.insert(recipe.month.to_string(), (form, recipe.write(&path)));
    }
    let (first, last) = (made.keys().next().unwrap(), made.keys().last().unwrap());
    let colour = colour.to_string();
    let args = ["run", "etl-web-to-gcs", "--colour", &colour];
    let args = args.into_iter().chain(["--from", first, "--to", last]);
    let ran = taxi.run(args.chain(["--source", "trips/", "--output", "json"]));
    let report = ran.exits(0).json();

    let mut schemas = Vec::new();
    for month in report["months"].as_array().unwrap() {
        let Some((form, made)) = made.get(month["month"].as_str().unwrap()) else {
            assert_eq!(month["state"], "not_published");
            continue;
        };
        assert_eq!(month["state"], "published");
        assert_counts(month, made);
        let planted = made.planted.iter().filter(|it| it.rule == "unreadable").count();
        let by_column = month["unreadable"].as_object().unwrap().values();
        assert_eq!(by_column.map(|rows| rows.as_u64().unwrap()).sum::<u64>(), planted as u64);
        let path = |of: &str| taxi.folder().join(month[of].as_str().unwrap());
        let trips = Parquet::read(&path("lake"));
        trips.assert_sums(made);
        let missing = &trips.provenance()["missing_columns"];
        assert_eq!(missing, &serde_json::json!([]), "{} {form:?}", month["month"]);
        schemas.push(trips.schema());
        assert_set_aside(&Parquet::read(&path("quarantine")).set_aside(), made, *form);
    }
    assert_eq!(schemas.len(), recipes.len());
    schemas
}

/// Checks that the rows set aside are those that were spoiled, each with its line, its reason
/// and all its fields, and no other.
fn assert_set_aside(rows: &[SetAside], made: &Made, form: Form) {
    let rejected: Vec<_> = made.planted.iter().filter(|it| is_rejected(it)).collect();
    assert_eq!(rows.len(), rejected.len());
    for (row, planted) in rows.iter().zip(rejected) {
        let reason = match planted.rule.as_str() {
            "malformed_quotes" => "wrong_field_count",
            rule => rule,
        };
        assert_eq!(row.line, planted.line as i64, "{planted:?}");
        assert_eq!(row.reasons, [reason], "{planted:?}");
        if form == Form::Parquet {
            let fields = planted.text.split(',');
            // Some files have the number of the row beside its fields.
            assert!(row.fields.len() >= fields.clone().count(), "{row:?} for {planted:?}");
            let alike = fields.zip(&row.fields).all(|(one, other)| is_alike(one, other));
            assert!(alike, "{row:?} for {planted:?}");
        } else {
            let bare = |text: &str| text.replace('"', "");
            assert_eq!(bare(&row.fields.join(",")), bare(&planted.text));
        }
    }
}

fn is_rejected(planted: &Planted) -> bool {
    let rules = [
        "malformed_quotes",
        "wrong_field_count",
        "unreadable",
        "no_pickup",
        "pickup_outside_month",
        "dropoff_before_pickup",
        "distance_impossible",
    ];
    rules.contains(&planted.rule.as_str())
}

/// Whether two texts are the same value: 12 and 12.0.
fn is_alike(one: &str, other: &str) -> bool {
    let number = |text: &str| text.parse::<f64>().map(f64::to_bits);
    one == other || number(one).is_ok_and(|one| number(other) == Ok(one))
}
