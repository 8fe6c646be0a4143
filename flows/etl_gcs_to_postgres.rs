//! `etl-gcs-to-postgres`: a month from the lake into Postgres.

use std::time::Instant;

use futures_util::StreamExt;
use nyc_taxi_etl::config::Tools;
use nyc_taxi_etl::flow::{Event, Failure, MonthReport, Progress, Retry, Run, RunReport, State};
use nyc_taxi_etl::lake::LakeError;
use nyc_taxi_etl::trip::{Item, TripFile};
use nyc_taxi_etl::warehouse::postgres::{Load, Loaded, PostgresError, Proven, Warehouse};

/// The name of the flow.
pub(crate) const NAME: &str = "etl-gcs-to-postgres";

/// Why a month failed.
#[derive(Debug, thiserror::Error)]
enum MonthError {
    #[error(transparent)]
    Lake(#[from] LakeError),
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    #[error("{file} is not in the lake {lake}: bring it with taxi run etl-web-to-gcs")]
    NotInLake { file: TripFile, lake: String },
}

impl Failure for MonthError {
    fn retry(&self) -> Retry {
        match self {
            Self::Lake(error) => error.retry(),
            Self::Postgres(error) => error.retry(),
            Self::NotInLake { .. } => Retry::Never,
        }
    }

    fn is_interruption(&self) -> bool {
        match self {
            Self::Lake(error) => error.is_interruption(),
            Self::Postgres(error) => error.is_interruption(),
            Self::NotInLake { .. } => false,
        }
    }
}

/// Loads months from the lake into Postgres, several at once.
pub(crate) async fn etl_gcs_to_postgres(
    run: &Run,
    tools: &Tools,
    files: &[TripFile],
) -> Result<RunReport, PostgresError> {
    let warehouse = tools.postgres()?;
    let months = futures_util::stream::iter(files.iter().map(|&file| {
        let warehouse = &warehouse;
        async move {
            let started = Instant::now();
            let mut report = match month(run, tools, warehouse, file).await {
                Ok(report) => report,
                Err(error) => MonthReport::failed(file, &error),
            };
            report.seconds = started.elapsed().as_secs_f64();
            run.tell(&Event::MonthDone(&report));
            report
        }
    }));
    let months = months.buffered(tools.settings().jobs).collect().await;
    zones(run, tools, &warehouse).await;
    Ok(RunReport::new(NAME, months))
}

/// The zones are small and serve the months: where they cannot be loaded, the months are there
/// all the same.
async fn zones(run: &Run, tools: &Tools, warehouse: &Warehouse) {
    let loaded =
        run.task("write-postgres", Item::Zones, async |_| tools.load_zones(warehouse).await);
    if matches!(loaded.await, Ok(false)) {
        run.warn(
            Item::Zones,
            "a table 'zones' is there already and is not ours: it was left as it is",
        );
    }
}

async fn month(
    run: &Run,
    tools: &Tools,
    warehouse: &Warehouse,
    file: TripFile,
) -> Result<MonthReport, MonthError> {
    run.task("write-postgres", file, async |progress: Progress| {
        let trips = tools.trips(file).await?.ok_or_else(|| MonthError::NotInLake {
            file,
            lake: tools.lake().address().to_string(),
        })?;
        let provenance = trips.month.provenance;
        let load = Load {
            file,
            known: Some(&provenance),
            lake_object: Some(&trips.address),
            force: tools.settings().force,
        };
        // The lake has proven it already.
        let proven = Proven { provenance: provenance.clone(), quarantine: None };
        let proof = std::future::ready(Ok::<_, PostgresError>(proven));
        let loaded = warehouse.load(load, Box::new(trips.batches), proof, &progress).await?;
        let state = match loaded {
            Loaded::Replaced(_) => State::Loaded,
            Loaded::Unchanged => State::Unchanged,
        };
        let mut report = MonthReport::new(file, state).counted(&provenance.counts);
        report.source = Some(provenance.source.address.clone());
        report.lake = Some(trips.address);
        report.bytes = Some(trips.month.bytes);
        report.warehouse = Some(warehouse.place(file));
        report.rows_loaded = match loaded {
            Loaded::Replaced(rows) => Some(rows),
            Loaded::Unchanged => Some(provenance.counts.rows_kept),
        };
        Ok(report)
    })
    .await
}
