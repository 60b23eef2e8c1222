//! `GET /v1/backup`: the whole state as one stream of octets.

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use futures_util::stream;

use super::problem::Problem;
use super::request::Authorised;
use super::routes::App;

/// Answers while the work goes on. An error ends the stream before its last chunk, which the client notices.
pub(super) fn stream(app: &App, request: &Authorised) -> Result<Response, Problem> {
    request.query([])?;
    let pieces = stream::unfold(app.service.back_up(), |mut pieces| async move {
        let piece = pieces.recv().await?;
        if let Err(error) = &piece {
            tracing::error!(%error, "a backup ends unfinished");
        }
        Some((piece, pieces))
    });
    let mut response = Response::new(Body::from_stream(pieces));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    Ok(response)
}
