//! Responses: JSON, plain text, and the address of a new resource.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Serialize;

/// A response with a JSON body.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    let mut response = plain("application/json", encoded(value));
    *response.status_mut() = status;
    response
}

/// The JSON of a wire type.
pub(super) fn encoded(value: &impl Serialize) -> String {
    // This cannot fail: the wire types have text keys and no serializer of their own.
    serde_json::to_string(value).expect("wire types serialize")
}

/// 200 with a body of this type.
pub(super) fn plain(content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// The same response with one more header.
pub(super) fn with(mut response: Response, name: HeaderName, value: &str) -> Response {
    // The API's own header values are ASCII without control characters, which is always valid.
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
    response
}
