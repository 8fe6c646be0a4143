//! An unreliable connection in front of every server.

use super::{Backfill, Months, Undisturbed, states};
use taxi_test_support::rough::{RoughLine, Speaks};

/// The port at the end of a URL.
fn port(url: &str) -> u16 {
    url.rsplit(':').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_backfill_over_rough_lines_ends_right_or_names_what_failed_and_a_rerun_does_the_rest() {
    let long = std::env::var_os("TAXI_SOAK").is_some();
    let (rounds, months) = if long { (12, 24) } else { (1, 4) };
    let months = Months::serve(months, 1500).await;
    for round in 0..rounds {
        let web = RoughLine::before(port(&months.web.url()), Speaks::Http, round).await;
        let wanted = Undisturbed::of(&months, &web.url()).await;
        let mut backfill = Backfill::new().await;
        let lake = RoughLine::before(port(&backfill.proxy.url()), Speaks::Http, 100 + round).await;
        let postgres = RoughLine::before(backfill.database.port, Speaks::Bytes, 200 + round).await;
        let database =
            format!("postgres://postgres@127.0.0.1:{}/{}", postgres.port(), backfill.database.name);
        backfill.taxi =
            backfill.taxi.set("STORAGE_EMULATOR_HOST", lake.url()).set("DATABASE_URL", database);
        let lines = [&web, &lake, &postgres];
        for line in lines {
            line.calm(false);
        }
        let ran = backfill.run(&months, &web.url());
        for line in lines {
            line.calm(true);
        }
        let happened = lines.map(|line| line.fates().len() - 1).iter().sum::<usize>();
        assert!(happened > 2, "hardly anything happened: {:?}", lines.map(RoughLine::fates));
        let failed = states(&ran).into_iter().filter(|(_, state)| state == "failed");
        let failed: Vec<String> = failed.map(|(month, _)| month).collect();
        println!("round {round}: {failed:?} failed; {:?}", lines.map(RoughLine::fates));
        assert_eq!(ran.code, Some(i32::from(!failed.is_empty())), "{}", ran.stderr);
        for month in failed {
            assert!(ran.stderr.contains(&month), "{month} is not named:\n{}", ran.stderr);
        }
        backfill.run(&months, &web.url()).exits(0);
        backfill.assert_like(&wanted).await;
    }
}
