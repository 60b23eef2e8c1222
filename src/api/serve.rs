//! The server: accepts, asks the kernel who connects, and serves HTTP/1.1 (RFC 9112) until told to stop.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::net::UnixStream;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use super::access::{Access, Grant, Peer};
use super::connection::{Activity, Watched};
use super::listen::Listener;
use super::routes::{App, router};
use super::service::Service;

/// Times and sizes that keep one client from harming the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For a request's head, from its first octet.
    pub head: Duration,
    /// For a request's whole body.
    pub body: Duration,
    /// A body's size.
    pub body_octets: usize,
    /// For a connection without a request.
    pub idle: Duration,
    /// For a client that takes no more of its answer.
    pub blocked: Duration,
    /// Between two comments of an event stream without events.
    pub heartbeat: Duration,
    /// For running requests when the daemon stops.
    pub drain: Duration,
    /// Connections at once; further ones wait to be accepted.
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            body: Duration::from_secs(10),
            body_octets: 64 * 1024,
            idle: Duration::from_secs(75),
            blocked: Duration::from_secs(30),
            heartbeat: Duration::from_secs(30),
            drain: Duration::from_secs(5),
            connections: 4096,
        }
    }
}

/// Descriptors that connections leave to the store, the serial ports and the rest of the daemon.
const OTHER_DESCRIPTORS: u64 = 256;
/// The pause after an `accept` that failed for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `shutdown` is ready; then accepts no more, lets running requests finish, and removes the socket.
pub async fn serve(
    listener: Listener,
    service: Arc<dyn Service>,
    access: Access,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    serve_within(Limits::default(), listener, service, access, shutdown).await
}

/// [`serve`] with other limits.
pub async fn serve_within(
    limits: Limits,
    listener: Listener,
    service: Arc<dyn Service>,
    access: Access,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let (socket, place) = listener.into_parts()?;
    let (stop, stopping) = watch::channel(false);
    let app = Arc::new(App { service, limits, stopping: stopping.clone() });
    let shared = Shared { router: router(&app), access: Arc::new(access), limits, stopping };
    let places = Arc::new(Semaphore::new(places(limits.connections)));
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = async {
            // The semaphore is never closed.
            let place = Arc::clone(&places).acquire_owned().await.ok();
            (socket.accept().await, place)
        };
        tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            (accepted, place) = accepted => match accepted {
                Ok((stream, _)) => {
                    let shared = shared.clone();
                    connections.spawn(async move {
                        shared.connection(stream).await;
                        drop(place);
                    });
                }
                Err(e) => {
                    tracing::warn!("cannot accept a connection: {e}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    // First of all: a client that finds no socket knows that there is no daemon. The place stays held until the
    // last request is done, so that the next daemon does not begin beside this one.
    drop(socket);
    place.clear();
    stop.send_replace(true);
    let drained =
        tokio::time::timeout(limits.drain, async { while connections.join_next().await.is_some() {} });
    if drained.await.is_err() {
        tracing::warn!(connections = connections.len(), "requests did not finish in time");
    }
    Ok(())
}

/// How many connections the process has descriptors for, at most `wanted`.
fn places(wanted: usize) -> usize {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return wanted;
    };
    let soft =
        if soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() { hard } else { soft };
    let room = usize::try_from(soft.saturating_sub(OTHER_DESCRIPTORS)).unwrap_or(usize::MAX);
    wanted.min(room.max(64))
}

#[derive(Clone)]
struct Shared {
    router: Router,
    access: Arc<Access>,
    limits: Limits,
    stopping: watch::Receiver<bool>,
}

impl Shared {
    async fn connection(self, stream: UnixStream) {
        let grant = match self.grant(&stream).await {
            Ok(grant) => grant,
            Err(e) => {
                tracing::warn!("cannot learn who connects: {e}");
                return;
            }
        };
        let activity = Activity::new();
        let (router, begun) = (self.router, activity.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            let answering = begun.begin();
            request.extensions_mut().insert::<Grant>(grant.clone());
            let answer = router.clone().oneshot(request.map(|body| begun.until_read(body)));
            async move {
                let Ok(response): Result<Response<Body>, Infallible> = answer.await;
                let (parts, body) = response.into_parts();
                Ok::<_, Infallible>(Response::from_parts(parts, answering.until_the_end_of(body)))
            }
        });
        let stream = TokioIo::new(Watched::new(stream, activity.clone()));
        let mut http = http1::Builder::new();
        // The head of a request with every limit used fits in this.
        http.max_buf_size(64 * 1024).header_read_timeout(None);
        let mut connection = pin!(http.serve_connection(stream, service));
        let mut stopping = self.stopping.clone();
        let mut stalled = pin!(activity.stalled(self.limits, self.stopping));
        let mut told = false;
        loop {
            tokio::select! {
                served = &mut connection => {
                    if let Err(e) = served {
                        tracing::debug!("a connection ended: {e}");
                    }
                    return;
                }
                () = &mut stalled => return,
                _ = stopping.wait_for(|stopping| *stopping), if !told => {
                    told = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }

    async fn grant(&self, stream: &UnixStream) -> io::Result<Grant> {
        let credentials = stream.peer_cred()?;
        let mut peer = Peer { uid: credentials.uid(), gids: vec![credentials.gid()] };
        if self.access.needs_groups() {
            peer = tokio::task::spawn_blocking(move || {
                peer.look_up_groups();
                peer
            })
            .await?;
        }
        Ok(self.access.grant(&peer))
    }
}
