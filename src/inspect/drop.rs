use serde::Serialize;

use crate::config::{TaskError, Tools};
use crate::flow::{Progress, Run};
use crate::trip::TripFile;

use super::{Store, Stores};

/// What taking a month out of a store came to.
#[derive(Debug, Serialize)]
pub struct Dropped {
    /// The store.
    pub store: Store,
    /// Where it is, for people; none where it cannot even be named.
    pub place: Option<String>,
    /// What was there and is no more; empty where nothing was.
    pub removed: Vec<String>,
    /// Why it could not be done.
    pub error: Option<String>,
}

/// Takes a month out of the stores: the warehouses first, so that none ever has a month from the
/// lake that the lake does not have, then the lake where that is asked too.
pub async fn drop_month(
    run: &Run,
    stores: &Stores<'_>,
    with_lake: bool,
    file: TripFile,
) -> Vec<Dropped> {
    stores.tools.clear_refused(file).await;
    let mut dropped = Vec::new();
    for (kind, warehouse) in &stores.warehouses {
        let store = Store::Warehouse(*kind);
        dropped.push(match warehouse {
            Err(error) => of(store, None, Err(error.to_string())),
            Ok(warehouse) => {
                let dropping = run.task("drop", file, async |progress: Progress| {
                    warehouse.drop(file, &progress).await
                });
                let removed = dropping.await.map_err(|error| error.to_string());
                of(store, Some(warehouse.address()), removed)
            }
        });
    }
    if with_lake {
        let tools = stores.tools;
        let dropping = run.task("drop", file, async |_| drop_from_lake(run, tools, file).await);
        let removed = dropping.await.map_err(|error| error.to_string());
        let place = Some(tools.lake().address().to_string());
        dropped.insert(0, of(Store::Lake, place, removed));
    }
    dropped
}

fn of(store: Store, place: Option<String>, removed: Result<Vec<String>, String>) -> Dropped {
    let (removed, error) = match removed {
        Ok(removed) => (removed, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    Dropped { store, place, removed, error }
}

/// With the month's place in the spool held, so that no run brings it meanwhile; what a killed
/// run left of it goes too.
async fn drop_from_lake(
    run: &Run,
    tools: &Tools,
    file: TripFile,
) -> Result<Vec<String>, TaskError> {
    let held = tools.hold(run, file).await?;
    tools.lake().clear_leftovers(file, held.folder()).await?;
    let removed = tools.lake().drop(file).await?;
    held.clear();
    Ok(removed)
}
