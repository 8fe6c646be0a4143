//! No room, or no right, to write.
//!
//! The full disk is a small one mounted for the run alone, by root or in a user namespace;
//! where neither may mount, a limit on the size of files stands in for it.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::harness::running::{LARGE, assert_same, objects};
use crate::harness::taxi::{Ran, Taxi, month_args};
use taxi_test_support::gcs::GcsProxy;
use taxi_test_support::generate::{Colour, Recipe};
use taxi_test_support::web::{Fault, Web};

/// Runs a command with a disk of `$1` KiB at `$2`, and lists what it leaves there.
const ON_A_DISK: &str = r#"
mount -t tmpfs -o "size=$1k" none "$2" || exit 99
folder=$2; shift 2
"$@"; code=$?
echo "left: $(find "$folder" -type f -size +0)" >&2
exit $code"#;

/// Runs a command that can write no file of more than `$1` KiB.
const UNDER_A_LIMIT: &str = r#"
trap "" XFSZ
ulimit -f $(($1 * 2))
shift 2
"$@"; code=$?
echo "left: " >&2
exit $code"#;

/// Runs the program with so many KiB of room in a folder of its folder.
fn run_with_room(taxi: &Taxi, kib: u64, folder: &str, args: &[String]) -> Ran {
    let folder = taxi.folder().join(folder);
    std::fs::create_dir_all(&folder).unwrap();
    let program = taxi.command(args);
    let unshared = ["-m", "-rm"].into_iter().find(|flags| can_mount(flags, &folder));
    let wrapper = match unshared {
        Some(flags) => vec!["unshare", flags, "sh", "-c", ON_A_DISK, "sh"],
        None => vec!["sh", "-c", UNDER_A_LIMIT, "sh"],
    };
    let mut command = Command::new(wrapper[0]);
    command
        .args(&wrapper[1..])
        .arg(kib.to_string())
        .arg(folder)
        .arg(program.get_program())
        .args(program.get_args())
        .env_clear()
        .envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .current_dir(taxi.folder())
        .stdin(Stdio::null());
    command.output().unwrap().into()
}

fn can_mount(flags: &str, folder: &Path) -> bool {
    let mut mount = Command::new("unshare");
    mount.args([flags, "mount", "-t", "tmpfs", "none"]).arg(folder);
    mount.output().is_ok_and(|done| done.status.success())
}

/// The run failed for want of room and said what to do.
fn assert_starved(ran: Ran, option: &str) -> Ran {
    let ran = ran.exits(1);
    assert_eq!(ran.state(), "failed");
    for words in ["pace", option] {
        assert!(ran.stderr.contains(words), "{}", ran.stderr);
    }
    ran
}

#[tokio::test]
async fn a_full_spool_fails_the_month_and_a_rerun_with_room_mends_it() {
    let web = Web::start().await;
    LARGE.serve(&web);
    let wanted = LARGE.undisturbed(&web, &[]);
    // Room for no download, its length known beforehand or not, and for the download and half of
    // what becomes of it.
    let (download, trips) = (LARGE.bytes.len(), wanted[LARGE.key].len());
    let half = (download + trips / 2) as u64 / 1024;
    for (kib, length_known) in [(1000, true), (1000, false), (half, false)] {
        let taxi = Taxi::new();
        if !length_known {
            web.always(&LARGE.path(), Fault::Chunked);
        }
        let spool = taxi.folder().join("spool").display().to_string();
        let args = LARGE.args(&web, &["--spool", &spool]);
        let ran = run_with_room(&taxi, kib, "spool", &args);
        assert_starved(ran, "--spool");
        assert!(objects(&taxi).is_empty());
        web.heal();
        taxi.run(&args).exits(0);
        assert_same(&objects(&taxi), &wanted);
        assert!(taxi.files("spool").is_empty());
    }
}

#[test]
fn a_full_lake_fails_the_month_and_is_left_as_it_was() {
    let taxi = Taxi::new();
    let trips = taxi.folder().join("green_tripdata_2020-01.csv");
    let recipe = Recipe::new(Colour::Green, 2020, 1).rows(30_000);
    recipe.write(&trips);
    let mut args = month_args("green", "2020-01", &taxi.folder().display().to_string());
    // The file as fetched is larger than what becomes of it.
    args.extend(["--spool", "spool", "--keep-raw"].map(str::to_owned));
    let kib = trips.metadata().unwrap().len() / 1024 / 2;
    let ran = run_with_room(&taxi, kib, "data", &args);
    let ran = assert_starved(ran, "--lake");
    assert!(ran.stderr.ends_with("left: \n"), "{}", ran.stderr);
    assert!(taxi.files("data").is_empty());
    assert_eq!(taxi.run(&args).exits(0).state(), "published");
    let keys = taxi.files("data");
    // The trips, the bytes as fetched, and their digest.
    assert_eq!(keys.len(), 3, "{keys:?}");
}

#[test]
fn a_spool_that_cannot_be_is_named_with_its_flag() {
    let taxi = Taxi::new();
    std::fs::write(taxi.folder().join("file"), "").unwrap();
    let mut args = month_args("green", "2020-01", ".");
    args.extend(["--spool", "file/spool"].map(str::to_owned));
    let ran = taxi.run(args).exits(1);
    for words in ["cannot use the spool file/spool", "--spool"] {
        assert!(ran.stderr.contains(words), "{}", ran.stderr);
        assert!(ran.first()["error"].to_string().contains(words));
    }
}

#[tokio::test]
async fn a_full_spool_by_way_of_which_a_bucket_is_read_is_named() {
    let proxy = GcsProxy::start().await;
    proxy.make_bucket("lake").await;
    let taxi = Taxi::new().set("TAXI_LAKE", "gs://lake").set("STORAGE_EMULATOR_HOST", proxy.url());
    let files = taxi.folder().join("files");
    std::fs::create_dir(&files).unwrap();
    let month = Recipe::new(Colour::Green, 2020, 1).rows(20_000);
    month.write(&files.join("green_tripdata_2020-01.csv"));
    taxi.run(month_args("green", "2020-01", "./files")).exits(0);
    let verify = ["verify", "--colour", "green"].map(str::to_owned);
    let ran = run_with_room(&taxi, 100, "data/spool", &verify).exits(1);
    assert!(ran.stdout.contains("--spool") && !ran.stdout.contains("--lake"), "{}", ran.stdout);
}
