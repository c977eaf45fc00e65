//! The HTTP around it: who may ask, in which dialect of JSON-RPC, and where metrics are.

use std::convert::Infallible;
use std::net::TcpListener as StdListener;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http_body_util::{BodyExt, Limited};
use jsonrpsee::RpcModule;
use jsonrpsee::server::{
    BatchRequestConfig, HttpBody, HttpRequest, HttpResponse, Server, ServerConfig, StopHandle,
    serve_with_graceful_shutdown, stop_channel,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower::Service;

use super::desk::Desk;
use super::{methods, metrics};

/// The user's name, as Core has it.
pub(super) const USER: &str = "__cookie__";
/// Bytes of a request at most: a block in hex, twice over.
const LONGEST: usize = 16 << 20;
/// What JSON is. With more than that after it some clients take the page for another kind.
const JSON: &str = "application/json";
/// Connections of one node at once, and calls of one batch.
const MOST: u32 = 128;

/// What a request must carry to be heard.
#[derive(Clone, Debug)]
pub(super) struct Key(Arc<str>);

impl Key {
    /// Of this password.
    pub(super) fn of(password: &str) -> Self {
        Self(format!("Basic {}", BASE64_STANDARD.encode(format!("{USER}:{password}"))).into())
    }

    fn opens<B>(&self, request: &HttpRequest<B>) -> bool {
        request.headers().get("authorization").is_some_and(|said| said.as_bytes() == self.0.as_bytes())
    }
}

/// Serves every node at its own listener.
pub(super) async fn serve_all(listeners: Vec<StdListener>, desks: Vec<Arc<Desk>>, key: Key) {
    let (stop, running) = stop_channel();
    let served = listeners.into_iter().zip(desks).filter_map(|(listener, desk)| {
        let listener = TcpListener::from_std(listener).ok()?;
        let module = methods::all(desk.clone()).ok()?;
        Some(serve(listener, module, desk, key.clone(), stop.clone()))
    });
    futures::future::join_all(served).await;
    drop(running);
}

async fn serve(listener: TcpListener, module: RpcModule<Desk>, desk: Arc<Desk>, key: Key, stop: StopHandle) {
    let config = ServerConfig::builder()
        .http_only()
        .max_request_body_size(LONGEST as u32)
        .max_connections(MOST)
        .set_batch_request_config(BatchRequestConfig::Limit(MOST))
        .build();
    let builder = Server::builder().set_config(config).to_service_builder();
    // A failed accept is the visitor's loss; the next one may do better.
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let rpc = builder.clone().build(module.clone(), stop.clone());
        let (desk, key) = (desk.clone(), key.clone());
        let service = tower::service_fn(move |request| answer(request, rpc.clone(), desk.clone(), key.clone()));
        let connection = serve_with_graceful_shutdown(stream, service, stop.clone().shutdown());
        #[allow(clippy::disallowed_methods, reason = "a visitor of the harness, on a thread that no node is on")]
        tokio::spawn(connection);
    }
}

async fn answer<B, S>(
    request: HttpRequest<B>,
    mut rpc: S,
    desk: Arc<Desk>,
    key: Key,
) -> Result<HttpResponse, Infallible>
where
    B: http_body_util::BodyExt<Data: Send> + Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S: Service<HttpRequest<HttpBody>, Response = HttpResponse>,
{
    if request.method().as_str() == "GET" && request.uri().path() == "/metrics" {
        let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        return Ok(page(200, kind, metrics::text(&desk).await));
    }
    if !key.opens(&request) {
        let mut refused = page(401, "text/plain", "the cookie file says who may ask\n".to_owned());
        refused.headers_mut().insert("www-authenticate", "Basic realm=\"jsonrpc\"".parse().expect("this is a header"));
        return Ok(refused);
    }
    let (mut head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, LONGEST).collect().await else {
        return Ok(page(413, "text/plain", "that is too long\n".to_owned()));
    };
    head.headers.remove("content-length");
    head.headers.insert("content-type", JSON.parse().expect("this is a header"));
    let (calls, dialects) = modern(body.to_bytes().to_vec());
    let Ok(answer) = rpc.call(HttpRequest::from_parts(head, HttpBody::from(calls))).await else {
        return Ok(page(500, "text/plain", "the request could not be served\n".to_owned()));
    };
    let status = answer.status().as_u16();
    let Ok(body) = answer.into_body().collect().await else {
        return Ok(page(500, "text/plain", "the answer could not be read\n".to_owned()));
    };
    let body = body.to_bytes();
    let Ok(answers) = serde_json::from_slice(&body) else {
        return Ok(page(status, "text/plain", String::from_utf8_lossy(&body).into_owned()));
    };
    Ok(match worded(answers, &dialects) {
        Some(answers) => page(status, JSON, answers.to_string()),
        None => page(204, JSON, String::new()),
    })
}

/// How the answer to a call is worded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    /// As Core has always answered: result, error and id, whichever of the first two is null.
    Old,
    /// As JSON-RPC 2.0 says: either a result or an error.
    New,
    /// Not at all: a call of 2.0 that has no id.
    Silent,
}

/// Calls as JSON-RPC 2.0 has them, and how each is to be answered: Core's own tools speak an older dialect.
fn modern(body: Vec<u8>) -> (Vec<u8>, Vec<Dialect>) {
    let Ok(mut calls) = serde_json::from_slice::<Value>(&body) else { return (body, Vec::new()) };
    let each = |call: &mut Value| {
        let Value::Object(call) = call else { return Dialect::New };
        let dialect = match (call.get("jsonrpc"), call.contains_key("id")) {
            (Some(version), true) if version == "2.0" => Dialect::New,
            (Some(version), false) if version == "2.0" => Dialect::Silent,
            _ => Dialect::Old,
        };
        call.remove("version");
        call.insert("jsonrpc".to_owned(), json!("2.0"));
        call.entry("id").or_insert(Value::Null);
        dialect
    };
    let dialects = match &mut calls {
        Value::Array(calls) => calls.iter_mut().map(each).collect(),
        call => vec![each(call)],
    };
    (serde_json::to_vec(&calls).unwrap_or(body), dialects)
}

/// Answers of JSON-RPC 2.0, which come in the calls' order, each in the dialect of its call; nothing where none is due.
fn worded(answers: Value, dialects: &[Dialect]) -> Option<Value> {
    let each = |(mut answer, dialect): (Value, &Dialect)| match dialect {
        Dialect::New => Some(answer),
        Dialect::Silent => None,
        Dialect::Old => {
            let [result, error, id] = ["result", "error", "id"].map(|key| answer[key].take());
            Some(json!({ "result": result, "error": error, "id": id }))
        }
    };
    match answers {
        Value::Array(answers) => {
            let worded: Vec<Value> = answers.into_iter().zip(dialects).filter_map(each).collect();
            (!worded.is_empty()).then(|| worded.into())
        }
        // To one call, or to a batch that could not be heard.
        answer => each((answer, dialects.first().unwrap_or(&Dialect::New))),
    }
}

fn page(status: u16, kind: &str, text: String) -> HttpResponse {
    let mut page = HttpResponse::new(HttpBody::from(text));
    *page.status_mut() = status.try_into().expect("this is a status");
    page.headers_mut().insert("content-type", kind.parse().expect("this is a header"));
    page
}
