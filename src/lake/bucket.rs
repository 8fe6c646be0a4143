//! Where a bucket is.

use std::time::Duration;

use serde::Deserialize;

use super::{Lake, LakeAddress, LakeError};

const TIMEOUT: Duration = Duration::from_secs(15);

/// Where a bucket is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketLocation {
    /// The bucket.
    pub bucket: String,
    /// Its location: `US`, `EUROPE-WEST1`, `NAM4`.
    pub location: String,
    /// The two regions, where it was made in a pair of one's choice.
    pub pair: Vec<String>,
}

impl Lake {
    /// Where the bucket is; none where the lake is a local folder. Takes the permission
    /// `storage.buckets.get`, which reading and writing objects does not
    /// (<https://cloud.google.com/storage/docs/json_api/v1/buckets/get>).
    pub async fn location(&self) -> Result<Option<BucketLocation>, LakeError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Bucket {
            location: String,
            #[serde(default)]
            custom_placement_config: Placement,
        }
        #[derive(Default, Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        struct Placement {
            data_locations: Vec<String>,
        }
        let (LakeAddress::Gcs { bucket, .. }, Some(tokens)) = (&self.address, &self.tokens) else {
            return Ok(None);
        };
        let failed = |what: String| LakeError::Where { address: format!("gs://{bucket}"), what };
        let unreachable = |error: reqwest::Error| failed(error.without_url().to_string());
        let client = reqwest::Client::builder().timeout(TIMEOUT).build().map_err(unreachable)?;
        let answer = client
            .get(format!("{}/storage/v1/b/{bucket}", tokens.storage))
            .query(&[("fields", "location,customPlacementConfig")])
            .bearer_auth(tokens.token().await?)
            .send()
            .await
            .and_then(reqwest::Response::error_for_status)
            .map_err(unreachable)?;
        let body = answer.bytes().await.map_err(unreachable)?;
        let found: Bucket =
            serde_json::from_slice(&body).map_err(|error| failed(error.to_string()))?;
        Ok(Some(BucketLocation {
            bucket: bucket.clone(),
            location: found.location,
            pair: found.custom_placement_config.data_locations,
        }))
    }
}
