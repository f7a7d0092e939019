//! Who sees what of whom, and a walk through rooms and messages.

use super::*;

impl Server {
    /// The user's id and access token.
    async fn person(&self, name: &str) -> (String, String) {
        self.register(name).await;
        let (_, tokens) = self.login(name, "correct horse").await;
        (text(&tokens["user"]["id"]), text(&tokens["access_token"]))
    }

    async fn found(&self, token: &str, search: &str) -> Vec<(String, String)> {
        let (status, list) = self.send("GET", &format!("/api/users?search={search}"), token, None).await;
        assert_eq!(status, StatusCode::OK, "{list}");
        let users = list["users"].as_array().unwrap();
        users.iter().map(|user| (text(&user["username"]), text(&user["email"]))).collect()
    }
}

fn pair(name: &str, email: &str) -> (String, String) {
    (name.to_owned(), email.to_owned())
}

#[tokio::test]
async fn an_address_is_masked_until_its_owner_takes_part_in_a_shared_room() {
    let server = Server::start().await;
    let ((_, ada), (grace_id, grace)) = (server.person("ada").await, server.person("grace").await);
    server.person("linus").await;

    let masked = [pair("grace", "g***@example.com"), pair("linus", "l***@example.com")];
    assert_eq!(server.found(&ada, "").await, masked);
    assert_eq!(server.found(&ada, "GRA").await, masked[..1]);
    assert_eq!(server.found(&ada, "grace@example.com").await, masked[..1]);
    for guess in ["grace@", "grace@e", "g%25", "%25", "_race", "%5C", "ada"] {
        assert_eq!(server.found(&ada, guess).await, [], "{guess}");
    }

    let room = json!({"room_type": "direct", "member_ids": [grace_id]});
    let (status, room) = server.send("POST", "/api/chat/rooms", &ada, Some(room)).await;
    assert_eq!(status, StatusCode::CREATED, "{room}");
    assert_eq!(server.found(&ada, "grace@").await, [], "she has done nothing");
    assert_eq!(server.found(&grace, "ada@").await, [pair("ada", "ada@example.com")], "who opened the room");
    let message = json!({"room_id": room["id"], "content": "Hello"});
    server.send("POST", "/api/chat/messages", &grace, Some(message)).await;
    assert_eq!(server.found(&ada, "grace@").await, [pair("grace", "grace@example.com")]);
    let (_, seen) = server.send("GET", &format!("/api/users/{grace_id}"), &ada, None).await;
    assert_eq!((&seen["email"], seen.get("last_login")), (&json!("grace@example.com"), None));
    let (_, own) = server.send("GET", &format!("/api/users/{grace_id}"), &grace, None).await;
    assert!(own["last_login"].is_string());

    let (_, list) = server.send("GET", "/api/users/users?page_size=1", &ada, None).await;
    let contact = &list["users"][0];
    assert_eq!((&contact["room_id"], &contact["unread_count"]), (&room["id"], &json!(1)), "{list}");
    assert_eq!(contact["last_message"]["content"], "Hello");
    assert_eq!((&list["total"], &list["pages"], &list["has_more"]), (&json!(2), &json!(2), &json!(true)));
}

#[tokio::test]
async fn a_walk_through_rooms_and_messages() {
    let server = Server::start().await;
    let ((ada_id, ada), (grace_id, grace)) = (server.person("ada").await, server.person("grace").await);
    let send = async |method: &str, path: &str, token: &str, body: Value| {
        let (status, answer) = server.send(method, path, token, Some(body).filter(|body| !body.is_null())).await;
        (status.as_u16(), answer)
    };

    let (status, room) = send("POST", "/api/chat/rooms", &ada, json!({"room_type": "group", "name": "Engine"})).await;
    assert_eq!(status, 201, "{room}");
    let room_path = format!("/api/chat/rooms/{}", text(&room["id"]));
    assert_eq!(send("GET", &room_path, &grace, Value::Null).await.1["error_code"], "ROOM_NOT_FOUND");
    let members = format!("{room_path}/members");
    let (status, added) = send("POST", &members, &ada, json!({"user_ids": [grace_id]})).await;
    assert_eq!((status, &added["members"][0]["user_id"]), (201, &json!(grace_id)), "{added}");
    let (status, problem) = send("POST", &format!("{members}/{grace_id}"), &ada, Value::Null).await;
    assert_eq!((status, &problem["error_code"]), (409, &json!("ALREADY_MEMBER")));
    let (status, member) = send("PATCH", &format!("{members}/{grace_id}"), &ada, json!({"role": "viewer"})).await;
    assert_eq!((status, &member["role"]), (200, &json!("viewer")), "{member}");
    assert_eq!(send("PUT", &room_path, &grace, json!({"name": "x"})).await.0, 403);
    assert_eq!(send("PATCH", &room_path, &ada, json!({"name": "Engines"})).await.1["name"], "Engines");

    let message = json!({"room_id": room["id"], "content": "Hello", "client_msg_id": "a1"});
    let (status, stored) = send("POST", "/api/chat/messages", &ada, message.clone()).await;
    assert_eq!(status, 201, "{stored}");
    assert_eq!(send("POST", "/api/chat/messages", &ada, message.clone()).await, (200, stored.clone()));
    assert_eq!(send("POST", "/api/chat/messages", &grace, message).await.0, 403);
    let request = Request::post("/api/chat/messages")
        .header("authorization", format!("Bearer {ada}"))
        .header("content-type", "application/json")
        .header("idempotency-key", "a1")
        .body(Body::from(json!({"room_id": room["id"], "content": "Other"}).to_string()));
    let (_, problem) = read(server.raw(request.unwrap()).await).await;
    assert_eq!(problem["error_code"], "CLIENT_MSG_ID_CONFLICT");

    let message_path = format!("/api/chat/messages/{}", text(&stored["id"]));
    assert_eq!(send("PATCH", &message_path, &ada, json!({"content": "Hi"})).await.1["content"], "Hi");
    assert_eq!(send("PATCH", &message_path, &grace, json!({"content": "x"})).await.0, 403);
    let history = format!("{room_path}/messages");
    assert_eq!(send("GET", &history, &grace, Value::Null).await.1["total"], 1);
    let (_, window) = send("GET", &format!("{history}?after_seq=0&limit=5"), &grace, Value::Null).await;
    assert_eq!((&window["messages"][0]["content"], &window["last_seq"]), (&json!("Hi"), &stored["seq"]), "{window}");
    let (_, mark) = send("POST", &format!("{room_path}/read"), &grace, json!({"up_to_seq": stored["seq"]})).await;
    assert_eq!((&mark["last_read_seq"], &mark["unread_count"]), (&stored["seq"], &json!(0)));
    assert_eq!(send("DELETE", &message_path, &ada, Value::Null).await.0, 204);
    assert_eq!(send("GET", &message_path, &grace, Value::Null).await.1["content"], Value::Null);

    assert_eq!(send("POST", &format!("{room_path}/leave"), &ada, Value::Null).await.1["error_code"], "LAST_OWNER");
    assert_eq!(send("DELETE", &format!("{members}/{ada_id}"), &grace, Value::Null).await.0, 403);
    assert_eq!(send("POST", &format!("{room_path}/leave"), &grace, Value::Null).await.0, 204);
    assert_eq!(send("DELETE", &room_path, &ada, Value::Null).await.0, 204);
    assert_eq!(send("GET", "/api/chat/rooms", &ada, Value::Null).await.1["total"], 0);
}
