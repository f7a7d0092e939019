//! Signing up, in, and out.

use serde_json::{Value, json};

use crate::support::{App, Person, find, ids, int, list, people::PASSWORD, text};

#[tokio::test]
async fn an_account_is_opened_and_signed_into_by_address_or_name() {
    let app = App::start().await;
    let body =
        json!({"email": "Ada@Example.com", "password": PASSWORD, "username": "ada", "full_name": "Ada Lovelace"});
    let user = app.site.post("/api/auth/register").json(&body).send().await.with_status(201);
    assert_eq!(user["email"], "ada@example.com");
    assert_eq!(user["full_name"], "Ada Lovelace");
    assert_eq!(user["username"], "ada");
    assert_eq!(
        (&user["is_active"], &user["is_superuser"], &user["is_bot"]),
        (&json!(true), &json!(false), &json!(false))
    );
    assert!(user["avatar_url"].is_null());
    assert!(text(&user, "created_at").ends_with('Z'), "times are UTC: {user}");

    for who in [
        json!({"email": "ada@example.com"}),
        json!({"email": "ADA@EXAMPLE.COM"}),
        json!({"username": "ada"}),
        json!({"username": "ADA"}),
        json!({"username": "ada@example.com"}),
    ] {
        let mut body = who.clone();
        body["password"] = json!(PASSWORD);
        let tokens = app.site.post("/api/auth/login").json(&body).send().await.with_status(200);
        assert_eq!(tokens["token_type"], "bearer", "{who}");
        assert_eq!(tokens["user"]["id"], user["id"], "{who}");
        assert_eq!(int(&tokens, "expires_in"), 1_800);
        assert!(!text(&tokens, "access_token").is_empty() && !text(&tokens, "refresh_token").is_empty());
    }
}

#[tokio::test]
async fn the_oauth2_password_form_works_at_both_addresses() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    for path in ["/api/auth/login", "/api/auth/jwt/login"] {
        for username in ["ada", "ada@example.com"] {
            let fields = [("grant_type", "password"), ("username", username), ("password", PASSWORD), ("scope", "")];
            let tokens = app.site.post(path).form(&fields).send().await.with_status(200);
            let signed_in = Person { token: text(&tokens, "access_token"), ..ada.clone() };
            assert_eq!(signed_in.get("/api/auth/me").await.with_status(200)["id"], ada.id.as_str());
        }
        app.site
            .post(path)
            .form(&[("username", "ada"), ("password", "wrong")])
            .send()
            .await
            .refused("INVALID_CREDENTIALS");
    }
    let json = json!({"email": ada.email, "password": PASSWORD});
    app.site.post("/api/auth/jwt/login").json(&json).send().await.with_status(200);
}

#[tokio::test]
async fn a_refresh_gives_a_new_pair_and_keeps_the_session() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    let refresh = json!({"refresh_token": ada.refresh_token});
    let tokens = app.site.post("/api/auth/refresh").json(&refresh).send().await.with_status(200);
    assert_ne!(text(&tokens, "refresh_token"), ada.refresh_token);
    assert_eq!(tokens["user"]["id"], ada.id.as_str());
    let renewed = Person { token: text(&tokens, "access_token"), ..ada.clone() };
    renewed.get("/api/auth/me").await.with_status(200);
    let again = json!({"refresh_token": tokens["refresh_token"]});
    app.site.post("/api/auth/refresh").json(&again).send().await.with_status(200);
}

#[tokio::test]
async fn after_a_logout_neither_token_is_good() {
    let app = App::start().await;
    for path in ["/api/auth/logout", "/api/auth/jwt/logout"] {
        let mut ada = app.user(&format!("ada-{}", path.len())).await;
        ada.post(path, json!({})).await.with_status(204);
        ada.get("/api/auth/me").await.refused("UNAUTHORIZED");
        let refresh = json!({"refresh_token": ada.refresh_token});
        assert_eq!(app.site.post("/api/auth/refresh").json(&refresh).send().await.status, 401);
        ada.sign_in().await;
        ada.get("/api/auth/me").await.with_status(200);
    }
}

#[tokio::test]
async fn a_profile_is_changed_in_part() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    let change = json!({"full_name": "Ada King", "avatar_url": "https://pictures.example/ada.png"});
    let user = ada.patch("/api/users/me", change).await.with_status(200);
    assert_eq!((&user["full_name"], &user["username"]), (&json!("Ada King"), &json!("ada")));
    assert_eq!(user["avatar_url"], "https://pictures.example/ada.png");
    let user = ada
        .request(reqwest::Method::PUT, "/api/users/me")
        .json(&json!({"full_name": null}))
        .send()
        .await
        .with_status(200);
    assert!(user["full_name"].is_null() && user["avatar_url"].is_string(), "null clears, absence keeps: {user}");
    let user = ada.patch("/api/users/me", json!({"username": "countess"})).await.with_status(200);
    assert_eq!(user["username"], "countess");
    for path in ["/api/auth/me", "/api/users/me"] {
        assert_eq!(ada.get(path).await.with_status(200)["username"], "countess");
    }
    let tokens =
        app.site.post("/api/auth/login").json(&json!({"username": "countess", "password": PASSWORD})).send().await;
    tokens.with_status(200);
}

#[tokio::test]
async fn a_password_changes_only_with_the_old_one() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    let change = |old: &str| json!({"current_password": old, "password": "a much better password"});
    let refused = ada.patch("/api/users/me", change("not the old one")).await;
    assert!(
        ["INVALID_CREDENTIALS", "VALIDATION_ERROR", "PERMISSION_DENIED"].contains(&refused.outcome().as_str()),
        "{refused}"
    );
    ada.login(PASSWORD).await.with_status(200);
    ada.patch("/api/users/me", change(PASSWORD)).await.with_status(200);
    ada.login(PASSWORD).await.refused("INVALID_CREDENTIALS");
    ada.login("a much better password").await.with_status(200);
}

#[tokio::test]
async fn a_deactivated_account_is_gone_for_its_owner_and_stays_in_history() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("memories", &[&bob]).await;
    bob.says(&room, "remember me").await;
    bob.delete("/api/users/me").await.ok();
    assert_eq!(bob.login(PASSWORD).await.status, 401);
    assert_eq!(bob.get("/api/auth/me").await.status, 401);
    let refresh = json!({"refresh_token": bob.refresh_token});
    assert_eq!(app.site.post("/api/auth/refresh").json(&refresh).send().await.status, 401);
    let history = ada.history(&room).await;
    assert_eq!(history[0]["content"], "remember me");
    assert_eq!(history[0]["sender"]["is_active"], false);
    let found = ada.get("/api/users?search=bob").await.with_status(200);
    assert!(list(&found, "users").is_empty(), "nobody writes to those who left: {found}");
}

#[tokio::test]
async fn people_are_found_by_part_of_their_name() {
    let app = App::start().await;
    let [ada, adam, bob] = app.users(["ada", "adam", "bob"]).await;
    bob.patch("/api/users/me", json!({"full_name": "Bob Adamson"})).await.ok();
    for path in ["/api/users", "/api/users/users"] {
        let found = ada.get(&format!("{path}?search=ADAM")).await.with_status(200);
        let mut found = ids(list(&found, "users"));
        found.sort();
        let mut expected = vec![adam.id.clone(), bob.id.clone()];
        expected.sort();
        assert_eq!(found, expected, "{path}");
    }
    let all = ada.get("/api/users").await.with_status(200);
    assert_eq!(int(&all, "total"), 2, "everybody but oneself: {all}");
}

#[tokio::test]
async fn a_contact_carries_the_direct_room() {
    let app = App::start().await;
    let [ada, bob, cyd] = app.users(["ada", "bob", "cyd"]).await;
    let room = ada.opens_a_direct_room_with(&bob).await;
    bob.says(&room, "one").await;
    let last = bob.says(&room, "two").await;
    let users = ada.get("/api/users").await.with_status(200);
    let contact = find(list(&users, "users"), "id", &bob.id);
    assert_eq!(contact["room_id"], room.id.as_str());
    assert_eq!(contact["unread_count"], 2);
    assert_eq!(contact["last_message"]["id"], last["id"]);
    let other = find(list(&users, "users"), "id", &cyd.id);
    assert_eq!(
        (&other["room_id"], &other["last_message"], &other["unread_count"]),
        (&Value::Null, &Value::Null, &json!(0))
    );
}

#[tokio::test]
async fn lists_come_in_pages() {
    let app = App::start().await;
    let people = app.crowd(7).await;
    let mut seen = Vec::new();
    for page in 1..=3 {
        let answer = people[0].get(&format!("/api/users?page={page}&page_size=2")).await.with_status(200);
        let expected = json!({"total": 6, "page": page, "page_size": 2, "pages": 3, "has_more": page < 3});
        for (key, value) in expected.as_object().unwrap() {
            assert_eq!(&answer[key], value, "{key} of {answer}");
        }
        seen.extend(ids(list(&answer, "users")));
    }
    seen.sort();
    let mut expected: Vec<String> = people[1..].iter().map(|person| person.id.clone()).collect();
    expected.sort();
    assert_eq!(seen, expected, "each once");
    let beyond = people[0].get("/api/users?page=9&size=2").await.with_status(200);
    assert!(list(&beyond, "users").is_empty() && beyond["has_more"] == false);
}
