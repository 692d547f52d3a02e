//! The API server of the sandbox: HTTP on loopback, one handler per verb. IO: its connections.

mod call;
mod reply;
mod stream;

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, request::Parts};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::faults::How;
use crate::kinds::{self, Resource};
use crate::store::text;
use crate::{World, controller, merge};
use call::{Call, Target};
use reply::{Body, Refusal, status};

/// Larger bodies are refused, as etcd does.
const LONGEST: usize = 3 << 20;

/// Serves until it is dropped.
pub(crate) async fn serve(listener: TcpListener, world: Arc<World>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors: the next accept may work again.
            tokio::task::yield_now().await;
            continue;
        };
        let world = Arc::clone(&world);
        connections.spawn(async move {
            let service = service_fn(|request| {
                let world = Arc::clone(&world);
                async move { Ok::<_, Infallible>(handle(&world, request).await) }
            });
            // A client that breaks off is no concern of the server.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
        while connections.try_join_next().is_some() {}
    }
}

/// The words of a server that sheds load.
fn busy(call: &Call, seconds: u64) -> Response<Body> {
    let mut response = status(&Refusal::injected(429, call));
    response
        .headers_mut()
        .insert(http::header::RETRY_AFTER, seconds.into());
    response
}

/// What a proxy says that wants a login first.
fn page() -> Response<Body> {
    let text =
        "<!doctype html><html><head><title>Sign in</title></head><body>Who are you?</body></html>";
    let body = Full::new(Bytes::from_static(text.as_bytes()));
    let mut response = Response::new(body.map_err(|never| match never {}).boxed());
    response.headers_mut().insert(
        http::header::CONTENT_TYPE,
        http::HeaderValue::from_static("text/html"),
    );
    response
}

async fn handle(world: &Arc<World>, request: Request<Incoming>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = match Limited::new(body, LONGEST).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => return status(&Refusal::new(413, "the body is too large or broke off")),
    };
    let call = Call::read(&parts);
    world.note(&parts, &body);
    let fault = world.faults.strike(call.verb, call.resource());
    if let Some(delay) = fault.as_ref().and_then(How::delay) {
        tokio::time::sleep(delay).await;
    }
    let mut response = match &fault {
        Some(How::Hang) => std::future::pending().await,
        Some(How::Status(code)) => status(&Refusal::injected(*code, &call)),
        Some(How::Refuse { code, message }) => status(&Refusal::new(*code, message)),
        Some(How::Expired) => stream::expired(&call),
        Some(How::Busy(seconds)) => busy(&call, *seconds),
        Some(How::Page) => page(),
        _ => answer(world, &parts, &call, &body).unwrap_or_else(|refusal| status(&refusal)),
    };
    if let Some(How::BreakOff(bytes)) = fault {
        response = response.map(|body| stream::break_off(body, bytes));
    }
    if let Ok(date) = world.clock.header().parse() {
        response.headers_mut().insert(http::header::DATE, date);
    }
    response
}

fn answer(
    world: &Arc<World>,
    parts: &Parts,
    call: &Call,
    body: &Bytes,
) -> Result<Response<Body>, Refusal> {
    let Target::Objects {
        kind,
        namespace,
        name,
        log,
    } = &call.target
    else {
        return other(world, call);
    };
    if !world.serves(kind) {
        return Err(Refusal::no_path());
    }
    let namespace = namespace.as_deref();
    match (&parts.method, name.as_deref()) {
        (&Method::GET, Some(pod)) if *log => {
            stream::log(world, call, namespace.unwrap_or_default(), pod)
        }
        _ if *log => Err(Refusal::new(405, "a log can only be read")),
        (&Method::GET, None) if call.verb == "watch" => stream::watch(world, call, kind, namespace),
        (&Method::GET, None) => reply::list(&world.store, call, kind, namespace),
        (&Method::GET, Some(name)) => world
            .store
            .get(kind, namespace.unwrap_or_default(), name)
            .map(|object| reply::object(StatusCode::OK, &object))
            .ok_or_else(|| Refusal::not_found(kind, name)),
        (&Method::POST, None) => create(world, kind, namespace, body),
        (&Method::PATCH, Some(name)) => patch(world, kind, namespace, name, body),
        (&Method::DELETE, Some(name)) => delete(world, kind, namespace, name),
        _ => Err(Refusal::new(
            405,
            "the server does not allow this method on the requested resource",
        )),
    }
}

fn other(world: &World, call: &Call) -> Result<Response<Body>, Refusal> {
    let value = match &call.target {
        Target::Version => world.version.clone(),
        Target::Discovery(path) => {
            reply::discovery(path, &|kind| world.serves(kind)).ok_or_else(Refusal::no_path)?
        }
        Target::Health => return Ok(reply::text("ok")),
        _ => return Err(Refusal::no_path()),
    };
    Ok(reply::object(StatusCode::OK, &value))
}

fn create(
    world: &Arc<World>,
    kind: &'static Resource,
    namespace: Option<&str>,
    body: &[u8],
) -> Result<Response<Body>, Refusal> {
    let mut object: Value = serde_json::from_slice(body).map_err(|error| {
        Refusal::new(
            400,
            &format!("the object provided is unrecognized: {error}"),
        )
    })?;
    if let Some(namespace) = namespace {
        if world
            .store
            .get(kinds::of("namespaces"), "", namespace)
            .is_none()
        {
            return Err(Refusal::not_found(kinds::of("namespaces"), namespace));
        }
        object["metadata"]["namespace"] = json!(namespace);
    } else if kind.namespaced {
        return Err(Refusal::new(400, "the request names no namespace"));
    }
    let name = text(&object, "/metadata/name").to_owned();
    if name.is_empty() {
        return Err(Refusal::invalid(kind, "", "metadata.name: Required value"));
    }
    if world
        .store
        .get(kind, namespace.unwrap_or_default(), &name)
        .is_some()
    {
        return Err(Refusal::exists(kind, &name));
    }
    let object = match kind.plural {
        "services" => controller::create_service(&world.store, object),
        "jobs" => {
            object["status"] = json!({"active": 1, "startTime": world.clock.text()});
            let job = world.store.put(kind, object);
            world.kubelet.start(&job);
            job
        }
        _ => world.store.put(kind, object),
    };
    Ok(reply::object(StatusCode::CREATED, &object))
}

/// A merge patch; only the controller of Services looks again.
fn patch(
    world: &Arc<World>,
    kind: &'static Resource,
    namespace: Option<&str>,
    name: &str,
    body: &[u8],
) -> Result<Response<Body>, Refusal> {
    let namespace = namespace.unwrap_or_default();
    let mut object = world
        .store
        .get(kind, namespace, name)
        .ok_or_else(|| Refusal::not_found(kind, name))?;
    let patch: Value = serde_json::from_slice(body).map_err(|error| {
        Refusal::new(400, &format!("only JSON merge patches are served: {error}"))
    })?;
    merge::patch(&mut object, patch);
    let object = if kind.plural == "services" {
        controller::create_service(&world.store, object)
    } else {
        world.store.put(kind, object)
    };
    Ok(reply::object(StatusCode::OK, &object))
}

fn delete(
    world: &Arc<World>,
    kind: &'static Resource,
    namespace: Option<&str>,
    name: &str,
) -> Result<Response<Body>, Refusal> {
    let namespace = namespace.unwrap_or_default();
    let missing = || Refusal::not_found(kind, name);
    if kind.plural == "pods" {
        let pod = world.store.get(kind, namespace, name).ok_or_else(missing)?;
        world.kubelet.pod_removed(namespace, name);
        return Ok(reply::object(StatusCode::OK, &pod));
    }
    let object = world
        .store
        .remove(kind, namespace, name)
        .ok_or_else(missing)?;
    match kind.plural {
        "jobs" => world.kubelet.job_removed(namespace, name),
        "services" => {
            controller::service_removed(&world.store, namespace, name);
        }
        _ => {}
    }
    let done = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": {"name": name, "kind": kind.plural, "uid": object["metadata"]["uid"]}});
    Ok(reply::object(StatusCode::OK, &done))
}
