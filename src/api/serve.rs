//! The server: accepts connections, asks the kernel who connects, and serves HTTP/1.1 (RFC 9112) until it is
//! told to stop.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::response::{IntoResponse as _, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use super::access::{Access, Grant, Peer};
use super::app::{App, Limits, Service};
use super::connection::{self, End};
use super::listen::Listener;
use super::problem::Problem;
use super::refusal;
use super::request::{UnreadBody, head_fault};
use super::routes::router;
use super::seats::{Admission, Seats};
use crate::prometheus::Counters;

/// How many descriptors connections leave to the store, the serial ports and the rest of the daemon.
const OTHER_DESCRIPTORS: u64 = 256;
/// The descriptors of a connection: its socket, and the one that notices the client's disconnection.
const DESCRIPTORS: u64 = 2;
/// The largest head of a request.
const HEAD_OCTETS: usize = 64 * 1024;
/// How long a client that has connected, and has asked nothing, is waited for at the end.
const FIRST_WORD: Duration = Duration::from_secs(1);
/// The pause after an `accept` that failed for lack of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `shutdown` completes. Then it accepts no more, lets running requests finish, and removes the socket.
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
    serve_until(limits, listener, service, access, std::future::pending(), shutdown).await
}

/// The same; once `rest` completes, further connections are left to whoever listens on the socket next.
pub async fn serve_until(
    limits: Limits,
    listener: Listener,
    service: Arc<dyn Service>,
    access: Access,
    rest: impl Future<Output = ()>,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let (socket, place) = listener.into_parts()?;
    let (stop, stopping) = watch::channel(false);
    let app = Arc::new(App { service, limits, requests: Counters::default(), stopping });
    let shared = Shared { router: router(&app), app, access: Arc::new(access) };
    let seats = Seats::new(places(limits.connections), limits.connections_per_uid);
    let mut connections = JoinSet::new();
    let (mut rest, mut shutdown) = (pin!(rest), pin!(shutdown));
    let mut rests = false;
    loop {
        tokio::select! {
            // What is connected when the end begins waits for the next daemon.
            biased;
            () = &mut shutdown => break,
            () = &mut rest, if !rests => rests = true,
            Some(_) = connections.join_next() => {}
            accepted = socket.accept(), if !rests => match accepted {
                Ok((stream, _)) => shared.admit(stream, &seats, &mut connections),
                Err(e) => {
                    tracing::warn!("cannot accept a connection: {e}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    // The socket goes first: a client that finds none knows that there is no daemon. The path stays locked
    // until the last request is done, so that the next daemon does not start beside this one.
    drop(socket);
    place.clear();
    stop.send_replace(true);
    let drained =
        tokio::time::timeout(limits.drain, async { while connections.join_next().await.is_some() {} });
    if drained.await.is_err() {
        let connections = connections.len();
        tracing::warn!(connections, "the requests of {connections} connections did not finish in time");
    }
    Ok(())
}

/// For how many connections the process has descriptors, at most `wanted`.
fn places(wanted: usize) -> usize {
    let Rlimit { current: soft, maximum: hard } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: hard, maximum: hard }).is_ok();
    // None is no limit.
    let Some(most) = (if raised { hard } else { soft }) else { return wanted };
    let room = most.saturating_sub(OTHER_DESCRIPTORS) / DESCRIPTORS;
    wanted.min(usize::try_from(room).unwrap_or(usize::MAX).max(64))
}

#[derive(Clone)]
struct Shared {
    app: Arc<App>,
    router: Router,
    access: Arc<Access>,
}

impl Shared {
    /// Serves a new connection, or refuses it.
    fn admit(&self, stream: UnixStream, seats: &Seats, connections: &mut JoinSet<()>) {
        let user = match stream.peer_cred() {
            Ok(credentials) => credentials.uid(),
            Err(e) => return tracing::warn!("cannot learn who connects: {e}"),
        };
        match seats.admit(user) {
            Admission::Served(seat) => {
                let shared = self.clone();
                connections.spawn(async move {
                    if let Err(e) = shared.connection(stream).await {
                        tracing::debug!("a connection ended: {e}");
                    }
                    drop(seat);
                });
            }
            Admission::Refused(seat) => {
                connections.spawn(async move {
                    refusal::answer_when_asked(stream, Problem::too_many_connections()).await;
                    drop(seat);
                });
            }
            Admission::Dropped => {}
        }
    }

    async fn connection(self, stream: UnixStream) -> Result<(), Box<dyn Error + Send + Sync>> {
        let warn = |e: &io::Error| tracing::warn!("cannot learn who connects: {e}");
        let grant = self.grant(&stream).await.inspect_err(warn)?;
        let warn = |e: &io::Error| tracing::warn!("cannot watch a connection: {e}");
        let end = End::of(&stream).inspect_err(warn)?;
        let (stream, timer, head) = connection::watched(stream, self.app.limits);
        let service = service_fn(|mut request: Request<Incoming>| {
            head.done();
            request.extensions_mut().insert::<Arc<Grant>>(Arc::clone(&grant));
            self.answer(request.map(Body::new))
        });
        let mut http = http1::Builder::new();
        // The head of a request that uses every limit fits in this size. The timer shortens the time for it.
        http.max_header_size(HEAD_OCTETS)
            .max_buf_size(HEAD_OCTETS)
            .timer(timer)
            .header_read_timeout(self.app.limits.idle)
            .half_close(true);
        let whole = async {
            let mut served = pin!(http.serve_connection(stream, service));
            tokio::select! {
                ended = &mut served => return ended,
                () = self.app.stopped() => {}
            }
            // hyper would close a connection on which nothing came yet, and who has just connected is about to ask.
            if head.is_fresh()
                && let Ok(ended) = tokio::time::timeout(FIRST_WORD, served.as_mut()).await
            {
                return ended;
            }
            served.as_mut().graceful_shutdown();
            served.await
        };
        let ended = tokio::select! {
            ended = whole => ended,
            () = end.gone() => return Ok(()),
        };
        if let Err(e) = &ended
            && let Some(problem) = refusal::of_head(&head, e)
        {
            refusal::answer(end.into_stream()?, problem).await;
        }
        Ok(ended?)
    }

    /// Answers a request, if its head is one that HTTP allows.
    async fn answer(&self, request: Request<Body>) -> Result<Response, Infallible> {
        match head_fault(&request) {
            None => self.router.clone().oneshot(request).await,
            Some(problem) => {
                drop(UnreadBody::of(request, self.app.limits.body));
                Ok(problem.into_response())
            }
        }
    }

    async fn grant(&self, stream: &UnixStream) -> io::Result<Arc<Grant>> {
        let credentials = stream.peer_cred()?;
        let mut peer = Peer::new(credentials.uid(), credentials.gid(), credentials.pid());
        if self.access.needs_groups() {
            peer = tokio::task::spawn_blocking(move || {
                peer.look_up_groups();
                peer
            })
            .await?;
        }
        Ok(Arc::new(self.access.grant(peer)))
    }
}
