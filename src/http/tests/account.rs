//! Accounts and logins, and what ends them.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use super::*;
use crate::{cluster::bus::Revoked, contract::ErrorCode};

#[tokio::test]
async fn an_account_is_opened_once_however_it_is_written() {
    let server = Server::start().await;
    server.register("ada").await;
    for (email, username) in [("Ada@Example.com", "other"), ("other@example.com", "ADA")] {
        let body = json!({"email": email, "password": "correct horse", "username": username});
        let (status, problem) = server.send("POST", "/api/auth/register", "", Some(body)).await;
        assert_eq!((status.as_u16(), &problem["error_code"]), (409, &json!("USER_EXISTS")), "{email} {username}");
    }
    let body = json!({"email": "grace@example.com", "password": "correct horse"});
    let tries = (0..10).map(|_| server.send("POST", "/api/auth/register", "", Some(body.clone())));
    let statuses: Vec<u16> = futures_util::future::join_all(tries).await.iter().map(|(s, _)| s.as_u16()).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 409).count(), 9, "{statuses:?}");
}

#[tokio::test]
async fn signing_in_takes_a_name_or_an_address_and_json_or_a_form() {
    let server = Server::start().await;
    server.register("ada").await;
    for body in [
        json!({"username": "Ada", "password": "correct horse"}),
        json!({"email": "ADA@example.com", "password": "correct horse"}),
        json!({"username": "ada@example.com", "password": "correct horse"}),
    ] {
        let (status, tokens) = server.send("POST", "/api/auth/login", "", Some(body)).await;
        assert_eq!((status, &tokens["token_type"]), (StatusCode::OK, &json!("bearer")));
        assert_eq!(tokens["expires_in"], 1800);
        assert_eq!(tokens["user"]["email"], "ada@example.com");
        assert!(tokens["user"]["last_login"].is_string());
    }
    for path in ["/api/auth/login", "/api/auth/jwt/login"] {
        let form = "grant_type=password&username=ada%40example.com&password=correct+horse";
        let request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
        let (status, tokens) = read(server.raw(request.body(Body::from(form)).unwrap()).await).await;
        assert_eq!(status, StatusCode::OK, "{tokens}");
        assert_eq!(server.me(tokens["access_token"].as_str().unwrap()).await, StatusCode::OK);
    }
    let (_, wrong) = server.login("ada", "wrong horse").await;
    for name in ["nobody", "no body", "x@y", ""] {
        let (status, mut unknown) = server.login(name, "correct horse").await;
        assert_eq!((status.as_u16(), &unknown["error_code"]), (401, &json!("INVALID_CREDENTIALS")));
        for field in ["request_id", "timestamp"] {
            unknown[field] = wrong[field].clone();
        }
        assert_eq!(unknown, wrong);
    }
    let (status, problem) = server.login("no body\0", "correct horse").await;
    assert_eq!((status.as_u16(), &problem["errors"][0]["field"]), (422, &json!("username")), "{problem}");
}

#[tokio::test]
async fn after_the_leeway_the_second_use_of_a_refresh_token_ends_the_login() {
    let mut server = Server::start_with(|config| config.auth.refresh_leeway_seconds = 0).await;
    server.register("ada").await;
    let (access, first) = server.tokens("ada").await;
    let (other, _) = server.tokens("ada").await;
    let (status, pair) = server.refresh(&first).await;
    assert_eq!(status, StatusCode::OK, "{pair}");
    let (new_access, second) = (text(&pair["access_token"]), text(&pair["refresh_token"]));
    assert_eq!(server.me(&new_access).await, StatusCode::OK);
    assert_eq!(server.refresh(&access).await.1["error_code"], "WRONG_TOKEN_TYPE");
    assert_eq!(server.me(&second).await, StatusCode::UNAUTHORIZED);

    assert_eq!(server.refresh(&first).await.1["error_code"], "TOKEN_REUSED");
    assert!(matches!(
        server.notices.try_recv(),
        Ok(Notice::Revoked { sockets: Revoked::Session { code: ErrorCode::TokenReused, .. }, .. })
    ));
    assert_eq!(server.me(&new_access).await, StatusCode::UNAUTHORIZED);
    assert_eq!(server.refresh(&second).await.1["error_code"], "UNAUTHORIZED");
    assert_eq!(server.me(&other).await, StatusCode::OK);
}

/// Catches a build in which a repeat cuts the login, gets what is good for nothing, or begins a branch of its own.
#[tokio::test]
async fn within_the_leeway_a_repeat_gets_the_newest_pair_of_its_login() {
    let mut server = Server::start().await;
    server.register("ada").await;
    let (access, token) = server.tokens("ada").await;
    let uses = futures_util::future::join_all((0..8).map(|_| server.refresh(&token))).await;
    let pairs: Vec<(String, String)> = uses
        .iter()
        .map(|(status, pair)| {
            assert_eq!(*status, StatusCode::OK, "{pair}");
            (text(&pair["access_token"]), text(&pair["refresh_token"]))
        })
        .collect();
    for (access, refresh) in &pairs {
        assert_eq!(server.me(access).await, StatusCode::OK);
        assert_ne!(*refresh, token);
    }
    let newest = server.refresh(&pairs[0].1).await.1;
    let repeated = server.refresh(&token).await.1;
    assert_eq!(jti(&repeated["refresh_token"]), jti(&newest["refresh_token"]), "{repeated}");
    assert_eq!(server.me(&access).await, StatusCode::OK);
    assert!(server.notices.try_recv().is_err(), "no login was ended");
}

/// The identity of a token: the same for tokens that were signed anew in another second.
fn jti(token: &Value) -> Value {
    let claims = token.as_str().unwrap().split('.').nth(1).unwrap();
    let claims = BASE64_URL_SAFE_NO_PAD.decode(claims).unwrap();
    serde_json::from_slice::<Value>(&claims).unwrap()["jti"].clone()
}

#[tokio::test]
async fn without_a_leeway_one_of_simultaneous_uses_of_a_refresh_token_succeeds() {
    let server = Server::start_with(|config| config.auth.refresh_leeway_seconds = 0).await;
    server.register("ada").await;
    let (_, token) = server.tokens("ada").await;
    let uses = futures_util::future::join_all((0..8).map(|_| server.refresh(&token))).await;
    let good = uses.iter().filter(|(status, _)| *status == StatusCode::OK).count();
    let reused = uses.iter().filter(|(_, problem)| problem["error_code"] == "TOKEN_REUSED").count();
    assert_eq!((good, reused), (1, 7), "{uses:?}");
}

#[tokio::test]
async fn signing_out_ends_this_login_alone() {
    let mut server = Server::start().await;
    server.register("ada").await;
    let ((access, refresh), (other, _)) = (server.tokens("ada").await, server.tokens("ada").await);
    assert_eq!(server.send("POST", "/api/auth/jwt/logout", &access, None).await.0, StatusCode::NO_CONTENT);
    assert!(matches!(server.notices.try_recv(), Ok(Notice::Revoked { sockets: Revoked::Session { .. }, .. })));
    assert_eq!(server.me(&access).await, StatusCode::UNAUTHORIZED);
    assert_eq!(server.refresh(&refresh).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(server.me(&other).await, StatusCode::OK);
}

#[tokio::test]
async fn a_new_password_needs_the_old_one_and_ends_the_other_logins() {
    let mut server = Server::start().await;
    server.register("ada").await;
    let ((access, _), (other, _)) = (server.tokens("ada").await, server.tokens("ada").await);
    let change = async |body: Value| server.send("PATCH", "/api/users/me", &access, Some(body)).await;
    let (status, problem) = change(json!({"password": "battery staple"})).await;
    assert_eq!((status.as_u16(), &problem["errors"][0]["field"]), (422, &json!("current_password")));
    let (_, problem) = change(json!({"password": "battery staple", "current_password": "wrong"})).await;
    assert_eq!(problem["error_code"], "INVALID_CREDENTIALS");
    assert_eq!(server.me(&other).await, StatusCode::OK);

    let (status, _) = change(json!({"password": "battery staple", "current_password": "correct horse"})).await;
    assert_eq!(status, StatusCode::OK);
    assert!(matches!(
        server.notices.try_recv(),
        Ok(Notice::Revoked { sockets: Revoked::AllBut { session_id: Some(_), .. }, .. })
    ));
    assert_eq!(server.me(&access).await, StatusCode::OK);
    assert_eq!(server.me(&other).await, StatusCode::UNAUTHORIZED);
    assert_eq!(server.login("ada", "correct horse").await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(server.login("ada", "battery staple").await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_profile_changes_where_the_request_says_so() {
    let server = Server::start().await;
    server.register("ada").await;
    server.register("grace").await;
    let (access, _) = server.tokens("ada").await;
    let change = async |body: Value| server.send("PUT", "/api/users/me", &access, Some(body)).await;
    let (_, user) = change(json!({"full_name": "Ada Lovelace", "avatar_url": "https://example.com/ada.png"})).await;
    assert_eq!((&user["full_name"], &user["username"]), (&json!("Ada Lovelace"), &json!("ada")));
    let (_, user) = change(json!({"avatar_url": null, "is_superuser": true, "email": "x@example.com"})).await;
    assert_eq!((&user["avatar_url"], &user["full_name"]), (&Value::Null, &json!("Ada Lovelace")));
    assert_eq!((&user["is_superuser"], &user["email"]), (&json!(false), &json!("ada@example.com")));
    assert_eq!(change(json!({"username": "GRACE"})).await.1["error_code"], "USER_EXISTS");
    assert_eq!(change(json!({"username": "Ada"})).await.1["username"], "Ada");
    for bad in [json!({"username": "a b"}), json!({"full_name": "a\u{202e}b"}), json!({"avatar_url": "javascript:x"})] {
        assert_eq!(change(bad.clone()).await.0, StatusCode::UNPROCESSABLE_ENTITY, "{bad}");
    }
}

#[tokio::test]
async fn an_account_that_was_given_up_lets_nobody_in() {
    let mut server = Server::start().await;
    server.register("ada").await;
    let (access, refresh) = server.tokens("ada").await;
    assert_eq!(server.send("DELETE", "/api/users/me", &access, None).await.0, StatusCode::NO_CONTENT);
    assert!(matches!(
        server.notices.try_recv(),
        Ok(Notice::Revoked { sockets: Revoked::AllBut { session_id: None, code: ErrorCode::AccountDisabled }, .. })
    ));
    let (status, problem) = server.send("GET", "/api/users/me", &access, None).await;
    assert_eq!((status.as_u16(), &problem["error_code"]), (401, &json!("ACCOUNT_DISABLED")));
    assert_eq!(server.refresh(&refresh).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(server.login("ada", "correct horse").await.1["error_code"], "ACCOUNT_DISABLED");
    assert_eq!(server.login("ada", "wrong horse").await.1["error_code"], "INVALID_CREDENTIALS");
}
