//! Help and errors of the command line.

use crate::harness::taxi::Taxi;

/// What the program says to these arguments, without the tests' own settings.
fn said(args: &[&str], code: i32) -> String {
    let taxi = Taxi::new();
    let mut command = taxi.command(args);
    for name in ["TAXI_RETRIES", "TAXI_RETRY_DELAY", "TAXI_STALL_TIMEOUT", "TAXI_RUNS"] {
        command.env_remove(name);
    }
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(code));
    let files = taxi.files("");
    assert!(files.is_empty(), "{files:?}");
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

#[test]
fn what_makes_no_sense_is_refused_with_a_sentence() {
    let wrong: &[&[&str]] = &[
        &["--year", "2012", "--months", "5"],
        &["--months", "13"],
        &["--months", "3-1"],
        &["--from", "2020-13", "--to", "2021-01"],
        &["--from", "2020-03", "--to", "2020-01"],
        &["--from", "2020-03"],
        &["--year", "2020", "--from", "2020-01", "--to", "2020-02"],
        &["--year", "2020", "--lag-months", "2"],
        &["--colour", "blue"],
        &["--source", "wbe"],
        &["--source", "https://host/one-file.csv"],
        &["--lake", "s3://bucket"],
        &["--reject", "negative_fares"],
        &["--off", "no_pickup"],
        &["--retry-delay", "soon"],
        &["--config", "none.toml"],
    ];
    let answers = wrong.iter().map(|wrong| {
        let args = [&["run", "etl-web-to-gcs"], *wrong].concat();
        let said = said(&args, 2);
        let said = said.split("\n\nFor more information").next().unwrap();
        format!("{}\n{}\n", wrong.join(" "), said.trim_end())
    });
    insta::assert_snapshot!(answers.collect::<Vec<_>>().join("\n"), @"
    --year 2012 --months 5
    error: there are no green trips for 2012-05: green records begin in 2013-08

    --months 13
    error: there is no month 13: months go from 1 to 12

    --months 3-1
    error: invalid value '3-1' for '--months <MONTHS>': the months 3 to 1 are in the wrong order: put the earlier one first

    --from 2020-13 --to 2021-01
    error: invalid value '2020-13' for '--from <YYYY-MM>': there is no month 13: months go from 1 to 12

    --from 2020-03 --to 2020-01
    error: the months 2020-03 to 2020-01 are in the wrong order: put the earlier one first

    --from 2020-03
    error: 'from' is given without 'to': a range needs both ends

    --year 2020 --from 2020-01 --to 2020-02
    error: year, from, to are given together: select months either by year and months, or by from and to, or by lag_months

    --year 2020 --lag-months 2
    error: year, lag_months are given together: select months either by year and months, or by from and to, or by lag_months

    --colour blue
    error: invalid value 'blue' for '--colour <COLOURS>': 'blue' is not a colour of trip records; expected yellow, green, fhv or fhvhv

    --source wbe
    error: 'wbe' is not a known source; expected one of web, datatalks, tlc, sample, raw, a folder such as ./trips, or an address with {colour}, {year} and {month} in it

    --source https://host/one-file.csv
    error: 'https://host/one-file.csv' is not a known source; expected one of web, datatalks, tlc, sample, raw, a folder such as ./trips, or an address with {colour}, {year} and {month} in it

    --lake s3://bucket
    error: invalid value 's3://bucket' for '--lake <LAKE>': 's3://bucket' is not the address of a lake; expected a folder, or a bucket of Google Cloud Storage as gs://bucket/prefix. Write a folder with such a name as ./NAME

    --reject negative_fares
    error: invalid value 'negative_fares' for '--reject <RULES>': unknown rule 'negative_fares'; expected one of wrong_field_count, unreadable, no_pickup, pickup_outside_month, dropoff_before_pickup, distance_impossible, negative_fare, duration_over_24h, unknown_code, unknown_location, passenger_count_over_9, zero_passengers, zero_distance, total_not_positive

    --off no_pickup
    error: invalid value 'no_pickup' for '--off <RULES>': the rule 'no_pickup' always rejects, because such a record is not a trip of its file; these rules can be changed: dropoff_before_pickup, distance_impossible, negative_fare, duration_over_24h, unknown_code, unknown_location, passenger_count_over_9, zero_passengers, zero_distance, total_not_positive

    --retry-delay soon
    error: invalid value 'soon' for '--retry-delay <TIME>': write it as 500ms, 30s or 2m

    --config none.toml
    error: cannot read the settings in none.toml: No such file or directory (os error 2)
    ");
}

#[test]
fn help_says_what_there_is() {
    insta::assert_snapshot!(said(&["--help"], 0));
}

#[test]
fn help_for_a_flow_says_what_can_be_asked() {
    insta::assert_snapshot!(said(&["run", "etl-web-to-gcs", "--help"], 0));
}

/// A printed table without the seconds, which are never twice the same.
fn timeless(text: &str) -> String {
    let seconds = |word: &str| {
        word.split_once('.').is_some_and(|(a, b)| {
            b.len() == 1 && (a.to_owned() + b).bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    let words = |line: &str| {
        let sizes = line.ends_with("kB");
        let words: Vec<&str> = line.split_whitespace().collect();
        let count = words.len();
        let kept = words
            .iter()
            .enumerate()
            .filter(|(at, word)| !(sizes && *at + 3 == count && seconds(word)));
        kept.map(|(_, word)| *word).collect::<Vec<_>>().join(" ")
    };
    text.trim().lines().map(words).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_readme_shows_what_is_printed() {
    let readme = include_str!("../../README.md");
    let taxi = Taxi::new();
    let samples = concat!(env!("CARGO_MANIFEST_DIR"), "/data/sample");
    std::fs::create_dir(taxi.folder().join("data")).unwrap();
    std::os::unix::fs::symlink(samples, taxi.folder().join("data/sample")).unwrap();
    let shown = readme.split("```").filter_map(|block| block.trim().strip_prefix("$ taxi "));
    let mut compared = 0;
    for block in shown {
        let (command, output) = block.split_once('\n').unwrap();
        let ran = taxi.run(command.split_whitespace()).exits(0);
        assert_eq!(timeless(&ran.stdout), timeless(output), "{command}");
        compared += 1;
    }
    assert_eq!(compared, 3);
}

#[test]
fn a_fault_in_the_settings_is_told_without_the_line_it_is_in() {
    let taxi = Taxi::new();
    let settings = "lake = 'x'\ndatabase_url = [\"postgres://u:secret@h/d\"]\n";
    std::fs::write(taxi.folder().join("taxi.toml"), settings).unwrap();
    let ran = taxi.run(["run", "etl-web-to-gcs"]).exits(2);
    insta::assert_snapshot!(ran.stderr, @r#"
        error: taxi.toml, line 2, is not understood: 'database_url' must be a text in quotes, { env = "NAME" } or { file = "PATH" }
        "#);
}

#[test]
fn a_flag_goes_before_the_environment() {
    let taxi = Taxi::new().set("TAXI_YEAR", "2019").set("TAXI_FORCE", "false");
    let ran = taxi.month("green", "2020-01", "./").exits(0);
    assert_eq!(ran.first()["month"], "2020-01");
    let args = ["run", "etl-web-to-gcs", "--months", "3", "--source", "./", "--output", "json"];
    assert_eq!(taxi.run(args).exits(0).first()["month"], "2019-03");
}

#[test]
fn who_has_read_enough_of_the_output_is_no_failure() {
    let taxi = Taxi::new();
    let mut child = taxi.command(["schema"]).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
