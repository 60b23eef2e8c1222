//! Who is let in. Any program of this machine can connect to a loopback port, and any page in the browser can have it send
//! requests there, so:
//!
//! - the path begins with a token that only the printed link has;
//! - `Host` is a name of this machine, whatever name a foreign page gave the address (DNS rebinding);
//! - what changes something comes from the page itself, as the browser says by `Origin` and `Sec-Fetch-Site`;
//! - the answer tells the browser to load nothing from elsewhere, to be in no frame, and to pass its address on to nobody.

use std::net::{Ipv4Addr, Ipv6Addr};

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::IntoResponse as _;
use subtle::ConstantTimeEq as _;
use tower::ServiceExt as _;

use crate::hex;
use crate::random::Random;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The first segment of every path: 128 random bits. `Debug` does not show it.
#[derive(Clone)]
pub(super) struct Token(String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

impl Token {
    /// A new one.
    pub(super) fn new(random: &Random) -> Self {
        let mut octets = [0; 16];
        random.fill(&mut octets);
        Self(hex::encode(&octets))
    }

    /// The path of the page.
    pub(super) fn path(&self) -> String {
        format!("/{}/", self.0)
    }

    /// The path behind the token; `None` when the token is another one.
    fn opens<'p>(&self, path: &'p str) -> Option<&'p str> {
        let path = path.strip_prefix('/')?;
        let (token, _) = path.split_once('/').unwrap_or((path, ""));
        bool::from(token.as_bytes().ct_eq(self.0.as_bytes())).then(|| &path[token.len()..])
    }
}

/// What `inner` serves, for those who are let in.
pub(super) fn guarded(token: Token, inner: Router) -> Router {
    Router::new().fallback(async move |request: Request| {
        let mut response = match admit(&token, request) {
            Ok(request) => inner.oneshot(request).await.into_response(),
            Err((status, why)) => (status, format!("{why}\n")).into_response(),
        };
        protect(response.headers_mut());
        response
    })
}

type Refusal = (StatusCode, &'static str);

/// The request with the path behind the token.
fn admit(token: &Token, mut request: Request) -> Result<Request, Refusal> {
    let host = host(&request).filter(|host| is_here(host)).ok_or((
        StatusCode::FORBIDDEN,
        "this page is served for names of this machine alone, such as localhost",
    ))?;
    let wrong = (StatusCode::FORBIDDEN, "this needs the link that smsotp web printed");
    let rest = token.opens(request.uri().path()).ok_or(wrong)?;
    // Everything else lies beside the page.
    let rest = if rest.is_empty() { "/" } else { rest };
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    let uri: Uri = format!("{rest}{query}").parse().map_err(|_| wrong)?;
    if *request.method() != Method::GET && !is_of_the_page(request.headers(), &host) {
        return Err((StatusCode::FORBIDDEN, "this comes from another page"));
    }
    *request.uri_mut() = uri;
    Ok(request)
}

/// The host that the request names, once.
fn host(request: &Request) -> Option<String> {
    let mut named = request.headers().get_all(header::HOST).iter();
    let host = named.next()?.to_str().ok()?;
    // RFC 9112 section 3.2.2: an absolute target stands for the header.
    let same = request.uri().authority().is_none_or(|authority| authority.as_str() == host);
    (named.next().is_none() && same).then(|| host.to_owned())
}

/// Whether a host with or without its port is this machine by a name that nobody else can give it.
fn is_here(host: &str) -> bool {
    let named = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
    let name = named.map_or(host, |(name, _)| name);
    let six = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
        || six.is_some_and(|ip| ip.parse::<Ipv6Addr>().is_ok_and(|ip| ip.is_loopback()))
}

/// Whether nothing says that another page asked. Programs that are no browsers say nothing.
fn is_of_the_page(headers: &HeaderMap, host: &str) -> bool {
    let says = |name: &str, wanted: &str| {
        headers.get(name).is_none_or(|value| value.as_bytes() == wanted.as_bytes())
    };
    says("origin", &format!("http://{host}")) && says("sec-fetch-site", "same-origin")
}

fn protect(headers: &mut HeaderMap) {
    let named = |name: &'static str| HeaderName::from_static(name);
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (named("cross-origin-opener-policy"), "same-origin"),
        (named("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[test]
    fn only_names_of_this_machine_are_hosts() {
        for host in ["localhost", "LocalHost:8025", "127.0.0.1:8025", "127.1.2.3", "[::1]:80", "[::1]"] {
            assert!(is_here(host), "{host}");
        }
        for host in [
            "",
            "example.com",
            "localhost.example.com",
            "127.0.0.1.example.com:8025",
            "192.168.1.2:8025",
            "0.0.0.0",
            "[::]:80",
            "::1",
            "localhost:80:80",
            "localhost:x",
        ] {
            assert!(!is_here(host), "{host}");
        }
    }

    #[test]
    fn a_token_opens_what_lies_behind_it_and_nothing_else_does() {
        let token = Token::new(&Random::seeded(1));
        let path = token.path();
        assert_eq!((path.len(), token.opens(&path)), (34, Some("/")));
        assert_eq!(token.opens(&format!("{path}messages/x/cancel")), Some("/messages/x/cancel"));
        assert_eq!(token.opens(path.trim_end_matches('/')), Some(""));
        for wrong in ["/", "", "//", &path[..20], &format!("/x{path}"), &path.to_lowercase()] {
            assert_eq!(token.opens(wrong), None, "{wrong}");
        }
        assert_eq!(format!("{token:?}"), "Token");
        assert_ne!(token.0, Token::new(&Random::system()).0);
    }

    #[test]
    fn what_changes_something_comes_from_the_page() {
        let token = Token::new(&Random::seeded(1));
        let asked = |method: &str, more: &[(&'static str, &str)]| {
            let request = Request::builder().method(method).uri(token.path() + "a?to=1");
            let request = more.iter().fold(request, |request, (name, value)| request.header(*name, *value));
            admit(&token, request.body(Body::empty()).unwrap()).map(|request| request.uri().to_string())
        };
        let host = ("host", "localhost:8025");
        assert_eq!(asked("GET", &[host]).as_deref(), Ok("/a?to=1"));
        assert!(asked("GET", &[host, ("origin", "http://example.com")]).is_ok());
        assert!(asked("POST", &[host]).is_ok());
        assert!(asked("POST", &[host, ("origin", "http://localhost:8025")]).is_ok());
        for foreign in [
            ("origin", "http://example.com"),
            ("origin", "http://localhost:8026"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            assert!(asked("POST", &[host, foreign]).is_err(), "{foreign:?}");
        }
        assert!(asked("GET", &[]).is_err() && asked("GET", &[host, host]).is_err());
    }
}
