use std::fs::File;
use std::path::{Path, PathBuf};

use arrow::datatypes::Schema;
use bytes::Bytes;
use futures_util::StreamExt;
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStoreExt};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::arrow::parquet_to_arrow_schema;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use serde::de::DeserializeOwned;
use tokio::io::AsyncWriteExt;

use crate::schema;
use crate::trip::{Provenance, SourceFacts, TripFile};

use super::{Lake, LakeError};

/// How much of an object's end is read first: the footer of all but the largest months.
const FOOTER: u64 = 64 << 10;

/// How many rows of a month are in memory at once.
const BATCH: usize = 1 << 13;

/// A month as it is in the lake.
#[derive(Debug, Clone)]
pub struct Published {
    /// What it says of itself.
    pub provenance: Provenance,
    /// The size of the object of its trips in bytes.
    pub bytes: u64,
}

/// An object of the lake, as it was when it was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its address.
    pub address: String,
    /// What tells its versions apart: the generation of an object in a bucket, the tag of a file.
    pub version: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// The file, where the lake is a local folder.
    pub local: Option<PathBuf>,
}

/// The trips of a month, read in batches.
#[derive(Debug)]
pub struct Trips {
    /// The month as published.
    pub month: Published,
    /// The address of the object.
    pub address: String,
    /// Its rows, with the columns of the colour's schema.
    pub batches: ParquetRecordBatchReader,
}

impl Lake {
    /// What the lake has of a month. An object without a readable footer, or one that says
    /// nothing of itself, counts as none: it is replaced.
    pub async fn published(&self, file: TripFile) -> Result<Option<Published>, LakeError> {
        let said = self.footer_entry(&file.lake_key(), Provenance::KEY).await?;
        Ok(said.map(|(provenance, bytes)| Published { provenance, bytes }))
    }

    /// Where the taxi zones in the lake came from; `None` if it has none.
    pub async fn zones(&self) -> Result<Option<SourceFacts>, LakeError> {
        let said = self.footer_entry(Self::ZONES, SourceFacts::KEY).await?;
        Ok(said.map(|(facts, _)| facts))
    }

    /// A month and the object of its trips, for callers that read the object by itself; `None` if
    /// the
    /// lake does not have the month.
    pub async fn stored(&self, file: TripFile) -> Result<Option<(Published, Object)>, LakeError> {
        let key = file.lake_key();
        let Some((metadata, meta)) = self.footer(&key).await? else {
            return Ok(None);
        };
        let other = || LakeError::OtherSchema { address: self.url(&key) };
        let metadata = metadata.map_err(|source| self.damaged(&key, source))?;
        let provenance: Provenance = said(&metadata, Provenance::KEY).ok_or_else(other)?;
        let file_metadata = metadata.file_metadata();
        let found = parquet_to_arrow_schema(file_metadata.schema_descr(), None);
        let found = found.map_err(|source| self.damaged(&key, source))?;
        let wanted = schema::arrow_schema_with(file.colour, provenance.kept());
        if !alike(&found, &wanted) {
            return Err(other());
        }
        let object = self.object(&key, &meta);
        Ok(Some((Published { provenance, bytes: meta.size }, object)))
    }

    /// The object of the taxi zones, and where they came from; `None` if the lake has none.
    pub async fn stored_zones(&self) -> Result<Option<(SourceFacts, Object)>, LakeError> {
        let Some((metadata, meta)) = self.footer(Self::ZONES).await? else {
            return Ok(None);
        };
        let metadata = metadata.map_err(|source| self.damaged(Self::ZONES, source))?;
        let facts = said(&metadata, SourceFacts::KEY)
            .ok_or_else(|| LakeError::OtherSchema { address: self.url(Self::ZONES) })?;
        Ok(Some((facts, self.object(Self::ZONES, &meta))))
    }

    /// Whether an object is still the one it was.
    pub async fn is_still(&self, key: &str, object: &Object) -> Result<bool, LakeError> {
        match self.store().head(&self.key(key)).await {
            Ok(meta) => Ok(self.object(key, &meta) == *object),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(source) => Err(self.failed(key, source)),
        }
    }

    fn object(&self, key: &str, meta: &ObjectMeta) -> Object {
        Object {
            address: self.url(key),
            version: meta.version.clone().or_else(|| meta.e_tag.clone()).unwrap_or_default(),
            bytes: meta.size,
            local: self.local(key),
        }
    }

    fn damaged(&self, key: &str, source: ParquetError) -> LakeError {
        LakeError::Damaged { address: self.url(key), source }
    }

    /// An entry in the footer of an object, and the object's size.
    async fn footer_entry<T: DeserializeOwned>(
        &self,
        key: &str,
        entry: &str,
    ) -> Result<Option<(T, u64)>, LakeError> {
        let Some((metadata, meta)) = self.footer(key).await? else {
            return Ok(None);
        };
        let said = metadata.ok().and_then(|metadata| said(&metadata, entry));
        if said.is_none() {
            tracing::warn!("{} has no provenance: it is replaced", self.url(key));
        }
        Ok(said.map(|said| (said, meta.size)))
    }

    /// The footer of an object, where it has a readable one; `None` if there is no object.
    pub(super) async fn footer(
        &self,
        key: &str,
    ) -> Result<Option<(Footer, ObjectMeta)>, LakeError> {
        let Some((tail, meta)) = self.tail(key, FOOTER).await? else {
            return Ok(None);
        };
        match footer(&tail, meta.size) {
            Err(ParquetError::NeedMoreData(needed)) => {
                let whole = self.tail(key, needed as u64).await?;
                Ok(whole.map(|(tail, meta)| (footer(&tail, meta.size), meta)))
            }
            parsed => Ok(Some((parsed, meta))),
        }
    }

    /// The last bytes of an object and what it is; `None` if there is none.
    async fn tail(&self, key: &str, length: u64) -> Result<Option<(Bytes, ObjectMeta)>, LakeError> {
        let options = GetOptions { range: Some(GetRange::Suffix(length)), ..GetOptions::default() };
        let failed = |source| self.failed(key, source);
        match self.store().get_opts(&self.key(key), options).await {
            Ok(result) => {
                let meta = result.meta.clone();
                Ok(Some((result.bytes().await.map_err(failed)?, meta)))
            }
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(source) => {
                // An empty object has no last bytes to give.
                match self.store().head(&self.key(key)).await {
                    Ok(meta) if meta.size == 0 => Ok(Some((Bytes::new(), meta))),
                    _ => Err(failed(source)),
                }
            }
        }
    }

    /// The trips of a month as the lake has them, read in batches; `None` if it does not have
    /// the month. From a bucket they come by way of the file `local`, which does not stay.
    pub async fn trips(&self, file: TripFile, local: &Path) -> Result<Option<Trips>, LakeError> {
        let key = file.lake_key();
        let Some((builder, bytes)) = self.open(&key, local).await? else {
            return Ok(None);
        };
        // What the month says of itself is read from the very object its rows are.
        let said: Option<Provenance> = said(builder.metadata(), Provenance::KEY);
        let alike = |month: &Provenance| {
            alike(builder.schema(), &schema::arrow_schema_with(file.colour, month.kept()))
        };
        let Some(provenance) = said.filter(alike) else {
            return Err(LakeError::OtherSchema { address: self.url(&key) });
        };
        let damaged = |source| LakeError::Damaged { address: self.url(&key), source };
        let batches = builder.with_batch_size(BATCH).build().map_err(damaged)?;
        let month = Published { provenance, bytes };
        Ok(Some(Trips { month, address: self.url(&key), batches }))
    }

    /// The taxi zones as the lake has them, and where they came from; `None` if it has none.
    pub async fn zone_rows(
        &self,
        local: &Path,
    ) -> Result<Option<(SourceFacts, ParquetRecordBatchReader)>, LakeError> {
        let Some((builder, _)) = self.open(Self::ZONES, local).await? else {
            return Ok(None);
        };
        let address = self.url(Self::ZONES);
        let Some(facts) = said(builder.metadata(), SourceFacts::KEY) else {
            return Err(LakeError::OtherSchema { address });
        };
        let rows = builder.build().map_err(|source| LakeError::Damaged { address, source })?;
        Ok(Some((facts, rows)))
    }

    /// How many taxi zones the lake has; `None` if it has none, or a file that cannot be read.
    pub async fn count_zones(&self, local: &Path) -> Result<Option<u64>, LakeError> {
        match self.open(Self::ZONES, local).await {
            Ok(Some((builder, _))) => {
                Ok(u64::try_from(builder.metadata().file_metadata().num_rows()).ok())
            }
            Ok(None) | Err(LakeError::Damaged { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Opens a Parquet object, and says its size; `None` if there is none. One of a bucket is
    /// brought to a file like `local` first, which has no name any more when the first byte
    /// comes: that it is open is enough, and nothing of it stays, whatever happens.
    pub(super) async fn open(
        &self,
        key: &str,
        local: &Path,
    ) -> Result<Option<(ParquetRecordBatchReaderBuilder<File>, u64)>, LakeError> {
        let path = self.local(key).unwrap_or_else(|| local.to_owned());
        let reading = |source| LakeError::io("read", &path, source);
        let opened = if self.local(key).is_some() {
            match File::open(&path) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
                opened => opened.map_err(reading)?,
            }
        } else {
            let nameless = nameless(local)?;
            let to = nameless.try_clone().map_err(reading)?;
            if self.bring_into(&[key.to_owned()], local, || Ok(to)).await?.is_none() {
                return Ok(None);
            }
            nameless
        };
        let bytes = opened.metadata().map_err(reading)?.len();
        let damaged = |source| LakeError::Damaged { address: self.url(key), source };
        let builder = ParquetRecordBatchReaderBuilder::try_new(opened).map_err(damaged)?;
        Ok(Some((builder, bytes)))
    }

    /// Brings the first of these keys that exists to a local file; its key and entity tag.
    pub async fn bring(
        &self,
        keys: &[String],
        to: &Path,
    ) -> Result<Option<(String, Option<String>)>, LakeError> {
        self.bring_into(keys, to, || File::create(to)).await
    }

    async fn bring_into(
        &self,
        keys: &[String],
        to: &Path,
        open: impl FnOnce() -> std::io::Result<File>,
    ) -> Result<Option<(String, Option<String>)>, LakeError> {
        for key in keys {
            let failed = |source| self.failed(key, source);
            let result = match self.store().get(&self.key(key)).await {
                Ok(result) => result,
                Err(object_store::Error::NotFound { .. }) => continue,
                Err(source) => return Err(failed(source)),
            };
            let (etag, size) = (result.meta.e_tag.clone(), result.meta.size);
            let writing = |source| LakeError::spool("write", to, source);
            let mut file = tokio::fs::File::from_std(open().map_err(writing)?);
            let mut stream = result.into_stream();
            let mut got = 0;
            while let Some(bytes) = stream.next().await {
                let bytes = bytes.map_err(failed)?;
                file.write_all(&bytes).await.map_err(writing)?;
                got += bytes.len() as u64;
            }
            file.flush().await.map_err(writing)?;
            if got != size {
                return Err(LakeError::Cut { address: self.url(key), got, size });
            }
            return Ok(Some((key.clone(), etag)));
        }
        Ok(None)
    }
}

/// A footer, where it can be read.
type Footer = Result<ParquetMetaData, ParquetError>;

/// A new file without a name, in the folder of `like`.
fn nameless(like: &Path) -> Result<File, LakeError> {
    // Read-only commands do not create the spool: the folder above it will do.
    let above = like.ancestors().skip(1).find(|folder| folder.is_dir());
    let folder = above.unwrap_or(Path::new("."));
    // Where the system can, it never has a name that a killed run could leave.
    tempfile::tempfile_in(folder).map_err(|source| LakeError::spool("write", folder, source))
}

/// Whether two schemas have the same columns in the same order.
fn alike(one: &Schema, other: &Schema) -> bool {
    let columns = |schema: &Schema| -> Vec<_> {
        schema.fields().iter().map(|f| (f.name().clone(), f.data_type().clone())).collect()
    };
    columns(one) == columns(other)
}

/// What a file says of itself under an entry of its footer.
pub(super) fn said<T: DeserializeOwned>(metadata: &ParquetMetaData, entry: &str) -> Option<T> {
    let entries = metadata.file_metadata().key_value_metadata()?;
    let found = entries.iter().find(|found| found.key == entry)?;
    serde_json::from_str(found.value.as_deref()?).ok()
}

fn footer(tail: &Bytes, size: u64) -> Footer {
    let mut reader = ParquetMetaDataReader::new();
    reader.try_parse_sized(tail, size)?;
    reader.finish()
}
