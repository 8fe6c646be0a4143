//! What the program says of itself: settings, help, completions, version.

use std::process::Command;

use super::with;
use crate::harness::taxi::{Ran, Taxi};

const TOML: &str = "\
jobs = 3
source = 'https://me:hush@host/{colour}/{year}/{month}.csv?sig=hush'

[rules]
negative_fare = 'reject'

[lakes.prod]
address = 'gs://bucket/trips'
credentials = { file = 'key.json' }

[postgres.local]
host = 'localhost'
database = 'taxi'
user = 'me'
password = { env = 'HUSHED' }

[profiles.cloud]
lake = 'prod'
postgres = 'local'
to_warehouse = ['postgres']
jobs = 8

[notify]
webhook = 'https://hooks.slack.com/services/hush'
";

/// The lines of the table that tell of more than a default, without the spaces around cells.
fn told(ran: &Ran) -> String {
    let lines = ran.stdout.lines().filter(|line| !line.ends_with(" default")).map(|line| {
        let words = line.split("  ").map(str::trim).filter(|word| !word.is_empty());
        words.collect::<Vec<_>>().join(" | ")
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_settings_in_force_are_shown_with_where_each_comes_from() {
    let taxi = with(TOML).set("TAXI_RETRIES", "2").set("HUSHED", "hush");
    let args = ["config", "--profile", "cloud", "--retry-delay", "5s", "--off", "unknown_code"];
    let ran = taxi.run(args).exits(0);
    assert!(!ran.stdout.contains("hush"), "{}", ran.stdout);
    assert!(ran.stdout.lines().any(|line| line.starts_with(" spool ")), "{}", ran.stdout);
    insta::assert_snapshot!(told(&ran), @"
        setting | value | from
        source | https://host/{colour}/{year}/{month}.csv | taxi.toml, line 2
        lake | gs://bucket/trips | taxi.toml, line 7 (lakes.prod, named by taxi.toml, line 18 (profile cloud))
        credentials | key.json | taxi.toml, line 7 (lakes.prod, named by taxi.toml, line 18 (profile cloud))
        rules.negative_fare | reject | taxi.toml, line 5
        rules.unknown_code | off | --off
        jobs | 8 | taxi.toml, line 21 (profile cloud)
        retries | 2 | TAXI_RETRIES
        retry_delay | 5s | --retry-delay
        to_warehouse | postgres | taxi.toml, line 20 (profile cloud)
        postgres | local | taxi.toml, line 19 (profile cloud)
        database_url | localhost:5432/taxi | taxi.toml, line 11 (postgres.local, named by taxi.toml, line 19 (profile cloud))
        notify.webhook | ******** | taxi.toml, line 24
        ");
}

#[test]
fn the_settings_in_force_are_shown_to_programs_too() {
    let taxi = with(TOML).set("TAXI_JOBS", "4");
    let shown = taxi.run(["config", "--profile", "cloud", "--output", "json"]).exits(0).json();
    let of = |key: &str| {
        let all = shown.as_array().unwrap();
        all.iter().find(|setting| setting["key"] == key).unwrap().to_string()
    };
    insta::assert_snapshot!([of("jobs"), of("lake"), of("to_warehouse"), of("table")].join("\n"), @r#"
        {"from":{"kind":"environment","name":"TAXI_JOBS"},"key":"jobs","value":4}
        {"from":{"by":{"kind":"profile","line":18,"name":"cloud","path":"taxi.toml"},"kind":"connection","line":7,"name":"lakes.prod","path":"taxi.toml"},"key":"lake","value":"gs://bucket/trips"}
        {"from":{"kind":"profile","line":20,"name":"cloud","path":"taxi.toml"},"key":"to_warehouse","value":["postgres"]}
        {"from":{"kind":"default"},"key":"table","value":null}
        "#);
}

#[test]
fn a_slip_in_the_file_is_told_with_its_line_before_anything_is_done() {
    let taxi = with("\n[profiles.cloud]\nlakes = 'prod'\n");
    insta::assert_snapshot!(taxi.run(["run", "etl-web-to-gcs"]).exits(2).stderr, @"error: taxi.toml, line 3, is not understood: there is no setting 'lakes' here: did you mean 'lake'?");
    assert_eq!(taxi.files(""), ["taxi.toml"]);
}

/// All commands, as the help of each names those below it.
fn commands(taxi: &Taxi, above: &[String], found: &mut Vec<Vec<String>>) {
    let help = taxi.run(above.iter().map(String::as_str).chain(["--help"])).exits(0).stdout;
    found.push(above.to_vec());
    let Some((_, below)) = help.split_once("\nCommands:\n") else { return };
    let below = below.split("\n\n").next().unwrap();
    let names = below.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    for name in names.filter(|name| !name.is_empty() && *name != "help") {
        let mut command = above.to_vec();
        command.push(name.to_owned());
        commands(taxi, &command, found);
    }
}

#[test]
fn the_help_of_every_command_teaches_by_examples() {
    let taxi = Taxi::bare();
    let mut all = Vec::new();
    commands(&taxi, &[], &mut all);
    assert!(all.len() >= 12, "{all:?}");
    for command in &all {
        let args = command.iter().map(String::as_str).chain(["--help"]);
        let help = taxi.run(args).exits(0).stdout;
        let (_, examples) = help
            .split_once("\nExamples:\n")
            .unwrap_or_else(|| panic!("the help of taxi {} has no examples", command.join(" ")));
        let named = format!("taxi {}", command.join(" "));
        assert!(examples.contains(named.trim_end()), "{named}");
        for line in help.lines() {
            assert!(line.chars().count() <= 100, "{line}");
        }
    }
}

#[test]
fn every_shell_gets_completions() {
    let taxi = Taxi::bare();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = taxi.run(["completions", shell]).exits(0).stdout;
        assert!(script.contains("etl-web-to-gcs") && script.contains("to-warehouse"), "{shell}");
    }
    let script = taxi.run(["completions", "bash"]).stdout;
    let path = taxi.folder().join("taxi.bash");
    std::fs::write(&path, script).unwrap();
    let typed = "source ./taxi.bash; COMP_WORDS=(taxi run etl-w); COMP_CWORD=2; \
                 _taxi taxi etl-w run; echo ${COMPREPLY[@]}";
    let completed = Command::new("bash").args(["-c", typed]).current_dir(taxi.folder()).output();
    assert_eq!(String::from_utf8(completed.unwrap().stdout).unwrap().trim(), "etl-web-to-gcs");
}

#[test]
fn the_version_names_the_commit_and_a_month_the_version_alone() {
    let said = Taxi::bare().run(["--version"]).exits(0).stdout;
    let rest = said.trim().strip_prefix(concat!("taxi ", env!("CARGO_PKG_VERSION"), " (")).unwrap();
    let commit = rest.strip_suffix(')').unwrap();
    assert!(commit == "unknown" || commit.bytes().all(|byte| byte.is_ascii_hexdigit()), "{said}");
    assert!(nyc_taxi_etl::trip::Provenance::PROGRAM.ends_with(env!("CARGO_PKG_VERSION")));
}
