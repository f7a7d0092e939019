//! The OpenAPI 3.1 document, and the page that shows it.
//!
//! A handler's annotation says what is particular to it: its answer, and the codes that only it refuses with, as the
//! description of a status. What every operation has in common is filled in here, so that nobody has to repeat it.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use axum::{
    Router,
    http::{HeaderValue, header},
    response::Redirect,
    routing::get,
};
use serde_json::json;
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa::{
    Modify, OpenApi as _,
    openapi::{
        Components, Content, HeaderBuilder, OpenApi, Ref, RefOr, Required, Response,
        example::ExampleBuilder,
        path::{Operation, Parameter, ParameterIn, PathItem},
        schema::{Object, Type},
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};
use utoipa_axum::router::UtoipaMethodRouter;
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::{
    app::App,
    contract::{ErrorCode, Problem},
};

/// The introduction of the document.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Parlour",
        description = "Rooms, messages and users over REST. Live events come over Socket.IO, \
                       with the same shapes.\n\nSign in at `/api/auth/login` and send the `access_token` as \
                       `Authorization: Bearer`. Every error is an `application/problem+json` with a stable \
                       `error_code`.\n\nUnknown fields of a JSON body are ignored, and so is `null` in an optional field. An \
                       update without any field that it can change is refused. A route that does not support the method \
                       is answered 405 with the `error_code` `NOT_FOUND`; the header `Allow` lists the supported \
                       methods.\n\nOver REST `Retry-After` gives the seconds after which a refused request may succeed; in \
                       acks over the socket `retry_after_ms` gives the milliseconds."
    ),
    tags(
        (name = "auth", description = "Signing up, in, and out"),
        (name = "users", description = "Users, and your own account"),
        (name = "rooms", description = "Rooms"),
        (name = "members", description = "Members of rooms, and their roles"),
        (name = "messages", description = "Messages"),
        (name = "media", description = "Files"),
    ),
    components(schemas(Problem)),
    security(("bearer" = [])),
    modifiers(&Bearer)
)]
struct Head;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, api: &mut OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        api.components
            .get_or_insert_with(Components::default)
            .add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// The document before any operation is in it.
pub(super) fn head() -> OpenApi {
    Head::openapi()
}

/// The same operation at another path, for older clients.
pub(super) fn also_at<S>(
    address: &str,
    (schemas, mut paths, handlers): UtoipaMethodRouter<S>,
) -> UtoipaMethodRouter<S> {
    let mut items: Vec<PathItem> = std::mem::take(&mut paths.paths).into_values().collect();
    for (_, operation) in items.iter_mut().flat_map(operations) {
        operation.operation_id = operation.operation_id.take().map(|id| format!("{id}_alias"));
    }
    paths.paths.extend(items.into_iter().map(|item| (address.to_owned(), item)));
    (schemas, paths, handlers)
}

/// Completes the document: unique operation ids, and every refusal.
pub(super) fn complete(mut api: OpenApi) -> OpenApi {
    let mut ids = HashSet::new();
    for item in api.paths.paths.values_mut() {
        for (method, operation) in operations(item) {
            // Two methods of one handler share its id.
            let id = operation.operation_id.take().unwrap_or_default();
            let id = if ids.contains(&id) { format!("{id}_{method}") } else { id };
            ids.insert(id.clone());
            operation.operation_id = Some(id);
            operation.parameters.iter_mut().flatten().for_each(allow_empty);
            refuse(operation);
            for (status, response) in &mut operation.responses.responses {
                if let RefOr::T(response) = response {
                    describe_headers(status, response);
                }
            }
        }
    }
    api
}

/// `/openapi.json`, and `/docs`, which shows it; `/redoc` leads there. The page is built in; the policy holds the browser to that.
pub(super) fn docs(api: OpenApi) -> Router<Arc<App>> {
    let policy = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'";
    // Without "none" the page asks validator.swagger.io about the document.
    let config = Config::default().validator_url("none").try_it_out_enabled(true).persist_authorization(true);
    let redirect = || get(async || Redirect::permanent("/docs"));
    Router::from(SwaggerUi::new("/docs").url("/openapi.json", api).config(config))
        .route("/redoc", redirect())
        .route("/redoc/", redirect())
        .layer(SetResponseHeaderLayer::overriding(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy)))
}

/// The operations of a path, by method.
fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    [
        ("get", &mut item.get),
        ("post", &mut item.post),
        ("patch", &mut item.patch),
        ("put", &mut item.put),
        ("delete", &mut item.delete),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// Describes every refusal of an operation: those its handler names, and those that what it takes implies.
fn refuse(operation: &mut Operation) {
    let named = &operation.responses.responses;
    let mut codes: Vec<ErrorCode> =
        ErrorCode::ALL.iter().copied().filter(|code| named.values().any(|response| names(response, *code))).collect();
    if operation.security.is_none() {
        codes.extend([
            ErrorCode::Unauthorized,
            ErrorCode::TokenExpired,
            ErrorCode::WrongTokenType,
            ErrorCode::AccountDisabled,
        ]);
    }
    if operation.request_body.is_some() {
        codes.extend([ErrorCode::PayloadTooLarge, ErrorCode::UnsupportedMediaType]);
    }
    if operation.request_body.is_some() || operation.parameters.is_some() {
        codes.push(ErrorCode::ValidationError);
    }
    codes.extend([ErrorCode::RateLimited, ErrorCode::Internal, ErrorCode::ServiceUnavailable]);

    let mut by_status: BTreeMap<u16, Vec<ErrorCode>> = BTreeMap::new();
    for code in ErrorCode::ALL.iter().filter(|code| codes.contains(code)) {
        by_status.entry(code.status()).or_default().push(*code);
    }
    for (status, codes) in by_status {
        operation.responses.responses.insert(status.to_string(), RefOr::T(refusal(&codes)));
    }
}

fn names(response: &RefOr<Response>, code: ErrorCode) -> bool {
    match response {
        RefOr::T(response) => response.description.split(", ").any(|word| word == code.as_str()),
        RefOr::Ref(_) => false,
    }
}

/// A problem with any of these codes, with an example of each.
fn refusal(codes: &[ErrorCode]) -> Response {
    let mut content = Content::new(Some(Ref::from_schema_name("Problem")));
    for code in codes {
        let example = ExampleBuilder::new().summary(code.meaning()).value(Some(example(*code))).build();
        content.examples.insert(code.as_str().to_owned(), RefOr::T(example));
    }
    let meanings: Vec<String> = codes.iter().map(|code| format!("`{code}`: {}", code.meaning())).collect();
    let mut response = Response::new(meanings.join("\n\n"));
    response.content.insert("application/problem+json".to_owned(), RefOr::T(content));
    response
}

/// A part of the query without a value is not given. utoipa has no field for that word of OpenAPI
/// (<https://spec.openapis.org/oas/v3.1.0#parameter-object>).
fn allow_empty(parameter: &mut RefOr<Parameter>) {
    if let RefOr::T(parameter) = parameter
        && parameter.parameter_in == ParameterIn::Query
        && parameter.required == Required::False
    {
        parameter.extensions.get_or_insert_default().insert("allowEmptyValue".to_owned(), json!(true));
    }
}

/// The headers that an answer has for its status alone.
fn describe_headers(status: &str, response: &mut Response) {
    let text = || Object::with_type(Type::String);
    let mut add = |name: &str, schema: Object, description: &str| {
        let header = HeaderBuilder::new().schema(Some(schema)).description(Some(description)).build();
        response.headers.insert(name.to_owned(), RefOr::T(header));
    };
    add("x-request-id", text(), "Names this request in the server's log");
    match status {
        "201" => add("location", text(), "Where the new resource is, if it has an address of its own"),
        "307" => add("location", text(), "Where the bytes are"),
        "401" => add("www-authenticate", text(), "`Bearer`"),
        "429" | "503" => {
            add("retry-after", Object::with_type(Type::Integer), "Seconds after which the same request may succeed");
        }
        _ => {}
    }
}

fn example(code: ErrorCode) -> serde_json::Value {
    let status = axum::http::StatusCode::from_u16(code.status()).unwrap_or_default();
    let mut problem = json!({
        "type": "about:blank",
        "title": status.canonical_reason(),
        "status": code.status(),
        "detail": code.meaning(),
        "error_code": code,
        "request_id": "0199d1c6-7a4e-7cc3-9d5a-3b1f0f6a2c11",
        "timestamp": "2026-01-20T10:00:00.123Z",
    });
    if code == ErrorCode::ValidationError {
        problem["errors"] = json!([{"field": "email", "code": "required", "detail": "is required"}]);
    }
    problem
}
