//! The dimension of the taxi zones.

use gcp_bigquery_client::model::field_type::FieldType;
use gcp_bigquery_client::model::job_configuration_load::JobConfigurationLoad;
use gcp_bigquery_client::model::table::Table;
use gcp_bigquery_client::model::table_schema::TableSchema;

use crate::flow::Progress;
use crate::trip::SourceFacts;
use crate::warehouse::LakeObject;

use super::jobs::{Finished, JobIds, LoadJob};
use super::names::{Dataset, ZONES};
use super::tables::{MADE_BY, described, has_label, holds_trips, labels};
use super::{BigQuery, BigQueryError};

/// The label with the digest of the bytes that the zones were made from.
const SOURCE: &str = "source";

fn schema() -> TableSchema {
    TableSchema::new(vec![
        described("location_id", FieldType::Int64, "The taxi zone, as trips name it"),
        described("borough", FieldType::String, "The borough"),
        described("zone", FieldType::String, "The neighbourhood"),
        described("service_zone", FieldType::String, "Which taxis may pick up there"),
    ])
}

impl BigQuery {
    /// Replaces the zones by those of the lake, unless they are there already; false if a table
    /// of that name is not ours and was left alone.
    pub(super) async fn replace_zones(
        &self,
        source: &SourceFacts,
        object: &LakeObject,
        progress: &Progress,
    ) -> Result<bool, BigQueryError> {
        object.refuse_pattern()?;
        let jobs = self.ready().await?;
        let digest = source.sha256.to_string();
        // A label has 63 letters at most.
        let digest = &digest[..32];
        let Dataset { project, dataset } = &self.dataset;
        let new = |fields| Table::new(project, dataset, ZONES, TableSchema { fields });
        match jobs.api.table(&self.dataset, ZONES).await? {
            Some(table) if !has_label(&table, MADE_BY) || holds_trips(&table) => return Ok(false),
            Some(table) => {
                let filled = table.num_rows.as_deref().is_some_and(|rows| rows != "0");
                if filled && has_label(&table, (SOURCE, digest)) {
                    return Ok(true);
                }
            }
            None => {
                let mut table = new(schema().fields);
                table.description = Some("The taxi zones: what the location ids mean".into());
                table.labels = Some(labels([]));
                jobs.api.make(table).await?;
            }
        }
        let job = LoadJob {
            ids: JobIds::of("zones", &[project, dataset, &object.address, &object.version, digest]),
            load: JobConfigurationLoad {
                destination_table: Some(self.dataset.reference(ZONES)),
                create_disposition: Some("CREATE_NEVER".to_owned()),
                schema: Some(schema()),
                ..object.parquet()
            },
            labels: labels([]),
            media: object.media(),
        };
        // Whether a job of another run is the last that loaded them, nothing tells.
        let fresh = async |found: &Finished| Ok(found.fresh);
        jobs.settle(&job, progress, fresh).await?;
        let mut labelled = new(None);
        labelled.labels = Some(labels([(SOURCE, digest)]));
        jobs.api.change(labelled).await?;
        Ok(true)
    }
}
