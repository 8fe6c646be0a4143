//! The XML API's writes, answered by calls of the JSON API.
//!
//! Shapes after <https://cloud.google.com/storage/docs/xml-api/reference-methods>. As in
//! GCS, a multipart upload shows in no listing before it is completed, takes no
//! preconditions, and is unknown once it is completed or aborted.
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::stream;
use reqwest::header::HeaderMap;
use reqwest::{Body, Method};
use serde_json::{Map, Value};

use super::super::http::{Answer, Request, decode, encode};
use super::upstream::Upstream;

const PRECONDITION: &str = "x-goog-if-generation-match";
const BOUNDARY: &str = "b7f3c1d0e9a8";

/// The headers of an upload that are fields of an object in the JSON API.
const METADATA: [(&str, &str); 6] = [
    ("cache-control", "cacheControl"),
    ("content-disposition", "contentDisposition"),
    ("content-encoding", "contentEncoding"),
    ("content-language", "contentLanguage"),
    ("content-type", "contentType"),
    ("x-goog-storage-class", "storageClass"),
];

pub(super) struct Xml {
    pub(super) uploads: Mutex<BTreeMap<String, Upload>>,
    pub(super) smallest_part: AtomicUsize,
    made: AtomicUsize,
    copying: tokio::sync::Mutex<()>,
}

impl Default for Xml {
    fn default() -> Self {
        Self {
            uploads: Mutex::default(),
            smallest_part: AtomicUsize::new(5 << 20),
            made: AtomicUsize::new(0),
            copying: tokio::sync::Mutex::default(),
        }
    }
}

/// A multipart upload that is neither completed nor aborted.
pub(super) struct Upload {
    bucket: String,
    key: String,
    headers: HeaderMap,
    parts: BTreeMap<usize, Part>,
}

#[derive(Clone)]
struct Part {
    etag: String,
    data: Bytes,
}

impl Xml {
    /// The answer to a call that the server does not know, none to one that it does.
    pub(super) async fn answer(
        &self,
        to: &Upstream,
        call: &Request,
        body: &Bytes,
    ) -> Option<Answer> {
        let path = call.path.trim_start_matches('/');
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        if matches!(bucket, "storage" | "upload" | "download" | "batch" | "_internal") {
            return None;
        }
        let (begins, id) = (call.param("uploads").is_some(), call.param("uploadId"));
        let answer = match (call.method.as_str(), key, id) {
            ("GET", "", _) if begins => Ok(self.list(bucket)),
            (_, "", _) => return None,
            ("POST", _, None) if begins => self.initiate(bucket, key, &call.headers),
            ("PUT", _, Some(id)) => self.put_part(&id, call.param("partNumber"), body),
            ("POST", _, Some(id)) => self.complete(to, &id, body).await,
            ("DELETE", _, Some(id)) => self.abort(&id),
            ("PUT", _, None) => match call.header("x-goog-copy-source") {
                Some(from) => self.copy(to, from, (bucket, key), call.header(PRECONDITION)).await,
                None => put(to, bucket, key, &call.headers, vec![body.clone()])
                    .await
                    .map(|object| described(200, &object, "")),
            },
            _ => return None,
        };
        Some(answer.unwrap_or_else(|error| error))
    }

    fn initiate(&self, bucket: &str, key: &str, headers: &HeaderMap) -> Result<Answer, Answer> {
        if headers.contains_key(PRECONDITION) {
            let message = "Preconditions are not supported in multipart uploads.";
            return Err(error(400, "InvalidArgument", message));
        }
        let id = format!("upload-{:05}", self.made.fetch_add(1, Ordering::SeqCst));
        let answer = document(
            200,
            &format!(
                "<InitiateMultipartUploadResult xmlns='http://s3.amazonaws.com/doc/2006-03-01/'>\
             <Bucket>{bucket}</Bucket><Key>{}</Key><UploadId>{id}</UploadId>\
             </InitiateMultipartUploadResult>",
                escape(key)
            ),
        );
        let upload = Upload {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            headers: headers.clone(),
            parts: BTreeMap::new(),
        };
        self.uploads.lock().unwrap().insert(id, upload);
        Ok(answer)
    }

    fn put_part(&self, id: &str, number: Option<String>, data: &Bytes) -> Result<Answer, Answer> {
        let number = number.and_then(|number| number.parse().ok());
        let number = number.filter(|number| (1..=10_000).contains(number));
        let number = number.ok_or_else(|| error(400, "InvalidArgument", "Invalid partNumber."))?;
        let mut hash = DefaultHasher::new();
        hash.write(data);
        let etag = format!("\"{:016x}\"", hash.finish());
        let part = Part { etag: etag.clone(), data: data.clone() };
        let mut uploads = self.uploads.lock().unwrap();
        uploads.get_mut(id).ok_or_else(no_such_upload)?.parts.insert(number, part);
        Ok(Answer::new(200, "").with("etag", etag))
    }

    async fn complete(&self, to: &Upstream, id: &str, body: &[u8]) -> Result<Answer, Answer> {
        let (bucket, key, headers, data) = {
            let uploads = self.uploads.lock().unwrap();
            let upload = uploads.get(id).ok_or_else(no_such_upload)?;
            let data = self.assemble(upload, &String::from_utf8_lossy(body))?;
            (upload.bucket.clone(), upload.key.clone(), upload.headers.clone(), data)
        };
        let object = put(to, &bucket, &key, &headers, data).await?;
        self.uploads.lock().unwrap().remove(id);
        let result = format!(
            "<CompleteMultipartUploadResult xmlns='http://s3.amazonaws.com/doc/2006-03-01/'>\
             <Location>{}/{bucket}/{key}</Location><Bucket>{bucket}</Bucket><Key>{key}</Key>\
             <ETag>{}</ETag></CompleteMultipartUploadResult>",
            to.url,
            etag(&object),
            key = escape(&key),
        );
        Ok(described(200, &object, &result))
    }

    /// The data of the parts that a request to complete names.
    fn assemble(&self, upload: &Upload, request: &str) -> Result<Vec<Bytes>, Answer> {
        let mut parts: Vec<(usize, Part)> = Vec::new();
        for named in request.split("<Part>").skip(1) {
            let number = element(named, "PartNumber").and_then(|number| number.parse().ok());
            let etag = element(named, "ETag").map(|etag| etag.replace("&quot;", "\""));
            let part = number.and_then(|number| Some((number, upload.parts.get(&number)?.clone())));
            let part = part.filter(|(_, part)| etag.as_deref() == Some(&part.etag));
            let (number, part) = part.ok_or_else(|| error(400, "InvalidPart", named))?;
            if parts.last().is_some_and(|(last, _)| *last >= number) {
                return Err(error(400, "InvalidPartOrder", named));
            }
            parts.push((number, part));
        }
        let Some((_, all_but_last)) = parts.split_last() else {
            return Err(error(400, "MalformedCompleteMultipartUploadRequest", "No parts."));
        };
        let smallest = self.smallest_part.load(Ordering::SeqCst);
        if let Some((number, part)) =
            all_but_last.iter().find(|(_, part)| part.data.len() < smallest)
        {
            let message = format!("Part {number} has {} bytes.", part.data.len());
            return Err(error(400, "EntityTooSmall", &message));
        }
        Ok(parts.into_iter().map(|(_, part)| part.data).collect())
    }

    fn abort(&self, id: &str) -> Result<Answer, Answer> {
        self.uploads.lock().unwrap().remove(id).ok_or_else(no_such_upload)?;
        Ok(Answer::new(204, ""))
    }

    fn list(&self, bucket: &str) -> Answer {
        let uploads = self.uploads.lock().unwrap();
        let open = uploads.iter().filter(|(_, upload)| upload.bucket == bucket);
        let open = open.map(|(id, upload)| {
            let key = escape(&upload.key);
            format!("<Upload><Key>{key}</Key><UploadId>{id}</UploadId></Upload>")
        });
        let open = open.collect::<Vec<_>>().concat();
        document(
            200,
            &format!(
                "<ListMultipartUploadsResult xmlns='http://s3.amazonaws.com/doc/2006-03-01/'>\
             <Bucket>{bucket}</Bucket><MaxUploads>1000</MaxUploads>\
             <IsTruncated>false</IsTruncated>{open}</ListMultipartUploadsResult>"
            ),
        )
    }

    /// One copy at a time, as the server's own does not look at preconditions.
    async fn copy(
        &self,
        to: &Upstream,
        from: &str,
        (bucket, key): (&str, &str),
        generation: Option<&str>,
    ) -> Result<Answer, Answer> {
        let _one = self.copying.lock().await;
        let target = object_path(bucket, key);
        if let Some(wanted) = generation {
            let there = match to.json(Method::GET, &format!("/storage/v1/{target}")).await {
                Ok(object) => text(&object, "generation").to_owned(),
                Err(answer) if answer.status == 404 => "0".to_owned(),
                Err(answer) => return Err(answer),
            };
            if there != wanted {
                return Err(precondition_failed());
            }
        }
        let from = decode(from);
        let source = from.trim_start_matches('/').split_once('/');
        let source = source.ok_or_else(|| error(400, "InvalidArgument", "No copy source."))?;
        let source = object_path(source.0, source.1);
        let call = format!("/storage/v1/{source}/rewriteTo/{target}");
        let copied = to.send(Method::POST, &call, "application/json", "{}").await?;
        let object = &copied["resource"];
        let (etag, updated) = (etag(object), text(object, "updated"));
        let result = format!(
            "<CopyObjectResult><LastModified>{updated}</LastModified><ETag>{etag}</ETag>\
             </CopyObjectResult>"
        );
        Ok(described(200, object, &result))
    }
}

/// Writes an object by the one kind of JSON upload on which the server looks at a
/// precondition, and tells what it became.
async fn put(
    to: &Upstream,
    bucket: &str,
    key: &str,
    headers: &HeaderMap,
    data: Vec<Bytes>,
) -> Result<Value, Answer> {
    let value = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let mut object: Map<String, Value> = METADATA
        .iter()
        .filter_map(|(name, field)| Some(((*field).to_owned(), value(name)?.into())))
        .collect();
    let custom = headers.keys().filter_map(|name| name.as_str().strip_prefix("x-goog-meta-"));
    let custom: Map<String, Value> = custom
        .filter_map(|name| Some((name.to_owned(), value(&format!("x-goog-meta-{name}"))?.into())))
        .collect();
    object.insert("metadata".to_owned(), custom.into());
    let kind = value("content-type").unwrap_or("application/octet-stream");
    let start = format!(
        "--{BOUNDARY}\r\nContent-Type: application/json\r\n\r\n{}\r\n\
         --{BOUNDARY}\r\nContent-Type: {kind}\r\n\r\n",
        Value::from(object)
    );
    let end = format!("\r\n--{BOUNDARY}--\r\n");
    let pieces = [vec![start.into()], data, vec![end.into()]].concat();
    let body = Body::wrap_stream(stream::iter(pieces.into_iter().map(Ok::<Bytes, std::io::Error>)));
    let condition = value(PRECONDITION).map(|wanted| format!("&ifGenerationMatch={wanted}"));
    let call = format!(
        "/upload/storage/v1/b/{}/o?uploadType=multipart&name={}{}",
        encode(bucket),
        encode(key),
        condition.unwrap_or_default()
    );
    to.send(Method::POST, &call, &format!("multipart/related; boundary={BOUNDARY}"), body).await
}

/// An answer with the headers that tell of an object.
fn described(status: u16, object: &Value, body: &str) -> Answer {
    let answer = if body.is_empty() { Answer::new(status, "") } else { document(status, body) };
    answer
        .with("etag", etag(object))
        .with("x-goog-generation", text(object, "generation"))
        .with("x-goog-metageneration", text(object, "metageneration"))
        .with("x-goog-stored-content-length", text(object, "size"))
}

fn etag(object: &Value) -> String {
    format!("\"{}\"", text(object, "etag"))
}

fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object[field].as_str().unwrap_or_default()
}

fn object_path(bucket: &str, key: &str) -> String {
    format!("b/{}/o/{}", encode(bucket), encode(key))
}

fn document(status: u16, body: &str) -> Answer {
    let body = format!("<?xml version='1.0' encoding='UTF-8'?>{body}");
    Answer::new(status, body).with("content-type", "application/xml; charset=UTF-8")
}

/// An error in the shape of the XML API.
pub(super) fn error(status: u16, code: &str, message: &str) -> Answer {
    let message = escape(message);
    document(status, &format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>"))
}

pub(super) fn precondition_failed() -> Answer {
    let message = "At least one of the pre-conditions you specified did not hold.";
    error(412, "PreconditionFailed", message)
}

fn no_such_upload() -> Answer {
    error(404, "NoSuchUpload", "The requested upload was not found.")
}

fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    Some(rest.split_once(&format!("</{name}>"))?.0.trim())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
