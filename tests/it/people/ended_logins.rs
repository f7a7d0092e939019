//! What was ended while a request was on its way, a login or an account, bites when the request arrives.

use reqwest::Method;
use sea_orm::{EntityTrait, PaginatorTrait};
use serde_json::{Value, json};

use crate::support::{
    App, File, Person, Room, Server, Socket, list, media::form, outcome_of, people::PASSWORD, postgres, slow::Slow,
    text,
};

/// How somebody's right to act ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Logout,
    NewPassword,
    Deactivation,
    Erasure,
}
use End::*;

impl End {
    async fn of(self, person: &Person) {
        match self {
            Logout => person.post("/api/auth/logout", json!({})).await.with_status(204),
            NewPassword => {
                let other = person.on_another_device().await;
                let change = json!({"current_password": PASSWORD, "password": "another horse battery"});
                other.patch("/api/users/me", change).await.with_status(200)
            }
            Deactivation => person.delete("/api/users/me").await.with_status(204),
            Erasure => person.delete("/api/users/me?erase=true").await.ok(),
        };
    }
}

/// A room that `actor` owns with `ada`, and what is in it.
struct Scene {
    ada: Person,
    cyd: Person,
    dan: Person,
    actor: Person,
    room: Room,
    own: String,
    anothers: String,
}

impl Scene {
    async fn set(app: &App, name: &str) -> Self {
        let names = ["ada", "cyd", "dan", "bob"].map(|person| format!("{person}{name}"));
        let [ada, cyd, dan, actor] = app.users(names.each_ref().map(String::as_str)).await;
        let room = actor.opens(json!({"visibility": "public"}), &[&ada, &cyd]).await;
        actor.makes(&ada, "owner", &room).await;
        let own = text(&actor.says(&room, "mine").await, "id");
        let anothers = text(&ada.says(&room, "theirs").await, "id");
        actor.put(&format!("/api/chat/messages/{anothers}/reactions/👍"), json!({})).await.ok();
        Self { ada, cyd, dan, actor, room, own, anothers }
    }

    /// Every request with a body that changes something.
    fn requests(&self) -> Vec<(&'static str, String, Value)> {
        let Self { cyd, dan, room, own, anothers, .. } = self;
        let message = |id: &str, rest: &str| format!("/api/chat/messages/{id}{rest}");
        let member = room.path(&format!("/members/{}", cyd.id));
        vec![
            ("POST", "/api/chat/messages".to_owned(), json!({"room_id": room.id, "content": "too late"})),
            ("PATCH", message(own, ""), json!({"content": "too late"})),
            ("PUT", message(own, ""), json!({"content": "too late"})),
            ("POST", message(anothers, "/reactions"), json!({"emoji": "🎉"})),
            (
                "POST",
                "/api/chat/rooms".to_owned(),
                json!({"room_type": "group", "name": "late", "member_ids": [cyd.id]}),
            ),
            ("POST", "/api/chat/rooms".to_owned(), json!({"room_type": "direct", "member_ids": [dan.id]})),
            ("PATCH", room.path(""), json!({"name": "too late"})),
            ("PUT", room.path(""), json!({"name": "too late"})),
            ("POST", room.path("/members"), json!({"user_ids": [dan.id]})),
            ("PATCH", member.clone(), json!({"role": "viewer"})),
            ("PUT", member, json!({"muted_until": "2999-01-01T00:00:00Z"})),
            ("POST", room.path("/transfer"), json!({"user_id": cyd.id})),
            ("PUT", room.path(&format!("/bans/{}", dan.id)), json!({"reason": "too late"})),
            ("POST", room.path("/invite"), json!({"max_uses": 5})),
            ("POST", room.path("/invitations"), json!({"user_id": dan.id})),
            ("POST", room.path("/read"), json!({"message_ids": [anothers]})),
            ("PATCH", "/api/users/me".to_owned(), json!({"full_name": "Too Late", "username": "too-late"})),
            ("PUT", "/api/users/me".to_owned(), json!({"full_name": "Too Late"})),
        ]
    }

    /// All that one of the others sees of what may have changed, but for what the end of an account brings with it.
    async fn seen(&self) -> Value {
        let Self { ada, dan, actor, room, .. } = self;
        let shown = ada.room(room).await;
        let of_others = |key: &'static str| {
            let members = list(&shown, "members").iter().filter(|member| member["user_id"] != actor.id.as_str());
            members.map(|member| member[key].clone()).collect::<Vec<Value>>()
        };
        let profile = ada.get(&format!("/api/users/{}", actor.id)).await.ok();
        let named: Vec<Value> = ada.history(room).await.iter().map(|message| message["content"].clone()).collect();
        json!({
            "name": shown["name"], "roles": of_others("role"), "mutes": of_others("muted_until"),
            "members": of_others("user_id"), "said": named, "reactions": ada.history(room).await[1]["reactions"],
            "bans": ada.get(&room.path("/bans")).await.ok(),
            "invitations": ada.get(&room.path("/invitations")).await.ok(),
            "link": ada.get(&room.path("/invite")).await.outcome(),
            "rooms": dan.get("/api/chat/rooms").await.ok(),
            "others_rooms": self.cyd.get("/api/chat/rooms").await.ok()["total"],
            "is_renamed": profile["full_name"] == "Too Late" || profile["username"] == "too-late",
        })
    }
}

/// Catches a build that looks at who is asking when the head of a request has come, and never again.
#[tokio::test]
async fn a_request_whose_body_comes_after_the_end_changes_nothing() {
    let app = App::start().await;
    for end in [Logout, NewPassword, Deactivation, Erasure] {
        let scene = Scene::set(&app, &format!("{end:?}").to_lowercase()).await;
        let mut waiting = Vec::new();
        for (method, path, body) in scene.requests() {
            waiting.push(Slow::json(&scene.actor, method, &path, &body).await);
        }
        let file = File::new("late.txt", "text/plain", "too late");
        let upload = form(&file, &[]);
        let boundary = String::from_utf8_lossy(&upload[2..]).split('\r').next().expect("a boundary").to_owned();
        let mime_type = format!("multipart/form-data; boundary={boundary}");
        waiting.push(Slow::begin(&scene.actor, "POST /api/chat/upload", &mime_type, upload).await);
        let before = scene.seen().await;
        end.of(&scene.actor).await;
        for request in waiting {
            let what = format!("{} after {end:?}", request.what);
            let (status, answer) = request.finish().await;
            assert_eq!(status, 401, "{what}: {answer}");
        }
        assert_eq!(scene.seen().await, before, "{end:?}");
        let files = entity::media::Entity::find().count(&app.server.database().await).await.expect("a count");
        assert_eq!(files, 0, "{end:?}");
    }
}

/// Every event that changes something.
fn events(scene: &Scene) -> Vec<(&'static str, Value)> {
    vec![
        ("send_message", json!({"room_id": scene.room.id, "content": "too late"})),
        ("edit_message", json!({"message_id": scene.own, "content": "too late"})),
        ("message_edited", json!({"message_id": scene.own, "content": "too late"})),
        ("add_reaction", json!({"message_id": scene.anothers, "emoji": "🎉"})),
        ("remove_reaction", json!({"message_id": scene.anothers, "emoji": "👍"})),
        ("mark_as_read", json!({"room_id": scene.room.id, "message_ids": [scene.anothers]})),
        ("delete_message", json!({"message_id": scene.own})),
        ("message_deleted", json!({"message_id": scene.anothers})),
    ]
}

/// The socket is on a node that hears nothing of the end, as one whose queue is long. Catches a build whose sockets act for
/// whomever they were let in for.
#[tokio::test]
async fn an_event_that_is_handled_after_the_end_changes_nothing() {
    let database = postgres::shared_database().await;
    let settings = Server::settings().with("DATABASE_URL", &database);
    let settings = settings.with("PARLOUR__REALTIME__RECHECK_INTERVAL_MS", "600000");
    let (here, there) = (App::with(settings.clone()).await, App::with(settings).await);
    for end in [Logout, NewPassword, Deactivation, Erasure] {
        let scene = Scene::set(&here, &format!("{end:?}").to_lowercase()).await;
        let socket: Socket = scene.actor.at(&there).connects().await;
        let before = scene.seen().await;
        end.of(&scene.actor).await;
        for (name, data) in events(&scene) {
            let answer = socket.emit_with_ack(name, data).answer().await;
            let outcome = outcome_of(&answer);
            assert!(["UNAUTHORIZED", "ACCOUNT_DISABLED"].contains(&outcome.as_str()), "{name} after {end:?}: {answer}");
        }
        assert_eq!(scene.seen().await, before, "{end:?}");
    }
}

/// An address that takes a file's bytes is no way around it either.
#[tokio::test]
async fn a_direct_upload_ends_with_its_owner() {
    let app = App::start().await;
    for end in [Logout, Deactivation, Erasure] {
        let bob = app.user(&format!("bob{end:?}").to_lowercase()).await;
        let begun =
            bob.get("/api/chat/upload/signed-url?filename=a.txt&mime_type=text/plain&size=8").await.with_status(200);
        let sent = async || {
            let request = app.site.at(Method::PUT, &text(&begun, "upload_url"));
            request.header("content-type", "text/plain").body("too late").send().await
        };
        let complete = format!("/api/chat/media/{}/complete", text(&begun, "media_id"));
        if end == Logout {
            assert_eq!(sent().await.status, 204);
            end.of(&bob).await;
        } else {
            let url = text(&begun, "upload_url");
            let path = &url[app.site.url("").len()..];
            let slow = Slow::begin(&bob, &format!("PUT {path}"), "text/plain", b"too late".to_vec()).await;
            end.of(&bob).await;
            let (status, answer) = slow.finish().await;
            assert!([403, 404].contains(&status), "{end:?}, in the middle of the body: {answer}");
            assert!([403, 404].contains(&sent().await.status.as_u16()), "{end:?}");
        }
        assert_eq!(bob.post(&complete, json!({})).await.status, 401, "{end:?}");
    }
}
