use serde::Serialize;

use crate::flow::{Progress, Run, TaskName};
use crate::pipeline::{Pipeline, TaskError};
use crate::source::SpoolLease;
use crate::trip::TripFile;
use crate::warehouse::Warehouse;

use super::{Store, Stores};

/// What taking a month out of a store came to.
#[derive(Debug, Serialize)]
pub struct Dropped {
    /// The store.
    pub store: Store,
    /// Where it is, for people; `None` if it cannot even be named.
    pub place: Option<String>,
    /// What was there and is no more; empty where nothing was.
    pub removed: Vec<String>,
    /// Why it could not be done.
    pub error: Option<String>,
}

/// Takes a month out of the stores: the warehouses first, so that none ever has a month from the
/// lake that the lake does not have, then the lake, if that is asked too and all else went. The
/// month's place in the spool is held meanwhile, so that no run brings it.
pub async fn drop_month(
    run: &Run,
    stores: &Stores<'_>,
    with_lake: bool,
    file: TripFile,
) -> Vec<Dropped> {
    let pipeline = stores.pipeline;
    let lake = Some(pipeline.lake().address().to_string());
    let lease = match pipeline.lease(run, file).await {
        Ok(lease) => lease,
        Err(error) => return vec![of(Store::Lake, lake, Err(error.to_string()))],
    };
    pipeline.clear_refused(file).await;
    let mut dropped = Vec::new();
    for (kind, warehouse) in &stores.warehouses {
        let store = Store::Warehouse(*kind);
        dropped.push(match warehouse {
            Err(error) => of(store, None, Err(error.to_string())),
            Ok(warehouse) => {
                let removed = from_warehouse(run, warehouse.as_ref(), file).await;
                of(store, Some(warehouse.address()), removed)
            }
        });
    }
    if with_lake {
        let failed = dropped.iter().find(|store| store.error.is_some());
        let removed = match failed {
            Some(failed) => Err(format!(
                "not changed, because the month could not be removed from {}",
                failed.store
            )),
            None => {
                let dropping = run
                    .task(TaskName::Drop, file, async |_| from_lake(pipeline, file, &lease).await);
                dropping.await.map_err(|error| error.to_string())
            }
        };
        if removed.is_ok() {
            again(run, stores, file, &mut dropped).await;
        }
        dropped.insert(0, of(Store::Lake, lake, removed));
    }
    lease.clear();
    dropped
}

async fn from_warehouse(
    run: &Run,
    warehouse: &dyn Warehouse,
    file: TripFile,
) -> Result<Vec<String>, String> {
    let dropping = run.task(TaskName::Drop, file, async |progress: Progress| {
        Ok::<_, TaskError>(warehouse.drop_month(file, &progress).await?)
    });
    dropping.await.map_err(|error| error.to_string())
}

/// A load that had begun to read the lake while the month went has put it back: from here on
/// there is nothing to load.
async fn again(run: &Run, stores: &Stores<'_>, file: TripFile, dropped: &mut [Dropped]) {
    for ((_, warehouse), dropped) in stores.warehouses.iter().zip(dropped) {
        let Ok(warehouse) = warehouse else { continue };
        match from_warehouse(run, warehouse.as_ref(), file).await {
            Ok(removed) => {
                for what in removed {
                    if !dropped.removed.contains(&what) {
                        dropped.removed.push(what);
                    }
                }
            }
            Err(error) => dropped.error = Some(error),
        }
    }
}

fn of(store: Store, place: Option<String>, removed: Result<Vec<String>, String>) -> Dropped {
    let (removed, error) = match removed {
        Ok(removed) => (removed, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    Dropped { store, place, removed, error }
}

/// What a killed run left of it goes too.
async fn from_lake(
    pipeline: &Pipeline,
    file: TripFile,
    held: &SpoolLease,
) -> Result<Vec<String>, TaskError> {
    pipeline.lake().clear_leftovers(file, held.folder()).await?;
    Ok(pipeline.lake().drop(file).await?)
}
