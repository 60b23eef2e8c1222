//! `web`: a page in the browser that shows the daemon at work. A process of its own serves the page on a loopback address and
//! asks the daemon on its socket, so the daemon keeps no network, and the page may do what the user of this process may.
//!
//! `guard` says who is let in, `routes` what there is, and `masked` what of the API's answers a browser gets.

use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::exit::{Exit, Failure};
use super::output::{Session, note, print};
use crate::api::client::Call;
use crate::random::Random;

mod guard;
mod masked;
mod routes;

use guard::Token;

/// The arguments of `smsotp web`.
#[derive(Debug, clap::Args)]
pub(super) struct Web {
    /// Where the page is served: a loopback address and a port, 0 for any free one.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8025", value_parser = loopback)]
    listen: SocketAddr,
}

/// An address that other machines cannot reach.
fn loopback(text: &str) -> Result<SocketAddr, String> {
    let named = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    let address: Result<SocketAddr, _> = named.as_deref().unwrap_or(text).parse();
    match address {
        Ok(address) if address.ip().is_loopback() => Ok(address),
        Ok(address) => Err(format!(
            "{} is no loopback address; another machine comes to the page by `ssh -L 8025:127.0.0.1:8025`",
            address.ip()
        )),
        Err(_) => Err(String::from("it takes a loopback address and a port, such as 127.0.0.1:8025")),
    }
}

/// `smsotp web`: until Ctrl-C. The page outlives the daemon, and goes on when the daemon is back.
pub(super) async fn run(session: &Session, web: Web) -> Result<Exit, Failure> {
    // Whoever cannot reach the daemon, or may not look at it, is told here and not in a browser.
    session.ask(Call::get("/v1/status")).await?;
    let listener = TcpListener::bind(web.listen).await.map_err(|e| {
        Failure::new(Exit::Usage, format!("cannot listen on {}: {e}; name another by --listen", web.listen))
    })?;
    let token = Token::new(&Random::system());
    print(&format!("http://{}{}\n", listener.local_addr()?, token.path()))?;
    note("whoever has this link may do on the page what you may do; Ctrl-C ends it");
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let pages = guard::guarded(token, routes::router(session.client.clone()));
    tokio::select! {
        served = axum::serve(listener, pages).into_future() => served?,
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hang_up.recv() => {}
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_loopback_address_is_listened_on() {
        for (text, address) in [
            ("127.0.0.1:8025", "127.0.0.1:8025"),
            ("127.9.9.9:0", "127.9.9.9:0"),
            ("localhost:80", "127.0.0.1:80"),
            ("[::1]:8025", "[::1]:8025"),
        ] {
            assert_eq!(loopback(text), Ok(address.parse().unwrap()));
        }
        for text in [
            "0.0.0.0:8025",
            "192.168.1.2:80",
            "[::]:80",
            "[::ffff:192.168.1.2]:80",
            "8025",
            "example.com:80",
            "",
        ] {
            assert!(loopback(text).is_err(), "{text}");
        }
    }
}
