//! Publishing to a local folder, from more than one place.

use crate::harness::running::{LARGE, Running, assert_same, objects};
use crate::harness::taxi::Taxi;
use taxi_test_support::web::Web;

#[tokio::test]
async fn runs_with_spools_of_their_own_do_not_write_into_each_others_files() {
    let web = Web::start().await;
    LARGE.serve(&web);
    let first = Taxi::new();
    let lake = first.folder().join("data").display().to_string();
    let second = Taxi::new().set("TAXI_LAKE", &lake);
    let args = LARGE.args(&web, &["--force"]);
    let wanted = LARGE.undisturbed(&web, &[]);
    for _ in 0..4 {
        let runs = [&first, &second].map(|taxi| Running::start(taxi.command(&args)));
        for run in runs {
            assert_eq!(run.end().exits(0).state(), "published");
        }
        assert_same(&objects(&first), &wanted);
        assert!(second.files("data").is_empty());
    }
}
