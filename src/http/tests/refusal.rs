//! What does not fit.

use axum::http::header;

use super::*;

#[tokio::test]
async fn what_does_not_fit_is_a_problem_and_never_a_failure() {
    let server = Server::start().await;
    server.register("ada").await;
    let (token, _) = server.tokens("ada").await;
    let table = [
        ("GET", "/nothing", 404, "NOT_FOUND"),
        ("GET", "/api/users/abc", 422, "VALIDATION_ERROR"),
        ("GET", "/api/users/9223372036854775808", 422, "VALIDATION_ERROR"),
        ("GET", "/api/users/%ff", 422, "VALIDATION_ERROR"),
        ("GET", "/api/users/0199d1c6-7a4e-7cc3-9d5a-3b1f0f6a2c11", 404, "USER_NOT_FOUND"),
        ("GET", "/api/users?page=0", 422, "VALIDATION_ERROR"),
        ("GET", "/api/users?page=-1", 422, "VALIDATION_ERROR"),
        ("GET", "/api/users?page=1e20", 422, "VALIDATION_ERROR"),
        ("GET", "/api/users?size=0", 422, "VALIDATION_ERROR"),
        ("GET", "/api/users?page_size=101", 422, "VALIDATION_ERROR"),
        ("GET", "/api/users?search=%00", 422, "VALIDATION_ERROR"),
        ("DELETE", "/api/users", 405, "NOT_FOUND"),
        ("PATCH", "/api/users/me", 422, "VALIDATION_ERROR"),
        ("GET", "/panic", 500, "INTERNAL"),
    ];
    for (method, path, status, code) in table {
        let request = Request::builder().method(method).uri(path).header("authorization", format!("Bearer {token}"));
        let response = server.raw(request.body(Body::empty()).unwrap()).await;
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json", "{method} {path}");
        assert_eq!(response.headers().contains_key(header::ALLOW), status == 405, "{method} {path}");
        let (answered, problem) = read(response).await;
        assert_eq!((answered.as_u16(), &problem["error_code"]), (status, &json!(code)), "{method} {path}: {problem}");
        assert!(!problem.to_string().contains("on purpose"), "{problem}");
    }
    let (status, _) = server.send("GET", "/api/users?page=9223372036854775807&search=%25'--", &token, None).await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn bodies_are_read_as_far_as_they_may_go() {
    let server = Server::start().await;
    let send = async |kind: &'static str, body: Body| {
        let request = Request::post("/api/auth/register").header("content-type", kind);
        read(server.raw(request.body(body).unwrap()).await).await
    };
    let large = "x".repeat(300_000);
    assert_eq!(send("application/json", Body::from(large.clone())).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    let pieces = large.as_bytes().chunks(1000).map(|piece| Ok::<_, std::io::Error>(piece.to_vec())).collect::<Vec<_>>();
    let unmeasured = Body::from_stream(futures_util::stream::iter(pieces));
    assert_eq!(send("application/json", unmeasured).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(send("text/plain", Body::from("{}")).await.0, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let (status, problem) = send("application/json; charset=utf-8", Body::from(r#"{"email":1}"#)).await;
    assert_eq!((status.as_u16(), &problem["errors"][0]["field"]), (422, &json!("email")));
    let everything = r#"{"email":"a@b","password":"short","username":"a b","full_name":"\u202e"}"#;
    let (_, problem) = send("application/json", Body::from(everything)).await;
    let fields: Vec<String> = problem["errors"].as_array().unwrap().iter().map(|error| text(&error["field"])).collect();
    assert_eq!(fields, ["email", "password", "username", "full_name"]);
}
