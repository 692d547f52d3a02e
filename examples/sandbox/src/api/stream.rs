//! Answers that go on: watches, logs, and bodies that break off. IO: the client's pace.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::channel::{Channel, Sender};
use http_body_util::{BodyExt, Full};
use serde_json::json;

use super::call::Call;
use super::reply::{Body, Refusal, status_value, text};
use crate::kinds::Resource;
use crate::selector::Selector;
use crate::{World, controller};

/// What a client may lag behind.
const PIECES: usize = 16;
/// A watch without its own limit ends after this time.
const WATCH: Duration = Duration::from_mins(5);

/// A watch, from the version that the client names.
pub(super) fn watch(
    world: &Arc<World>,
    call: &Call,
    kind: &'static Resource,
    namespace: Option<&str>,
) -> Result<Response<Body>, Refusal> {
    let asked = call.parameter("resourceVersion");
    let from = match asked {
        "" | "0" => 0,
        text => text
            .parse::<u64>()
            .map_err(|_| Refusal::new(400, &format!("resourceVersion: `{text}` is no number")))?,
    };
    let limit = call
        .parameter("timeoutSeconds")
        .parse()
        .map_or(WATCH, Duration::from_secs);
    let selector = Selector::parse(
        call.parameter("labelSelector"),
        call.parameter("fieldSelector"),
    );
    let namespace = namespace.map(str::to_owned);
    let world = Arc::clone(world);
    let (mut sender, body) = Channel::<Bytes, io::Error>::new(PIECES);
    tokio::spawn(async move {
        let mut version = from;
        let mut versions = world.store.versions();
        let work = async {
            loop {
                versions.mark_unchanged();
                for change in world.store.since(kind, version) {
                    version = change.version;
                    let object = &change.object;
                    let here = namespace
                        .as_ref()
                        .is_none_or(|namespace| object["metadata"]["namespace"] == **namespace);
                    if here && selector.takes(object) {
                        let line = json!({"type": change.what, "object": object});
                        send(&mut sender, format!("{line}\n")).await?;
                    }
                }
                versions.changed().await.map_err(io::Error::other)?;
            }
        };
        // The client's end, or the watch's own: either way it is over.
        let _: Result<io::Result<()>, _> = tokio::time::timeout(limit, work).await;
    });
    Ok(Response::new(body.boxed()))
}

/// A watch whose version is too old.
pub(super) fn expired(_: &Call) -> Response<Body> {
    let refusal = Refusal::new(410, "too old resource version: 1 (2)");
    let line = json!({"type": "ERROR", "object": status_value(&refusal)});
    let body = Full::new(Bytes::from(format!("{line}\n"))).map_err(|never| match never {});
    Response::new(body.boxed())
}

/// A container's log, so far or followed.
pub(super) fn log(
    world: &Arc<World>,
    call: &Call,
    namespace: &str,
    pod: &str,
) -> Result<Response<Body>, Refusal> {
    let kind = crate::kinds::of("pods");
    let object = world
        .store
        .get(kind, namespace, pod)
        .ok_or_else(|| Refusal::not_found(kind, pod))?;
    let container = match call.parameter("container") {
        "" => object["spec"]["containers"][0]["name"]
            .as_str()
            .unwrap_or_default(),
        name => name,
    };
    let Some(mut log) = world.kubelet.log(namespace, pod, container) else {
        if object["metadata"]["labels"]["job-name"].is_null() {
            // What the applications wrote was not recorded: it is what the scenario says.
            let workload = controller::workload_of(&world.store, &object);
            let wrote = world.logs.get(&workload).map_or("", String::as_str);
            return Ok(text(wrote));
        }
        return Err(Refusal::new(
            400,
            &format!(
                "container \"{container}\" in pod \"{pod}\" is waiting to start: ContainerCreating"
            ),
        ));
    };
    if call.parameter("follow") != "true" {
        let so_far = String::from_utf8_lossy(&log.borrow().bytes).into_owned();
        return Ok(text(&so_far));
    }
    let (mut sender, body) = Channel::<Bytes, io::Error>::new(PIECES);
    tokio::spawn(async move {
        let mut sent = 0;
        loop {
            let (piece, ended) = {
                let now = log.borrow_and_update();
                (now.bytes[sent..].to_vec(), now.ended)
            };
            sent += piece.len();
            if !piece.is_empty() && send(&mut sender, piece).await.is_err() {
                return;
            }
            // A container whose process was killed writes no end.
            if ended || log.changed().await.is_err() {
                return;
            }
        }
    });
    Ok(Response::new(body.boxed()))
}

async fn send(sender: &mut Sender<Bytes, io::Error>, piece: impl Into<Bytes>) -> io::Result<()> {
    sender
        .send_data(piece.into())
        .await
        .map_err(|_| io::Error::other("the client is gone"))
}

/// The first bytes of a body, and then a broken connection.
pub(super) fn break_off(mut body: Body, bytes: usize) -> Body {
    let (mut sender, broken) = Channel::<Bytes, io::Error>::new(PIECES);
    tokio::spawn(async move {
        let mut left = bytes;
        while left > 0 {
            let Some(Ok(frame)) = body.frame().await else {
                break;
            };
            let Ok(mut piece) = frame.into_data() else {
                continue;
            };
            piece.truncate(left);
            left -= piece.len();
            if send(&mut sender, piece).await.is_err() {
                return;
            }
        }
        sender.abort(io::Error::other("broken off on demand"));
    });
    broken.boxed()
}
